"""What is noted of runs at work: the ledger on disk, and histories that are read where anyone sees what they say."""

import pytest
from rich.console import Console

from vae_rd.config.fields import FitConfig
from vae_rd.launch.ledger import Entry, Ledger
from vae_rd.launch.local import tracker
from vae_rd.launch.local.progress import SweepProgress
from vae_rd.launch.local.tracker import Ended, Tracker
from vae_rd.launch.points.plan import PlannedRun


@pytest.fixture
def runs(tmp_path):
    return [PlannedRun(name, (), FitConfig(run_dir=str(tmp_path), name=name), {}) for name in "ab"]


@pytest.fixture
def tracked(runs, tmp_path):
    """A tracker of two runs within its bars."""
    ledger = Ledger(tmp_path / "sweep.json", "sweep.yaml", {}, {run.name: Entry({}) for run in runs})
    with SweepProgress(2, 0) as progress:
        yield Tracker(ledger, progress)


@pytest.fixture(params=[False, True])
def is_terminal(request, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", request.param)
    return request.param


def test_histories_are_read_at_the_start_and_then_where_a_bar_shows_them(is_terminal, tracked, runs, monkeypatch):
    read = []
    monkeypatch.setattr(tracker, "history_of", lambda folder: read.append(folder) or [])
    tracked.started(runs)
    tracked.look(runs)
    assert read == [run.folder for run in runs] * (1 + is_terminal)


def test_what_became_of_runs_is_on_disk_and_shown(tracked, runs, capsys):
    tracked.started(runs)
    tracked.ended([Ended(runs[0], "finished", "finished, D 3"), Ended(runs[1], "failed", "failed: luck", "; again")])
    found = Ledger.opened(tracked.ledger.path.parent, file="sweep.yaml", sweep={}).runs
    assert [(entry.state, entry.error) for entry in found.values()] == [("finished", None), ("failed", "failed: luck")]
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" (")[0] for line in lines] == ["[1/2] a: finished, D 3", "[1/2] b: failed: luck; again"]


def test_a_full_disk_is_an_error_but_while_runs_are_to_save_what_they_have(tracked, runs, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    tracked.started(runs)
    monkeypatch.setattr(Ledger, "write", full)
    with pytest.raises(OSError, match="No space"):
        tracked.ended([Ended(runs[0], "interrupted", "interrupted: by a signal")])
    tracked.is_ending = True
    tracked.ended([Ended(runs[1], "interrupted", "interrupted: by a signal")])
    assert [entry.state for entry in tracked.ledger.runs.values()] == ["interrupted"] * 2
