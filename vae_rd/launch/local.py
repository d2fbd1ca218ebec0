"""A sweep on this machine: what is left of it is started, watched and reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from vae_rd.errors import InputError
from vae_rd.launch.devices import gpu_names, slots
from vae_rd.launch.forks import count_gpus, start_server
from vae_rd.launch.ledger import SETTLED, Ledger
from vae_rd.launch.plan import Plan, PlannedRun
from vae_rd.launch.progress import SweepProgress
from vae_rd.launch.scheduler import Scheduler, log_of
from vae_rd.launch.supply import Supply, supply_of
from vae_rd.locks import locked


def run_local(plan: Plan, *, jobs: int | None) -> int:
    """Carry out what is left of a sweep and print what became of it.

    Args:
        plan: the sweep.
        jobs: runs at a time; None of one for each GPU, or for each core.

    Returns:
        0, or 1 where a run is left that is neither finished nor stopped early.

    Raises:
        InputError: before anything is started or written.
        Interrupted: by a signal, once every run has saved what it has.
    """
    _check(plan)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(plan.folder / "sweep", what="sweep", instead="--run_dir"):
        ledger = Ledger.opened(plan.folder, file=str(plan.file.path), sweep=plan.file.upload())
        supply = supply_of(plan, ledger)
        try:
            if left := plan.total - _settled(supply, ledger):
                _carry_out(plan, ledger, supply, jobs=jobs, left=left)
        finally:
            print(*_report(plan, ledger, supply.runs), sep="\n")
    return int(bool(_left(ledger, supply.runs)))


def _check(plan: Plan) -> None:
    if any(run.config.num_nodes > 1 for run in plan.runs):
        raise InputError(f"{plan.file.path}: num_nodes: a local sweep is of one machine; use --launcher slurm")


def _carry_out(plan: Plan, ledger: Ledger, supply: Supply, *, jobs: int | None, left: int) -> None:
    config = plan.example.config
    takes_gpus = config.accelerator != "cpu"
    # How many GPUs there are is asked of a process that has imported torch, whose number of threads is settled before.
    start_server(slots(jobs, gpus=[], per_run=config.devices, runs=left)[0], tracked=config.wandb != "off")
    gpus = gpu_names(count_gpus()) if takes_gpus else []
    places = slots(jobs, gpus=gpus, per_run=config.devices, runs=left)
    with SweepProgress(plan.total, plan.total - left) as progress:
        Scheduler(plan, ledger, supply, places, progress).run()


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
    if counts["finished"]:
        yield f"draw them: python -m analysis plane {plan.folder}"
