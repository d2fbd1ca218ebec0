"""RateDistortionCallback among processes: two of gloo have the numbers of one, and W&B gets what it logs."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wandb
from lightning.pytorch.loggers import WandbLogger

from vae_rd import RateDistortionCallback
from vae_rd.run.record import RunRecord

from helpers.users import Functional, fitted, functional_terms, watched
from helpers.wandb_server import WandbServer

pytestmark = pytest.mark.slow

SCRIPT = "import pathlib, sys; from helpers.users import watched; watched(pathlib.Path(sys.argv[1]), 2)"


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_wandb_gets_what_history_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
        monkeypatch.delenv(name)
    with WandbServer() as server:
        for name, value in {**server.environment(), "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        logger = WandbLogger(project="others", id="theirs", save_dir=tmp_path)
        fitted(Functional(), RateDistortionCallback(functional_terms, folder=tmp_path / "run"), logger=logger)
        wandb.finish()
        wandb.teardown()
    for name in ("val/distortion", "val/objective", "val/rate_dim_2", "train/rate"):
        logged = [row[name] for row in server.runs["theirs"].history if name in row]
        assert logged == pytest.approx([float(row[name]) for row in rows_of(tmp_path / "run")], rel=1e-6), name


def test_two_processes_have_the_numbers_of_one_to_the_last_bit(tmp_path: Path) -> None:
    one, two = (tmp_path / name for name in ("one", "two"))
    watched(one, 1)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    script = tmp_path / "fit.py"
    script.write_text(SCRIPT, encoding="utf-8")  # Which the second process is started from, too.
    subprocess.run([sys.executable, script, two], env=environment, check=True, timeout=300)
    for row, other in zip(rows_of(one), rows_of(two), strict=True):
        assert {**row, "step": ""} == {**other, "step": ""}  # Two processes take half as many.
    records = [RunRecord.read(folder) for folder in (one, two)]
    assert records[0].metrics == records[1].metrics
    assert records[0].data == records[1].data
    assert records[0].metrics["val"]["distortion"]["n"] == 621
