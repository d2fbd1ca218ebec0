"""Which run of a sweep comes next: of a list, those that are not settled; of a search, what it asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from vae_rd.launch.ledger import SETTLED, Entry, Ledger
from vae_rd.launch.points.plan import Plan, PlannedRun, planned
from vae_rd.launch.points.search import STARTUP, BayesSearch, Cube, first_cube, is_place, point_at
from vae_rd.launch.points.sweep_file import Metric
from vae_rd.launch.watch import final_loss, history_of, losses_of
from vae_rd.run.files import RECORD_FILE, sha256, tree_sha256
from vae_rd.run.folder import KEPT, LAST, is_finished
from vae_rd.run.record import RunRecord

MISSES = 20  # places in a row that are runs already: the search has nothing new to ask for


class Supply(Protocol):
    """The runs of a sweep, one after another."""

    runs: dict[str, PlannedRun]  # Those known so far, by name, settled or not.

    def next(self) -> PlannedRun | None:
        """The next run to start; None where there is none now."""

    def told(self, run: PlannedRun) -> None:
        """That the state of a run in the ledger has changed."""


def supply_of(plan: Plan, ledger: Ledger) -> Supply:
    """The supply of a plan, after a look at what is done."""
    return Searched(plan, ledger) if plan.file.method == "bayes" else Listed(plan, ledger)


def settle_from_record(
    plan: Plan, run: PlannedRun, entry: Entry, *, checksum: Callable[[Path], str] = tree_sha256
) -> None:
    """Bring an entry to what the run's folder says; a run stays stopped while the file stops runs.

    Args:
        plan: the sweep.
        run: one of its runs.
        entry: of the run in the ledger.
        checksum: of the file of one's own data; one that remembers, where there are many runs.

    Raises:
        InputError: where another run has the folder.
    """
    stays = entry.state == "stopped early" and plan.file.early_terminate is not None and run.folder.is_dir()
    if is_finished(run.config, checksum=checksum):
        entry.state, entry.error = "finished", None
    elif not stays:
        entry.state = "waiting"


def anew(run: PlannedRun) -> PlannedRun:
    """The same run, in the place of what is there."""
    return replace(run, argv=(*run.argv, "--resume=never", "--overwrite"))


class Listed:
    """The runs of a grid or of random draws, in their order."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.runs = {run.name: run for run in plan.runs}
        there = {path.name for path in plan.folder.iterdir()} if plan.folder.is_dir() else set()
        checksum = cache(tree_sha256)
        for run in plan.runs:
            entry = ledger.runs.setdefault(run.name, Entry(dict(run.point)))
            if run.name in there:
                settle_from_record(plan, run, entry, checksum=checksum)
            else:  # A look at each of many runs that have not begun would take as long as planning them.
                entry.state = "waiting"
            if run.after is not None and (ledger.runs[run.after].state != "finished" or self._is_of_another_start(run)):
                entry.state = "waiting"
        self._ledger = ledger
        self._waiting = deque(run for run in plan.runs if ledger.runs[run.name].state not in SETTLED)

    def next(self) -> PlannedRun | None:
        """The next run to start; None while each that is left waits for another."""
        found = next((run for run in self._waiting if self._is_ready(run)), None)
        if found is None:
            return None
        self._waiting.remove(found)
        return anew(found) if found.after is not None and self._is_of_another_start(found) else found

    def _is_ready(self, run: PlannedRun) -> bool:
        return run.after is None or self._ledger.runs[run.after].state == "finished"

    def _is_of_another_start(self, run: PlannedRun) -> bool:
        """Whether a run is there that started from what the run before it was, and no longer is."""
        before = self.runs[run.after or ""].folder
        there = [path for path in (before / LAST, before / KEPT) if path.is_file()]
        if not (run.folder / RECORD_FILE).is_file() or not there:
            return False
        start = RunRecord.read(run.folder).model.get("start") or {}
        return start.get("checkpoint_sha256") not in [sha256(path) for path in there]

    def told(self, run: PlannedRun) -> None:
        """Nothing: a list does not depend on what its runs give."""


class Searched:
    """The runs of a search: first those that an earlier call has left, then what the search asks for."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._plan, self._ledger, self._metric = plan, ledger, _metric(plan)
        self._search = BayesSearch(plan.file, seed=plan.search_seed + len(ledger.runs))
        self.runs: dict[str, PlannedRun] = {}
        self._is_exhausted = False  # Every place it asked for is a run already; asking again costs seconds.
        for name, entry in ledger.runs.items():
            self._remember(name, entry)
        self._waiting = [run for run in self.runs.values() if ledger.runs[run.name].state not in SETTLED]

    def next(self) -> PlannedRun | None:
        """What was left, or a new run while fewer than run_cap are known."""
        if self._waiting:
            return self._waiting.pop(0)
        if len(self.runs) >= self._plan.total or self._is_exhausted:
            return None
        run = self._new()
        self._is_exhausted = run is None
        return run

    def told(self, run: PlannedRun) -> None:
        """Tell the search what a run gave, once nothing more will come of it."""
        entry = self._ledger.runs[run.name]
        if entry.state in (*SETTLED, "failed", "refused") and entry.cube is not None:
            self._search.tell(entry.cube, self._loss(run))

    def _remember(self, name: str, entry: Entry) -> None:
        """Take in a run of an earlier call, if it is one of the search as it is asked for now."""
        file = self._plan.file
        if entry.cube is None or not is_place(file, entry.cube):
            return
        run = planned(file, point_at(file, entry.cube))
        if run.name == name:
            self.runs[name] = run
            self._search.remember(entry.cube)
            settle_from_record(self._plan, run, entry)
            if entry.state in SETTLED:
                self.told(run)

    def _new(self) -> PlannedRun | None:
        for miss in range(MISSES):
            cube = self._place(len(self.runs) + miss)
            run = planned(self._plan.file, point_at(self._plan.file, cube))
            if run.name not in self.runs:
                self.runs[run.name] = run
                self._ledger.runs[run.name] = Entry(dict(run.point), cube=cube)
                return run
            self._search.tell(cube, self._loss(self.runs[run.name]))
        return None

    def _place(self, index: int) -> Cube:
        if index >= STARTUP:
            return self._search.ask()
        cube = first_cube(self._plan.file, self._plan.search_seed, index)
        self._search.remember(cube)
        return cube

    def _loss(self, run: PlannedRun) -> float | None:
        """The metric of a finished run, or the best so far of one that was stopped; None of any other."""
        state = self._ledger.runs[run.name].state
        if state == "finished":
            return final_loss(RunRecord.read(run.folder), self._metric)
        return min(losses_of(history_of(run.folder), self._metric), default=None) if state == "stopped early" else None


def _metric(plan: Plan) -> Metric:
    assert plan.file.metric is not None, "a search has one: it was checked as the file was read"
    return plan.file.metric
