"""A sweep at W&B, whose runs agents take: created or joined, with agents here, or in the tasks of a SLURM job."""

from __future__ import annotations

from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.launch.agents import join_sweep, run_agents
from vae_rd.launch.devices import gpus_for, slots
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.plan import Plan
from vae_rd.launch.slurm import FOLDER, SlurmOptions, agent_script
from vae_rd.records import write_atomic


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
    return run_agents(_joined(plan), plan.folder, slots=places)


def agents_on_slurm(plan: Plan, options: SlurmOptions, script: Path) -> list[str]:
    """Put the sweep on the server, or join it, and write an sbatch script whose tasks each take one of its runs.

    Args:
        plan: the sweep.
        options: what a task asks for.
        script: where the script goes; nothing is submitted.

    Returns:
        what to tell the user.

    Raises:
        InputError: nobody is logged in, or the script cannot be written.
    """
    if not script.absolute().parent.is_dir() or script.is_dir():
        raise InputError(f"--script {script}: cannot be written there; name a file in a folder that exists")
    logs, path = plan.folder / FOLDER, _joined(plan)
    logs.mkdir(parents=True, exist_ok=True)
    devices = plan.example.config.devices
    write_atomic(script, agent_script(path, tasks=plan.total, options=options, log_folder=logs, devices=devices))
    return [f"submit: sbatch {script}", f"logs: {logs}/*.log", f"draw: python -m analysis plane {plan.folder}"]


def _joined(plan: Plan) -> str:
    ledger = Ledger.opened(plan.folder, file=str(plan.file.path), sweep=plan.file.upload())
    path = join_sweep(plan.file, known=ledger.wandb_path)
    ledger.remember_wandb(path)
    return path
