"""What a user sees of a sweep: a line a run at work on a terminal, a line a run that ended elsewhere, and time left."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from vae_rd.launch.local import progress
from vae_rd.launch.local.progress import Clock, SweepProgress
from vae_rd.launch.watch import Progress

RUN = SimpleNamespace(name="a", label="beta 4, seed 0")
OTHER = SimpleNamespace(name="b", label="beta 10, seed 0")


@pytest.fixture
def clock(monkeypatch):
    """The time, which moves when it is told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def shown(terminal: bool, width: int = 100) -> tuple[SweepProgress, io.StringIO]:
    page = io.StringIO()
    sweep = SweepProgress(5, 1)
    sweep.console = Console(file=page, force_terminal=terminal, width=width, color_system=None)
    return sweep, page


def test_time_left_is_the_pace_since_the_start_times_what_remains(clock):
    began = Clock(done=10, began=100.0)
    assert began.left(done=10, total=30) == "-", "nothing is known yet"
    clock(20.0)
    assert began.left(done=15, total=30) == "0:01:00", "4 s an epoch, of which a resumed run has done 5, not 15"
    assert began.left(done=30, total=30) == "-"


def test_elsewhere_a_line_for_each_run_that_ended(clock):
    sweep, page = shown(terminal=False)
    with sweep:
        sweep.started(RUN, Progress(0, 8, None, None))
        sweep.seen(RUN, Progress(2, 8, 3.5, 1.25))
        clock(12.0)
        sweep.ended(RUN, what="finished, test D 3.500 ± 0.100  R 1.250", settled=True)
        sweep.started(OTHER, Progress(0, 8, None, None))
        sweep.ended(OTHER, what="failed: Diverged: [no] markup", settled=False)
    assert page.getvalue().splitlines() == [
        "[2/5] beta 4, seed 0: finished, test D 3.500 ± 0.100  R 1.250 (12 s)",
        "[2/5] beta 10, seed 0: failed: Diverged: [no] markup (0 s)",
    ]


def test_labels_are_no_markup(clock):
    sweep, page = shown(terminal=True)
    with sweep:
        sweep.started(SimpleNamespace(name="a", label="data_file /tmp/[/x].npz"), Progress(0, 8, None, None))
        sweep._bars.refresh()
    assert "/tmp/[/x].npz" in page.getvalue()


def test_on_a_terminal_each_run_at_work_has_its_epoch_d_r_and_time_left(clock):
    sweep, page = shown(terminal=True)
    with sweep:
        sweep.started(RUN, Progress(0, 8, None, None))
        sweep.started(OTHER, Progress(4, 8, None, None))
        clock(10.0)
        sweep.seen(RUN, Progress(2, 8, 3.5, 1.25))
        sweep._bars.refresh()
        frame = page.getvalue().split("sweep")[-1].splitlines()
        sweep.ended(RUN, what="finished", settled=True)
        sweep._bars.refresh()
        after = page.getvalue().split("sweep")[-1].splitlines()
    assert "1/5" in frame[0]
    assert [text in frame[1] for text in ("beta 4, seed 0", "2/8", "val D 3.50  R 1.25", "0:00:30 left")] == [True] * 4
    assert "beta 10, seed 0" in frame[2]
    assert "4/8" in frame[2]
    assert "2/5" in after[0]
    assert "0:00:30 left" in after[0], "one run in 10 s, three to go"
    assert "beta 4, seed 0" not in "".join(after)
