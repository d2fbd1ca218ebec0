"""What a launcher notes of its runs while they are at work: in the ledger, and for the user to see."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from vae_rd.launch.ledger import SETTLED, Ledger, State
from vae_rd.launch.local.progress import SweepProgress
from vae_rd.launch.points.plan import PlannedRun
from vae_rd.launch.watch import history_of, progress_of


@dataclass(frozen=True)
class Ended:
    """How a run ended; `how` says it in a few words, `note` what comes of it where that is to be shown too."""

    run: PlannedRun
    state: State
    how: str
    note: str = ""


@dataclass
class Tracker:
    """Keeps the ledger and what the user sees up to date.

    Attributes:
        ledger: what became of each run, kept on disk.
        progress: what the user sees.
        is_ending: the runs at work are to save what they have and end. A full disk is then not to keep them from it,
            where it is an error at any other time.
    """

    ledger: Ledger
    progress: SweepProgress
    is_ending: bool = False

    def started(self, runs: Sequence[PlannedRun]) -> None:
        """Note that runs are at work."""
        for run in runs:
            entry = self.ledger.runs[run.name]
            entry.state, entry.error, entry.attempts = "running", None, entry.attempts + 1
        self.ledger.write()
        for run in runs:
            self.progress.started(run, progress_of(history_of(run.folder), run.config))

    def look(self, runs: Sequence[PlannedRun]) -> None:
        """Show how far runs have come, where anyone sees it."""
        if self.progress.is_watched:
            for run in runs:
                self.progress.seen(run, progress_of(history_of(run.folder), run.config))

    def ended(self, ends: Sequence[Ended]) -> None:
        """Note how runs ended."""
        for end in ends:
            entry = self.ledger.runs[end.run.name]
            entry.state, entry.error = end.state, None if end.state == "finished" else end.how
            with self._spared():
                self.progress.ended(end.run, what=f"{end.how}{end.note}", settled=end.state in SETTLED)
        with self._spared():
            self.ledger.write()

    def _spared(self) -> contextlib.suppress:
        return contextlib.suppress(*[OSError] if self.is_ending else [])
