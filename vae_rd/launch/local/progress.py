"""What a user sees of a sweep: on a terminal a line for each run at work, elsewhere a line for each that ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from vae_rd.launch.points.plan import PlannedRun
from vae_rd.launch.watch import Progress


@dataclass
class Clock:
    """When something began and how much of it was done then: from these, how long the rest will take."""

    done: float = 0.0
    began: float = field(default_factory=lambda: time.monotonic())

    def left(self, *, done: float, total: float) -> str:
        """The time left at the pace so far, as `0:01:30`; `-` before there is a pace."""
        if done <= self.done or done >= total:
            return "-"
        pace = (time.monotonic() - self.began) / (done - self.done)
        return str(timedelta(seconds=round(pace * (total - done))))


class SweepProgress:
    """Shows a sweep while entered.

    Args:
        total: the number of runs.
        settled: how many of them are settled before the start.
    """

    def __init__(self, total: int, settled: int) -> None:
        self.total, self.settled = total, settled
        self.console = Console()
        self._bars: Bars | None = None
        self._tasks: dict[str, tuple[TaskID, Clock]] = {}
        self._clock = Clock(done=settled)

    def __enter__(self) -> SweepProgress:
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(24), MofNCompleteColumn())
            texts = (TextColumn("{task.fields[seen]}"), TextColumn("{task.fields[left]} left", style="cyan"))
            self._bars = Bars(*columns, *texts, console=self.console)
            self._sweep = self._bars.add_task("sweep", total=self.total, completed=self.settled, seen="", left="-")
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    @property
    def is_watched(self) -> bool:
        """Whether anyone sees how far runs have come: their histories need not be read where nobody does."""
        return self._bars is not None

    def started(self, run: PlannedRun, progress: Progress) -> None:
        """A run has been started, or goes on."""
        clock = Clock(done=progress.done)
        if self._bars is None:
            self._tasks[run.name] = (TaskID(0), clock)
            return
        task = self._bars.add_task(run.label, total=progress.total, completed=progress.done, seen="", left="-")
        self._tasks[run.name] = (task, clock)

    def seen(self, run: PlannedRun, progress: Progress) -> None:
        """A run has come further."""
        if self._bars is None:
            return
        task, clock = self._tasks[run.name]
        rate = "-" if progress.rate is None else f"{progress.rate:.2f}"
        shown = "" if progress.distortion is None else f"val D {progress.distortion:.2f}  R {rate}"
        left = clock.left(done=progress.done, total=progress.total)
        self._bars.update(task, total=progress.total, completed=progress.done, seen=shown, left=left)

    def ended(self, run: PlannedRun, *, what: str, settled: bool) -> None:
        """A run has ended; `what` says how, in a few words."""
        task, clock = self._tasks.pop(run.name)
        self.settled += settled
        seconds = time.monotonic() - clock.began
        line = f"[{self.settled}/{self.total}] {run.label}: {what} ({seconds:.0f} s)"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self._bars is not None:
            left = self._clock.left(done=self.settled, total=self.total)
            self._bars.remove_task(task)
            self._bars.update(self._sweep, completed=self.settled, left=left)
