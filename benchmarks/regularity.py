"""Is a VAE's space of z regular and an autoencoder's not? Eight models of digits with two units, three seeds: a figure.

    OMP_NUM_THREADS=1 python benchmarks/regularity.py [--seeds 3] [--runs FOLDER] [--table] [--write]

Fits a plain autoencoder and VAEs at seven betas to 1,200 of scikit-learn's digits, explores the regularity of each, and
goes on where it was interrupted; under runs/regularity (`--runs`). `--write` puts the table and the figure into
docs/regular.md. Standard errors are over seeds.
"""

from __future__ import annotations

import json
from pathlib import Path

from known_answers.tables import ROOT

from vae_rd import FitConfig, explore_run, fit_model
from vae_rd.run.record import Json

DOCS = ROOT / "docs" / "regular.md"
BETAS = (None, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # None: the autoencoder.
FLAGS = {"data": "digits", "binarization": "threshold", "n_train": 1200, "latent_dim": 2, "batch_size": 64}
LENGTH = {"max_epochs": 150, "val_every": 10, "media_every": 0, "wandb": "off", "resume": "auto"}
POINT = {"posterior": "deterministic", "beta": 0.0}


def folder_of(beta: float | None, seed: int, runs: Path) -> Path:
    """Where a run lies."""
    return runs / f"{'ae' if beta is None else f'beta{beta:g}'}-seed{seed}"


def measure(beta: float | None, seed: int, runs: Path) -> None:
    """Fit and explore a run, as far as that has not been done."""
    folder = folder_of(beta, seed, runs)
    place = {"name": folder.name, "run_dir": str(runs), "seed": seed}
    fit_model(FitConfig(**FLAGS, **LENGTH, **place, **(POINT if beta is None else {"beta": beta})))
    if numbers_of(folder) is None:
        explore_run(folder, "regularity", seed=seed)


def numbers_of(folder: Path) -> Json | None:
    """What an exploration found of a run; None where there was none."""
    path = folder / "explore" / "regularity.json"
    numbers: Json | None = json.loads(path.read_text())["numbers"] if path.is_file() else None
    return numbers
