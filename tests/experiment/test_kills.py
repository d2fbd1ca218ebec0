"""A fit that is killed or stopped, and goes on by the same command: the bits of one to which nothing happened."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vae_rd.errors import Interrupted
from vae_rd.process.imports import whole_imports
from vae_rd.process.signals import SignalGuard
from vae_rd.training.tracking import RunLogger, mark_preempting

from helpers.common import ROOT, TOY
from helpers.wandb_server import WandbServer

ARGUMENTS = [*TOY[:-1], "--max_epochs=60", "--name=mine", "--resume=auto"]
RUN = Path("runs") / "mine"


class Fit:
    """`python -m vae_rd.fit` in a folder."""

    def __init__(self, folder: Path, wandb: str = "off", **environment: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vae_rd.fit", *ARGUMENTS, f"--wandb={wandb}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send_in_training(self, signum: int) -> int:
        """Send a signal once some epochs are over; the exit code."""
        history, deadline = self.folder / RUN / "history.csv", time.monotonic() + 90
        while not history.is_file() or len(history.read_bytes().splitlines()) < 10:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.01)
        self.process.send_signal(signum)
        return self.code()

    def code(self) -> int:
        self.errors = self.process.communicate(timeout=90)[1]
        return self.process.returncode


def state(folder: Path) -> dict:
    """What must not depend on what happened on the way."""
    record = json.loads((folder / RUN / "record.json").read_text())
    checkpoints = [torch.load(folder / RUN / "checkpoints" / f"{name}.ckpt") for name in ("kept", "last")]
    return {
        "history": (folder / RUN / "history.csv").read_text(),
        "weights": [{name: value.tolist() for name, value in c["state_dict"].items()} for c in checkpoints],
        **{key: record[key] for key in ("status", "metrics", "verdicts")},
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "uninterrupted"
    fit = Fit(folder)
    assert fit.code() == 0, fit.errors
    return state(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code", "status"), [(signal.SIGKILL, -9, "running"), (signal.SIGTERM, 143, "interrupted")]
)
def test_a_fit_that_was_ended_goes_on_to_the_same_bits(signum, code, status, uninterrupted, tmp_path):
    assert Fit(tmp_path).send_in_training(signum) == code
    assert json.loads((tmp_path / RUN / "record.json").read_text())["status"] == status
    again = Fit(tmp_path)
    assert again.code() == 0, again.errors
    assert state(tmp_path) == uninterrupted
    assert list((tmp_path / RUN).rglob("*.tmp")) == []


@pytest.mark.slow
def test_a_killed_w_and_b_run_goes_on_along_one_step_axis(uninterrupted, tmp_path):
    with WandbServer() as server:
        environment = {"WANDB_MODE": "online", "HOME": str(tmp_path), **server.environment()}
        Fit(tmp_path / "fit", "online", **environment).send_in_training(signal.SIGKILL)
        again = Fit(tmp_path / "fit", "online", **environment)
        assert again.code() == 0, again.errors
        (served,) = server.runs.values()
    assert state(tmp_path / "fit") == uninterrupted
    rows = list(csv.DictReader(uninterrupted["history"].splitlines()))
    *epochs, chart = served.history
    assert [line["_step"] for line in epochs] == [int(row["step"]) for row in rows]
    assert [line["val/rate"] for line in epochs] == [float(row["val/rate"]) for row in rows]
    assert "rate_distortion_table" in chart


# Without a process


class FakeRun(SimpleNamespace):
    """A W&B run that had a part of its history."""

    def __init__(self, starting_step: int) -> None:
        super().__init__(starting_step=starting_step, rows=[], preempting=False)

    def log(self, row, *, step: int, commit: bool) -> None:
        assert commit
        self.rows.append((step, row))

    def mark_preempting(self) -> None:
        self.preempting = True


def test_w_and_b_gets_the_rows_it_lacks_and_none_twice(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,step,lr,val/rate\n0,4,0.1,1.5\n1,8,0.2,\n2,12,0.4,2.5\n")
    run = FakeRun(starting_step=5)
    logger = RunLogger(run, tmp_path)
    logger.catch_up(tmp_path / "history.csv")
    logger.log_metrics({"epoch": 2, "val/rate": 2.5}, step=12)
    logger.log_metrics({"epoch": 3, "val/rate": 3.5}, step=16)
    rows = [(step, {k: v for k, v in row.items() if not k.startswith("plane/")}) for step, row in run.rows]
    assert rows == [
        (8, {"epoch": 1, "train/lr": 0.2, "trainer/global_step": 8}),
        (12, {"epoch": 2, "train/lr": 0.4, "val/rate": 2.5, "trainer/global_step": 12}),
        (16, {"epoch": 3, "val/rate": 3.5, "trainer/global_step": 16}),
    ]


def test_a_run_that_makes_room_says_so_to_w_and_b(tmp_path):
    run = FakeRun(starting_step=0)
    mark_preempting(None)
    mark_preempting(RunLogger(run, tmp_path))
    assert run.preempting


def test_signals_wait_for_the_end_of_imports():
    reached = []

    def import_slowly() -> None:
        with whole_imports():
            signal.raise_signal(signal.SIGTERM)
            reached.append("the end")

    with pytest.raises(Interrupted), SignalGuard():
        import_slowly()
    assert reached == ["the end"]


@pytest.mark.parametrize(("has_come", "raised"), [(True, Interrupted), (False, RuntimeError)])
def test_what_fails_after_a_swallowed_signal_is_the_signal(has_come, raised):
    def fail() -> None:
        with SignalGuard():
            if has_come:
                with contextlib.suppress(Interrupted):
                    signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("half of a library")

    with pytest.raises(raised):
        fail()
