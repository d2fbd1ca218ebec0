"""A sweep at W&B, whose runs agents take: created or joined, with agents here, or in the tasks of a SLURM job."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.launch.devices import gpus_for, slots
from vae_rd.launch.ledger import Ledger, held_sweep
from vae_rd.launch.points.plan import Plan
from vae_rd.launch.slurm.launcher import FOLDER, SlurmOptions, check_tasks, resources
from vae_rd.launch.wandb.agents import check_tracking, join_sweep, run_agents
from vae_rd.run.files import write_atomic

JOIN_SECONDS = 60.0  # To wait for another call, which is joining this very sweep: the server has 40 s to answer.
POLL_SECONDS = 0.2
AGENT = """\
cd {here} || exit
export PATH={programs}:"$PATH"
stopped=
trap 'stopped=yes; kill -USR1 "$agent"' USR1
wandb agent --count 1 -f {sweep} &
agent=$!
while kill -0 "$agent" 2>/dev/null; do
  wait "$agent"  # A signal ends the wait as well.
done
"""
REQUEUE = """\
if [ -n "$stopped" ]; then
  exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
"""
END = 'wait "$agent"\n'  # For its exit code.


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
    check_tracking(plan.file, config)
    places = slots(jobs, gpus=gpus_for(config), per_run=config.devices, runs=plan.total)
    return run_agents(_joined(plan), plan.folder, slots=places, total=plan.total)


def agents_on_slurm(plan: Plan, options: SlurmOptions, script: Path) -> list[str]:
    """Put the sweep on the server, or join it, and write an sbatch script whose tasks each take one of its runs.

    Args:
        plan: the sweep.
        options: what a task asks for.
        script: where the script goes; nothing is submitted.

    Returns:
        what to tell the user.

    Raises:
        InputError: nobody is logged in, the script cannot be written, or no task could run what is planned.
    """
    check_tracking(plan.file, plan.example.config)
    check_tasks(plan)
    if not script.absolute().parent.is_dir() or script.is_dir():
        raise InputError(f"--script {script}: cannot be written there; name a file in a folder that exists")
    logs, path = plan.folder / FOLDER, _joined(plan)
    logs.mkdir(parents=True, exist_ok=True)
    devices = plan.example.config.devices
    write_atomic(script, agent_script(path, tasks=plan.total, options=options, log_folder=logs, devices=devices))
    return [
        f"submit: sbatch {shlex.quote(str(script))}",
        f"logs: {shlex.quote(str(logs))}/*.log",
        f"draw: python -m analysis plane {shlex.quote(str(plan.folder))}",
    ]


def agent_script(sweep: str, *, tasks: int, options: SlurmOptions, log_folder: Path, devices: int = 1) -> str:
    """The text of an sbatch script: a job array whose tasks each take one run of a W&B sweep.

    It is for this folder and this Python, wherever it is submitted from.

    The agent gets SIGUSR1 from the script alone, and passes it on once: the run is marked as preempted, W&B hands it
    out again, and the requeued task is there to take it.

    Args:
        sweep: ENTITY/PROJECT/SWEEP_ID.
        tasks: of the array: as many as the sweep has runs.
        options: what a task asks for.
        log_folder: of the tasks' output; it must exist when the script is submitted.
        devices: processes of each fit.

    Raises:
        InputError: for a sweep that is not named in full.

    Example:
        >>> text = agent_script("me/betas/abc", tasks=14, options=SlurmOptions(at_once=2), log_folder=Path("logs"))
        >>> [line for line in text.splitlines() if "array" in line or line.startswith("wandb")]
        ['#SBATCH --array=0-13%2', 'wandb agent --count 1 -f me/betas/abc &']
    """
    if tasks < 1 or len(sweep.split("/")) != 3:
        raise InputError(f"{sweep}, {tasks} tasks: give ENTITY/PROJECT/SWEEP_ID and one task or more")
    asked: dict[str, str | int | bool] = {
        "job-name": f"vae_rd.{sweep.rsplit('/', 1)[1]}",
        "array": f"0-{tasks - 1}%{min(tasks, options.at_once or tasks)}",
        "output": str(log_folder.absolute() / "%A_%a.log"),
        "open-mode": "append",
        "nodes": 1,
        **resources(options, devices),
    }
    directives = "\n".join(f"#SBATCH {_option(name, value)}" for name, value in asked.items())
    places = {"here": Path.cwd(), "programs": Path(sys.executable).parent}
    words = {name: shlex.quote(str(word)) for name, word in {"sweep": sweep, **places}.items()}
    steps = [AGENT.format(**words), REQUEUE if options.requeue else "", END]
    return f"#!/usr/bin/env bash\n{directives}\n\nexport OMP_NUM_THREADS={options.cpus}\n{''.join(steps)}"


def _option(name: str, value: str | int | bool) -> str:
    return f"--{name}" if value is True else f"--{name}={shlex.quote(str(value))}"


def _joined(plan: Plan) -> str:
    """The sweep's path on the server; of several calls for one folder, the first creates it and others find it."""
    with ExitStack() as held:
        _lock(plan.folder, held)
        ledger = Ledger.opened(plan.folder, file=str(plan.file.path), sweep=plan.file.upload())
        path = join_sweep(plan.file, plan.example.config, known=ledger.wandb_path, ledger=ledger.path)
        ledger.remember_wandb(path)
    return path


def _lock(folder: Path, held: ExitStack) -> None:
    """Take the sweep's lock until `held` is closed, when whoever has it has joined."""
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            return held.enter_context(held_sweep(folder))
        except InputError:
            if time.monotonic() > deadline or not os.access(folder, os.W_OK | os.X_OK):
                raise
        time.sleep(POLL_SECONDS)
