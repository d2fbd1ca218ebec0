"""A sweep on this machine: what is left of it is started, watched and reported."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.launch.devices import Environment, gpus_for, slots
from vae_rd.launch.ledger import SETTLED, Ledger, held_sweep
from vae_rd.launch.local.forks import server
from vae_rd.launch.local.progress import SweepProgress
from vae_rd.launch.local.scheduler import Scheduler, log_of
from vae_rd.launch.local.supply import Supply, supply_of
from vae_rd.launch.local.tracker import Tracker
from vae_rd.launch.points.plan import Plan, PlannedRun
from vae_rd.launch.watch import entry_of, final_loss
from vae_rd.run.folder import claim
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import with_error

CarryOut = Callable[[Plan, Supply, Sequence[Environment], Tracker], None]


def by_scheduler(plan: Plan, supply: Supply, places: Sequence[Environment], tracker: Tracker) -> None:
    """Each run in a process of its own."""
    Scheduler(plan, supply, places, tracker).run()


def run_local(plan: Plan, *, jobs: int | None, carry_out: CarryOut = by_scheduler) -> int:
    """Carry out what is left of a sweep and print what became of it.

    Args:
        plan: the sweep.
        jobs: processes at a time; None of one for each GPU, or for each core.
        carry_out: how what is left is done, in processes that have these environments.

    Returns:
        0, or 1 where a run is left that is neither finished nor stopped early.

    Raises:
        InputError: before anything is started or written.
        Interrupted: by a signal, once every run has saved what it has.
    """
    _check(plan)
    with held_sweep(plan.folder):
        ledger = Ledger.opened(plan.folder, file=str(plan.file.path), sweep=plan.file.upload())
        supply = supply_of(plan, ledger)
        left = plan.total - _settled(supply, ledger)
        places = _places(plan.example.config, jobs, left) if left else []
        try:
            if left:
                shown = SweepProgress(plan.total, plan.total - left)
                with server(places[0], tracked=plan.example.config.wandb != "off"), shown as progress:
                    carry_out(plan, supply, places, Tracker(ledger, progress))
        finally:
            print(*_report(plan, ledger, supply.runs), sep="\n")
    return int(bool(_left(ledger, supply.runs)))


def _check(plan: Plan) -> None:
    if any(run.config.num_nodes > 1 for run in (*plan.runs, plan.example)):
        raise InputError(f"{plan.file.path}: num_nodes: a sweep's runs are each on one machine; use --devices")
    claim(plan.example.config)


def _places(config: FitConfig, jobs: int | None, left: int) -> list[Environment]:
    return slots(jobs, gpus=gpus_for(config), per_run=config.devices, runs=left)


def _settled(supply: Supply, ledger: Ledger) -> int:
    return sum(ledger.runs[name].state in SETTLED for name in supply.runs)


def _left(ledger: Ledger, runs: Mapping[str, PlannedRun]) -> list[PlannedRun]:
    return [run for name, run in runs.items() if ledger.runs[name].state not in SETTLED]


def _report(plan: Plan, ledger: Ledger, runs: Mapping[str, PlannedRun]) -> Iterator[str]:
    """How many runs ended how, each that is left with its reason and its log, and what to do next."""
    counts = Counter(ledger.runs[name].state for name in runs)
    yield f"{plan.folder}: {len(runs)} runs, " + ", ".join(f"{n} {state}" for state, n in counts.items())
    for run in _left(ledger, runs):
        entry = ledger.runs[run.name]
        yield f"  {run.label}: {entry.error or entry.state}" + (f"; log: {log_of(run)}" if entry.attempts else "")
    if plan.file.is_search and counts["finished"]:
        yield _best(plan, [run for name, run in runs.items() if ledger.runs[name].state == "finished"])
    if counts["finished"]:
        yield f"draw them: python -m analysis plane {shlex.quote(str(plan.folder))}"


def _best(plan: Plan, finished: Sequence[PlannedRun]) -> str:
    """The best run of a search; being the best of many, it is better by its luck than it would be again."""
    metric = plan.file.metric
    assert metric is not None, "a search has one: it was checked as the file was read"
    records = [(run, RunRecord.read(run.folder)) for run in finished]
    losses = {run.name: final_loss(record, metric) for run, record in records}
    best, record = min(records, key=lambda found: math.inf if (x := losses[found[0].name]) is None else x)
    return f"best {metric.name} of {len(finished)}, {with_error(entry_of(record, metric))}: {best.label}, {best.folder}"
