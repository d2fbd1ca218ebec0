"""What a task of a SLURM job array runs: one fit, which a signal ends between two steps and a requeue goes on with.

SLURM's warning before the time limit is SIGUSR1 to the task's first process alone, which is the fit: the batch script
ends by becoming Python. The fit stops between two steps, gives submitit its handler back, and gets the signal again:
submitit then puts the task back into the queue. Preemption and `scontrol requeue` come as SIGTERM, and there SLURM
itself requeues. Either way `--resume auto` goes on from the last epoch.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vae_rd import fit
from vae_rd.run.files import HISTORY_FILE

IDLE_ATTEMPTS = 3  # In a row, without an epoch: then the time limit is too short.


@dataclass
class FitTask:
    """What a task of the array runs: one fit in its own process; submitit pickles it.

    Attributes:
        argv: flags of `python -m vae_rd.fit`, with `--resume auto`.
        folder: of the run.
        requeue: whether SIGUSR1 puts the task back into the queue.
        idle: attempts in a row that have not finished an epoch.
    """

    argv: tuple[str, ...]
    folder: str
    requeue: bool
    idle: int = 0
    _epochs: int = field(default=0, init=False, repr=False)

    def __call__(self) -> int:
        """Run the fit to its end.

        Raises:
            SystemExit: with its exit code, where that is not 0, so that SLURM sees a failed task.
        """
        self._epochs = _epochs(Path(self.folder))
        with _as_command(self.argv):
            code = fit.main(self.argv)
        if code == 128 + signal.SIGUSR1 and self.requeue:
            signal.raise_signal(signal.SIGUSR1)  # submitit's handler is in place again; it requeues and exits.
        if code:
            raise SystemExit(code)
        return code

    def checkpoint(self) -> Any:
        """For submitit: the next attempt; nothing, which ends the task, where attempts lead nowhere."""
        from submitit.helpers import DelayedSubmission

        idle = self.idle + 1 if _epochs(Path(self.folder)) == self._epochs else 0
        if not self.requeue or idle >= IDLE_ATTEMPTS:
            print(f"not requeued: {'no epoch was finished in time' if self.requeue else 'not asked for'}", flush=True)
            return None
        return DelayedSubmission(replace(self, idle=idle))


def _epochs(folder: Path) -> int:
    """How many epochs a run has finished."""
    try:
        return len((folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines()) - 1
    except FileNotFoundError:
        return -1


@contextmanager
def _as_command(argv: Sequence[str]) -> Iterator[None]:
    """For the record, which quotes the command line: this process as `python -m vae_rd.fit` with these flags."""
    before = sys.argv, sys.modules["__main__"]
    sys.argv, sys.modules["__main__"] = ["fit", *argv], fit
    try:
        yield
    finally:
        sys.argv, sys.modules["__main__"] = before
