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
from vae_rd.launch.ledger import SETTLED
from vae_rd.launch.local.forks import ForkedFit
from vae_rd.launch.local.launcher import run_local
from vae_rd.launch.local.scheduler import KILLED, LOGS, LOOK_SECONDS, LOST, POLL_SECONDS, log_of, numbers_of
from vae_rd.launch.local.supply import Supply
from vae_rd.launch.local.tracker import Ended, Tracker
from vae_rd.launch.packed.devices import shared_out
from vae_rd.launch.packed.task import End, Task, read_ends, run_pack
from vae_rd.launch.points.plan import Plan, PlannedRun
from vae_rd.process.signals import SignalGuard
from vae_rd.run.files import RECORD_FILE
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
    plan: Plan, supply: Supply, places: Sequence[Mapping[str, str]], tracker: Tracker, *, chunk: int | None
) -> None:
    left = [run for name, run in supply.runs.items() if tracker.ledger.runs[name].state not in SETTLED]
    Packs(plan, places, tracker, deque(packs(left, jobs=len(places), chunk=chunk))).run()


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
    """A pack at work in a slot; `records` is when each run's record had last been written before it."""

    runs: list[PlannedRun]
    records: list[int | None]
    process: ForkedFit
    slot: int
    answer: Path
    log: Path


@dataclass
class Packs:
    """The packs of a sweep, carried out.

    Attributes:
        plan: the sweep.
        slots: the environment of each process.
        tracker: what is noted of the runs.
        waiting: packs that have not begun.
    """

    plan: Plan
    slots: Sequence[Mapping[str, str]]
    tracker: Tracker
    waiting: deque[list[PlannedRun]]
    _jobs: list[_Job] = field(default_factory=list)

    def run(self) -> None:
        """Carry them out; the ledger says how each run ended.

        Raises:
            Interrupted: by a signal, which went to every process; a second one does not wait for them.
        """
        self.tracker.ledger.write()
        with SignalGuard() as guard:
            guard.hold()
            try:
                while self._start_more():
                    wait([job.process.sentinel for job in self._jobs], LOOK_SECONDS)
                    guard.check()
                    self.tracker.look([run for job in self._jobs for run in job.runs])
                    self._collect()
            except Interrupted as stop:
                self._end_all(stop.signum)
                raise
            except Exception:  # Of ours, or a full disk: what the runs have is worth saving all the same.
                self._end_all(signal.SIGTERM)
                raise
            finally:
                self._kill_all()

    def _start_more(self) -> bool:
        """Fill the free slots; whether anything is at work then."""
        for slot in sorted(set(range(len(self.slots))) - {job.slot for job in self._jobs}):
            if self.waiting:
                self._start(self.waiting.popleft(), slot)
        return bool(self._jobs)

    def _start(self, runs: list[PlannedRun], slot: int) -> None:
        self.tracker.started(runs)
        logs = self.plan.folder / LOGS
        answer = logs / f".{runs[0].name}.pack.json"
        answer.unlink(missing_ok=True)
        task = Task([run.argv for run in runs], [log_of(run) for run in runs], answer)
        log = logs / f"{runs[0].name}.pack.log"
        records = [_written(run) for run in runs]
        process = ForkedFit(task, log=log, environment=self.slots[slot], work=run_pack)
        self._jobs.append(_Job(runs, records, process, slot, answer, log))

    def _collect(self) -> None:
        for job in [job for job in self._jobs if job.process.code is not None]:
            self._jobs.remove(job)
            ends = read_ends(job.answer)
            job.answer.unlink(missing_ok=True)
            if job.log.is_file() and not job.log.stat().st_size:  # Each run has its own.
                job.log.unlink()
            again = self._settle(job, ends or self._unsaid(job))
            if not self.tracker.is_ending and len(job.runs) > 1:
                half = math.ceil(len(job.runs) / 2)
                self.waiting.extend(part for i in range(0, len(again), half) if (part := again[i : i + half]))

    def _settle(self, job: _Job, ends: Sequence[End]) -> list[PlannedRun]:
        """Note how the runs of a pack ended; those that are worth another try with fewer beside them."""
        pairs = list(zip(job.runs, ends, strict=True))
        self.tracker.ended([Ended(run, end.state, _how(run, end)) for run, end in pairs])
        return [run for run, end in pairs if end.is_memory]

    def _unsaid(self, job: _Job) -> list[End]:
        """How the runs of a process ended that was ended from outside: some may be finished."""
        code = job.process.code or 0
        by = "the process that forks the packs was killed" if code == LOST else f"its process ended with code {code}"
        by = f"its process was ended by {signal.Signals(-code).name}" if code < 0 else by
        is_killed = -code == signal.SIGKILL  # As the kernel does where memory runs out.
        return _by_records(job, End("failed", f"{by}; did memory run out?", is_killed))

    def _end_all(self, signum: int) -> None:
        """Pass a signal on and wait until every run has saved what it has."""
        self.tracker.is_ending = True
        self.waiting.clear()
        for job in self._jobs:
            job.process.send(signum)
        while self._jobs:
            wait([job.process.sentinel for job in self._jobs], POLL_SECONDS)
            self._collect()

    def _kill_all(self) -> None:
        """Of packs that are still at work, which only a second signal leaves."""
        self.tracker.is_ending = True
        while self._jobs:
            job = self._jobs.pop(0)
            job.process.send(signal.SIGKILL)
            self._settle(job, _by_records(job, End("interrupted", KILLED)))


def _how(run: PlannedRun, end: End) -> str:
    return f"{end.state}: {end.error}" if end.error else f"finished, {numbers_of(RunRecord.read(run.folder))}"


def _by_records(job: _Job, unsaid: End) -> list[End]:
    """How the runs of a pack ended by their records; `unsaid` where one says nothing, or what an earlier call left."""
    times = zip(job.runs, job.records, strict=True)
    return [(_by_record(run) if _written(run) != before else None) or unsaid for run, before in times]


def _written(run: PlannedRun) -> int | None:
    """When a run's record was last written; None where there is none."""
    with contextlib.suppress(OSError):
        return (run.folder / RECORD_FILE).stat().st_mtime_ns
    return None


def _by_record(run: PlannedRun) -> End | None:
    """What a run's record says of its end; None where it says none."""
    with contextlib.suppress(InputError):
        record = RunRecord.read(run.folder)
        if record.status in ("finished", "failed"):
            return End(record.status, record.error)
    return None
