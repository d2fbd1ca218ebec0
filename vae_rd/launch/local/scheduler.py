"""Carrying out runs on this machine: so many at a time, each in its slot, until none is left that could be done."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from vae_rd.errors import InputError, Interrupted
from vae_rd.launch.ledger import State
from vae_rd.launch.local.forks import ForkedFit
from vae_rd.launch.local.supply import Supply
from vae_rd.launch.local.tracker import Ended, Tracker
from vae_rd.launch.points.hyperband import Hyperband
from vae_rd.launch.points.plan import Plan, PlannedRun
from vae_rd.launch.points.sweep_file import Metric
from vae_rd.launch.watch import history_of, losses_of
from vae_rd.process.signals import SIGNALS, SignalGuard
from vae_rd.run.files import ERROR_FILE
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import with_error

LOGS = "logs"
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0  # between two looks at the runs' histories
TRIES = 2
BAD_INPUT = 2
KILLED = "it was killed, and goes on from its last epoch"
LOST = 255  # What multiprocessing says of a fit whose server is gone.
BY_SIGNAL = {code for s in SIGNALS for code in (128 + s, -s)}


@dataclass
class Job:
    """A run at work in a slot."""

    run: PlannedRun
    fit: ForkedFit
    slot: int
    stopped_at: int | None = None


@dataclass
class Scheduler:
    """The runs of a supply, carried out.

    Attributes:
        plan: the sweep.
        supply: which run comes next.
        slots: the environment of each job.
        tracker: what is noted of the runs.
    """

    plan: Plan
    supply: Supply
    slots: Sequence[Mapping[str, str]]
    tracker: Tracker
    _jobs: list[Job] = field(default_factory=list)
    _again: list[PlannedRun] = field(default_factory=list)
    _tried: dict[str, int] = field(default_factory=dict)
    _looked: float = 0.0

    def run(self) -> None:
        """Carry them out; the ledger says how each ended.

        Raises:
            Interrupted: by a signal, which went to every job; a second one does not wait for them.
        """
        self.tracker.ledger.write()
        with SignalGuard() as guard:
            guard.hold()
            try:
                while self._start_more():
                    wait([job.fit.sentinel for job in self._jobs], POLL_SECONDS)
                    guard.check()
                    self._look()
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
            if (run := self._next()) is not None:
                self._start(run, slot)
        return bool(self._jobs)

    def _next(self) -> PlannedRun | None:
        run = self.supply.next()
        return run if run is not None or not self._again else self._again.pop(0)

    def _start(self, run: PlannedRun, slot: int) -> None:
        self._tried[run.name] = self._tried.get(run.name, 0) + 1
        self.tracker.started([run])
        fit = ForkedFit(run.argv, log=log_of(run), environment=self.slots[slot])
        self._jobs.append(Job(run, fit, slot))

    def _look(self) -> None:
        """See how far the runs have come, and stop those that are worse than others."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        self.tracker.look([job.run for job in self._jobs])
        if self.plan.file.early_terminate is not None and self.plan.file.metric is not None:
            self._judge(self.plan.file.early_terminate, self.plan.file.metric)

    def _judge(self, rule: Hyperband, metric: Metric) -> None:
        losses = {name: losses_of(history_of(run.folder), metric) for name, run in self.supply.runs.items()}
        for job in [job for job in self._jobs if job.stopped_at is None]:
            job.stopped_at = rule.band_to_stop_at(losses[job.run.name], list(losses.values()))
            if job.stopped_at is not None:
                job.fit.send(signal.SIGTERM)

    def _collect(self) -> None:
        for job in [job for job in self._jobs if job.fit.code is not None]:
            self._jobs.remove(job)
            state = self._state(job)
            again = state == "failed" and self._tried[job.run.name] < TRIES and not self.tracker.is_ending
            if again:
                self._again.append(job.run)
            note = "; it is tried again" if again else ""
            self.tracker.ended([Ended(job.run, state, self._how(job, state), note)])
            if not again:
                self.supply.told(job.run)

    def _state(self, job: Job) -> State:
        code = job.fit.code
        if code == 0:
            return "finished"
        if code == BAD_INPUT:
            return "refused"
        if code in BY_SIGNAL:
            return "interrupted" if job.stopped_at is None else "stopped early"
        return "failed"

    def _how(self, job: Job, state: State) -> str:
        if state == "finished":
            return f"finished, {numbers_of(RunRecord.read(job.run.folder))}"
        if state == "stopped early":
            return f"stopped early, worse than others after {job.stopped_at} validations"
        return f"{state}: {_reason(job, state)}"

    def _end_all(self, signum: int) -> None:
        """Pass a signal on and wait until every run has saved what it has."""
        self.tracker.is_ending = True
        for job in self._jobs:
            job.fit.send(signum)
        while self._jobs:
            wait([job.fit.sentinel for job in self._jobs], POLL_SECONDS)
            self._collect()

    def _kill_all(self) -> None:
        """Of jobs that are still at work, which only a second signal leaves."""
        self.tracker.is_ending = True
        while self._jobs:
            job = self._jobs.pop(0)
            job.fit.send(signal.SIGKILL)
            self.tracker.ended([Ended(job.run, "interrupted", f"interrupted: {KILLED}")])


def log_of(run: PlannedRun) -> Path:
    """Where what a run prints is kept: beside the runs, since it may print before it has a folder."""
    return run.folder.parent / LOGS / f"{run.name}.log"


def numbers_of(record: RunRecord) -> str:
    """The point of a finished run, in a few words."""
    test = record.metrics["test"]
    of_samples = (("coverage", "coverage"), ("Frechet", "frechet"))
    names = of_samples if "coverage" in test else (("D", "distortion"), ("R", "rate"))
    shown = [f"{symbol} {with_error(test[name])}" for symbol, name in names]
    return f"test {'  '.join(shown)}"


def _reason(job: Job, state: State) -> str:
    """Why a fit has ended: what its record says, else its last words, else its exit code."""
    code = job.fit.code or 0
    if code == LOST:
        return "the process that forks the runs was killed; did memory run out?"
    if state == "interrupted":
        return f"stopped by {signal.Signals(-code if code < 0 else code - 128).name}"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    with contextlib.suppress(InputError):
        if (job.run.folder / ERROR_FILE).is_file():
            return f"{RunRecord.read(job.run.folder).error}"
    with contextlib.suppress(OSError):
        lines = log_of(job.run).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return re.sub("^(error|failed): ", "", lines[-1]) if lines else f"exit code {code}"
    return f"exit code {code}"
