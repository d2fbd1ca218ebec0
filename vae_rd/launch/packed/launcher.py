"""`--launcher packed`: runs of one network in one process, whose optimiser steps are taken together.

Runs that differ in what decides shapes, data or arithmetic are in packs of their own. A pack that its machine has not
the memory for goes on in halves; runs that a signal interrupts go on with the next call.
"""

from __future__ import annotations

import contextlib
import math
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from vae_rd.config.packs import packs_of
from vae_rd.errors import InputError, Interrupted
from vae_rd.launch.ledger import SETTLED, Ledger
from vae_rd.launch.local.forks import ForkedFit
from vae_rd.launch.local.launcher import run_local
from vae_rd.launch.local.progress import SweepProgress
from vae_rd.launch.local.scheduler import LOGS, LOOK_SECONDS, LOST, POLL_SECONDS, log_of, numbers_of
from vae_rd.launch.local.supply import Supply
from vae_rd.launch.packed.devices import shared_out
from vae_rd.launch.packed.task import End, Task, read_ends, run_pack
from vae_rd.launch.points.plan import Plan, PlannedRun
from vae_rd.launch.watch import history_of, progress_of
from vae_rd.process.signals import SignalGuard
from vae_rd.run.record import RunRecord


def run_packed(plan: Plan, *, jobs: int | None, chunk: int | None) -> int:
    """Carry out what is left of a sweep in packs and print what became of it.

    Args:
        plan: the sweep.
        jobs: packs at a time; None of one for each of `--devices`, for each GPU, or for each core.
        chunk: the largest number of runs in a pack; None of all, or as many as memory holds.

    Returns:
        0, or 1 where a run is left that is not finished.

    Raises:
        InputError: before anything is started or written.
        Interrupted: by a signal, once every run has saved what it has.
    """
    _check(plan)
    plan, jobs = shared_out(plan, jobs)
    return run_local(plan, jobs=jobs, carry_out=partial(_by_packs, chunk=chunk))


def _check(plan: Plan) -> None:
    path = plan.file.path
    if not plan.runs:
        raise InputError(f"{path}: a search decides on a run when others have ended; use --launcher local")
    if plan.file.early_terminate is not None:
        raise InputError(f"{path}: early_terminate stops runs by others' results; use --launcher local")


def _by_packs(
    plan: Plan,
    ledger: Ledger,
    supply: Supply,
    places: Sequence[Mapping[str, str]],
    progress: SweepProgress,
    *,
    chunk: int | None,
) -> None:
    left = [run for name, run in supply.runs.items() if ledger.runs[name].state not in SETTLED]
    Packs(plan, ledger, places, progress, deque(packs(left, jobs=len(places), chunk=chunk))).run()


def packs(runs: Sequence[PlannedRun], *, jobs: int, chunk: int | None) -> list[list[PlannedRun]]:
    """The runs of each pack: as many packs as can be at work, those of one seed together, which share their batches.

    Args:
        runs: what is to be done.
        jobs: packs at a time.
        chunk: the largest number of runs in a pack; None for no limit.
    """
    most = max(1, min(math.ceil(len(runs) / jobs), chunk or len(runs)))
    found = []
    for places in packs_of([run.config for run in runs]):
        kind = sorted((runs[place] for place in places), key=lambda run: run.config.seed)
        even = math.ceil(len(kind) / math.ceil(len(kind) / most))
        found += [kind[i : i + even] for i in range(0, len(kind), even)]
    return found


@dataclass
class _Job:
    """A pack at work in a slot."""

    runs: list[PlannedRun]
    process: ForkedFit
    slot: int
    answer: Path
    log: Path


@dataclass
class Packs:
    """The packs of a sweep, carried out.

    Attributes:
        plan: the sweep.
        ledger: what became of each run, kept on disk.
        slots: the environment of each process.
        progress: what the user sees.
        waiting: packs that have not begun.
    """

    plan: Plan
    ledger: Ledger
    slots: Sequence[Mapping[str, str]]
    progress: SweepProgress
    waiting: deque[list[PlannedRun]]
    _jobs: list[_Job] = field(default_factory=list)

    def run(self) -> None:
        """Carry them out; the ledger says how each run ended.

        Raises:
            Interrupted: by a signal, which went to every process; a second one does not wait for them.
        """
        self.ledger.write()
        with SignalGuard() as guard:
            guard.hold()
            try:
                while self._start_more():
                    wait([job.process.sentinel for job in self._jobs], LOOK_SECONDS)
                    guard.check()
                    self._look()
                    self._collect()
            except BaseException as error:  # A full disk, too: what the runs have is worth saving all the same.
                self.waiting.clear()
                self._end_all(error.signum if isinstance(error, Interrupted) else signal.SIGTERM)
                raise
            finally:
                for job in self._jobs:  # Only a second signal leaves any.
                    job.process.send(signal.SIGKILL)

    def _start_more(self) -> bool:
        """Fill the free slots; whether anything is at work then."""
        for slot in sorted(set(range(len(self.slots))) - {job.slot for job in self._jobs}):
            if self.waiting:
                self._start(self.waiting.popleft(), slot)
        return bool(self._jobs)

    def _start(self, runs: list[PlannedRun], slot: int) -> None:
        for run in runs:
            entry = self.ledger.runs[run.name]
            entry.state, entry.error, entry.attempts = "running", None, entry.attempts + 1
            self.progress.started(run, progress_of(history_of(run.folder), run.config))
        self.ledger.write()
        logs = self.plan.folder / LOGS
        answer = logs / f".{runs[0].name}.pack.json"
        answer.unlink(missing_ok=True)
        task = Task([run.argv for run in runs], [log_of(run) for run in runs], answer)
        log = logs / f"{runs[0].name}.pack.log"
        process = ForkedFit(task, log=log, environment=self.slots[slot], work=run_pack)
        self._jobs.append(_Job(runs, process, slot, answer, log))

    def _look(self) -> None:
        for job in self._jobs:
            for run in job.runs:
                self.progress.seen(run, progress_of(history_of(run.folder), run.config))

    def _collect(self, *, go_on: bool = True) -> None:
        for job in [job for job in self._jobs if job.process.code is not None]:
            self._jobs.remove(job)
            ends = read_ends(job.answer)
            job.answer.unlink(missing_ok=True)
            if job.log.is_file() and not job.log.stat().st_size:  # Each run has its own.
                job.log.unlink()
            again = [run for run, end in zip(job.runs, ends or self._unsaid(job), strict=True) if self._ended(run, end)]
            if go_on and len(job.runs) > 1:
                half = math.ceil(len(job.runs) / 2)
                self.waiting.extend(part for i in range(0, len(again), half) if (part := again[i : i + half]))

    def _ended(self, run: PlannedRun, end: End) -> bool:
        """Note how a run ended; whether it is worth another try with fewer beside it."""
        how = f"{end.state}: {end.error}" if end.error else f"finished, {numbers_of(RunRecord.read(run.folder))}"
        entry = self.ledger.runs[run.name]
        entry.state, entry.error = end.state, end.error and how
        self.progress.ended(run, what=how, settled=end.state in SETTLED)
        self.ledger.write()
        return end.is_memory

    def _unsaid(self, job: _Job) -> list[End]:
        """How the runs of a process ended that was ended from outside: some may be finished."""
        code = job.process.code or 0
        by = "the process that forks the packs was killed" if code == LOST else f"its process ended with code {code}"
        by = f"its process was ended by {signal.Signals(-code).name}" if code < 0 else by
        is_killed = -code == signal.SIGKILL  # As the kernel does where memory runs out.
        return [_by_record(run) or End("failed", f"{by}; did memory run out?", is_killed) for run in job.runs]

    def _end_all(self, signum: int) -> None:
        """Pass a signal on and wait until every run has saved what it has."""
        for job in self._jobs:
            job.process.send(signum)
        while self._jobs:
            wait([job.process.sentinel for job in self._jobs], POLL_SECONDS)
            self._collect(go_on=False)


def _by_record(run: PlannedRun) -> End | None:
    """What a run's record says of its end; None where it says none."""
    with contextlib.suppress(InputError):
        record = RunRecord.read(run.folder)
        if record.status in ("finished", "failed"):
            return End(record.status, record.error)
    return None
