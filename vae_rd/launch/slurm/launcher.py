"""`--launcher slurm`: the runs of a sweep as one SLURM job array, through submitit.

The jobs of a sweep are remembered in `<folder>/slurm/jobs.json`, so that a second call submits what is left alone. Logs
and what submitit keeps lie beside it.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vae_rd.errors import InputError
from vae_rd.launch.ledger import held_sweep
from vae_rd.launch.points.plan import Plan, PlannedRun
from vae_rd.launch.slurm.task import FitTask
from vae_rd.run.files import new_folder, tree_sha256, write_atomic
from vae_rd.run.folder import is_finished

FOLDER = "slurm"  # Within the sweep's.
JOBS_FILE = "jobs.json"
WARNING = "B:USR1@90"  # To the batch script's own process, 90 s before the limit.
LEAST_MINUTES = 3  # SLURM may send it a minute early.
ATTEMPTS = 10_000  # Of submitit's own count.
ANSWER_SECONDS = 60.0  # Of squeue.


@dataclass(frozen=True)
class SlurmOptions:
    """What each task of the array asks for.

    Attributes:
        partition: of the cluster; None leaves it to the cluster's default.
        minutes: the time limit of a task; with `requeue` a run may take longer.
        gpus: for each process of a fit; `--devices N` asks for N times as many.
        cpus: for each process of a fit.
        memory_gb: of a task; None leaves it to the cluster's default.
        requeue: whether a task that was stopped goes back into the queue.
        at_once: the largest number of tasks at a time; None sets no limit.
    """

    partition: str | None = None
    minutes: int = 60
    gpus: int = 0
    cpus: int = 1
    memory_gb: int | None = None
    requeue: bool = True
    at_once: int | None = None

    def __post_init__(self) -> None:
        least = {"minutes": LEAST_MINUTES, "gpus": 0, "cpus": 1, "memory_gb": 1, "at_once": 1}
        for name, smallest in least.items():
            if (value := getattr(self, name)) is not None and value < smallest:
                raise InputError(f"SLURM: {name} {value}: give {smallest} or more")


def submit(plan: Plan, options: SlurmOptions) -> list[str]:
    """Submit the runs that are neither finished nor in the queue as one job array; what to tell the user.

    Args:
        plan: the sweep; all of its runs are known.
        options: what a task asks for.

    Raises:
        InputError: when SLURM or submitit is missing, sbatch refuses, or another process is at this sweep.
    """
    _check(plan)
    with held_sweep(plan.folder):  # Two calls at once would both submit what neither has submitted yet.
        return _submit(plan, options)


def _submit(plan: Plan, options: SlurmOptions) -> list[str]:
    waiting = _waiting(plan.folder)
    checksum = cache(tree_sha256)
    finished = {run.name for run in plan.runs if is_finished(run.config, checksum=checksum)}
    queued = waiting.keys() & {run.name for run in plan.runs} - finished
    known = finished | queued
    left = [run for run in plan.runs if run.name not in known]
    lines = [f"{len(finished)} finished, {len(queued)} queued or running, {len(left)} left to submit"]
    if not left:
        return lines
    jobs = _submitted(plan.folder, left, options)
    _remember(plan.folder, waiting | {run.name: job for run, job in zip(left, jobs, strict=True)})
    return lines + _said(plan.folder, jobs, options)


def check_tasks(plan: Plan) -> None:
    """Refuse runs that no task of an array could carry out.

    Raises:
        InputError: for a run on several machines, or a folder that SLURM would take for another.
    """
    if several := [run.name for run in (*plan.runs, plan.example) if run.config.num_nodes > 1]:
        raise InputError(f"{several[0]}: --num_nodes above 1: a task of the array is on one machine; use --devices")
    if "%" in str(plan.folder.absolute()):
        raise InputError(f"{plan.folder}: SLURM gives % in a path a meaning of its own; choose another --run_dir")


def _check(plan: Plan) -> None:
    """Refuse what cannot be submitted, before anything is written."""
    if not plan.runs:
        raise InputError(f"{plan.file.path}: a search decides on a run when others have ended; use --launcher wandb")
    check_tasks(plan)
    if absent := [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]:
        raise InputError(f"--launcher slurm: no {absent[0]} on PATH; give the command on a login node of the cluster")
    if importlib.util.find_spec("submitit") is None:
        raise InputError("--launcher slurm: submitit is not installed; pip install vae_rd[slurm]")


def _submitted(folder: Path, runs: Sequence[PlannedRun], options: SlurmOptions) -> list[str]:
    """The job of each run, now submitted."""
    kept = folder / FOLDER
    tasks = [FitTask(run.argv, str(run.folder), options.requeue) for run in runs]
    with new_folder(kept):
        there = set(kept.iterdir())
        executor = _executor(kept, options, name=f"vae_rd.{folder.name}", runs=runs)
        try:
            with redirect_stderr(io.StringIO()):  # submitit shows what sbatch says, and raises it as well.
                return [job.job_id for job in executor.submit_array(tasks)]
        except RuntimeError as error:  # submitit raises several kinds of it.
            for path in set(kept.iterdir()) - there:
                path.unlink()
            remedy = "mend what it names, or ask for something else"
            raise InputError(f"{_one_line('sbatch', str(error))}; {remedy}") from None


def _executor(kept: Path, options: SlurmOptions, *, name: str, runs: Sequence[PlannedRun]) -> Any:
    from submitit import SlurmExecutor

    # Python in the place of the script's shell: SLURM's warning goes to that process, and to no other.
    executor = SlurmExecutor(kept, max_num_timeout=ATTEMPTS, python=f"exec {shlex.quote(sys.executable)}")
    executor.update_parameters(
        job_name=name,
        time=options.minutes,  # submitit wants to know it, too.
        use_srun=False,
        stderr_to_stdout=True,
        wckey=None,
        array_parallelism=options.at_once or len(runs),
        setup=["export SUBMITIT_PREEMPT_SIGNAL=USR1", f"export OMP_NUM_THREADS={options.cpus}"],
        additional_parameters=resources(options, max(run.config.devices for run in runs)),
    )
    return executor


def resources(options: SlurmOptions, devices: int) -> dict[str, str | int | bool]:
    """Options of sbatch, without their dashes, for fits of so many processes; the rest is left to the cluster."""
    asked = {
        "partition": options.partition,
        "time": options.minutes,
        "cpus-per-task": options.cpus * devices,
        "gpus-per-node": options.gpus * devices or None,
        "mem": None if options.memory_gb is None else f"{options.memory_gb}G",
        "requeue" if options.requeue else "no-requeue": True,
        "signal": WARNING,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _waiting(folder: Path) -> dict[str, str]:
    """The runs that an earlier call submitted and whose job is still queued or running, each with its job."""
    jobs = _remembered(folder / FOLDER / JOBS_FILE)
    if not jobs:
        return {}
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(f"squeue: no answer in {ANSWER_SECONDS:g} s; give the command again later") from None
    if listed.returncode != 0:
        raise InputError(f"{_one_line('squeue', listed.stderr)}; give the command again later")
    active = set(listed.stdout.split())
    return {name: job for name, job in jobs.items() if job in active}


def _remembered(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError):
        raise InputError(f"{path}: damaged; remove it once squeue --me shows no job of this sweep") from None


def _remember(folder: Path, jobs: Mapping[str, str]) -> None:
    write_atomic(folder / FOLDER / JOBS_FILE, json.dumps(jobs, indent=2) + "\n")


def _said(folder: Path, jobs: Sequence[str], options: SlurmOptions) -> list[str]:
    number = jobs[0].split("_")[0]
    tasks = "1 task" if len(jobs) == 1 else f"{len(jobs)} tasks"
    at_once = f", {options.at_once} at a time" if options.at_once else ""
    return [
        f"job {number}: {tasks}{at_once}, up to {options.minutes} minutes each",
        f"logs: {shlex.quote(str(folder / FOLDER))}/{number}*_log.out",
        f"look: squeue --jobs {number}; end: scancel {number}",
        f"draw: python -m analysis plane {shlex.quote(str(folder))}",
    ]


def _one_line(program: str, said: str) -> str:
    """What a program of SLURM's said, without its own name before every line."""
    lines = [line.removeprefix(f"{program}: ").removeprefix("error: ") for line in said.strip().splitlines()]
    return f"{program}: {'; '.join(lines) or 'failed without an error message'}"
