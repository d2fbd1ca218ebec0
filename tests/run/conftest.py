"""A process that holds a run's lock, and a run that has begun."""

import os
import subprocess
import sys

import pytest

from vae_rd.config.fields import FitConfig
from vae_rd.run.folder import claim
from vae_rd.run.record import RunRecord

from helpers.common import ROOT

HOLD = "import sys; from pathlib import Path; from vae_rd.run.lock import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path / "mine"`, until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "mine")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture
def config(tmp_path):
    """Of a run `tmp_path / "mine"` that has begun."""
    with claim(FitConfig(run_dir=str(tmp_path), name="mine")).taken(FitConfig(run_dir=str(tmp_path), name="mine")):
        RunRecord("mine", "", {}, {}).write(tmp_path / "mine")
    return FitConfig(run_dir=str(tmp_path), name="mine", overwrite=True)
