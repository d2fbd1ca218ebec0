"""Where the project lies, and the flags of a fit of a second."""

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOY = ["--n_train=256", "--hidden=[8]", "--latent_dim=2", "--batch_size=64", "--eval_samples=2", "--wandb=off"]

Command = Callable[..., subprocess.CompletedProcess[str]]
