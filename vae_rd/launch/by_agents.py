"""A sweep at W&B, whose runs agents take: created or joined, with an agent here for each slot."""

from __future__ import annotations

from vae_rd.launch.agents import join_sweep, run_agents
from vae_rd.launch.devices import gpus_for, slots
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.plan import Plan


def run_by_agents(plan: Plan, *, jobs: int | None) -> int:
    """Put the sweep on the server, or join it where an earlier call has, and work on it.

    Args:
        plan: the sweep; its points are the server's to choose.
        jobs: agents on this machine; None of one for each GPU, or for each core.

    Returns:
        0 if every run is finished or was stopped early by the server, else 1.

    Raises:
        InputError: before any agent is started.
        Interrupted: by a signal, once every run here has saved what it has.
    """
    config = plan.example.config
    places = slots(jobs, gpus=gpus_for(config), per_run=config.devices, runs=plan.total)
    ledger = Ledger.opened(plan.folder, file=str(plan.file.path), sweep=plan.file.upload())
    path = join_sweep(plan.file, known=ledger.wandb_path)
    ledger.remember_wandb(path)
    return run_agents(path, plan.folder, slots=places)
