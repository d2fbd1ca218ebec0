"""Fixtures that every test shares: single threads, float64 on request, toy runs, and the command in a subprocess."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("WANDB_MODE", "disabled")  # A test that tracks says so itself; no other ever should.

import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build

from helpers.common import ROOT, Command

collect_ignore = ["contracts/toy_members.py"]  # A script: importing it would add its members.


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def float64() -> Iterator[None]:
    """Tensors in double precision by default."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets; a test that needs it is skipped where there is none."""
    folder = os.environ.get("VAE_RD_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("VAE_RD_DATA names no folder of data sets")
    return Path(folder)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`python -m MODULE ARGS...` in an empty working directory, one thread."""

    def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def toy(tmp_path):
    """A config of a few seconds, with changes."""

    def make(**changes) -> FitConfig:
        settings = {"n_train": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "max_epochs": 3}
        settings |= {"wandb": "off", "eval_samples": 2}
        return FitConfig(**{**settings, "run_dir": str(tmp_path / "runs"), "lr": 1e-2, **changes})

    return make


@pytest.fixture
def interrupt(monkeypatch):
    """Make the next fit receive a signal after its step `step`."""

    build_module = build.build_module

    def arm(step: int, signum: int) -> None:
        def with_signal(*args, after_step, **kwargs):
            steps = itertools.count(1)

            def raise_then_check() -> None:
                if next(steps) == step:
                    signal.raise_signal(signum)
                after_step()

            return build_module(*args, after_step=raise_then_check, **kwargs)

        monkeypatch.setattr(build, "build_module", with_signal)

    return arm
