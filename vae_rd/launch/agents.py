"""`--launcher wandb`: the sweep lives on a W&B server, and agents, here and elsewhere, take its runs from there.

An agent's exit code is 0 whatever its runs did, so a sweep is judged by its runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vae_rd.errors import InputError, Interrupted
from vae_rd.launch.sweep_file import SweepFile
from vae_rd.launch.sweep_runs import LOGS, report_of
from vae_rd.launch.wandb_api import ask
from vae_rd.signals import SIGNALS

POLL_SECONDS = 0.2
PROJECT = "vae_rd"  # Where neither the file nor WANDB_PROJECT names one.


def join_sweep(file: SweepFile, *, known: str | None) -> str:
    """The path ENTITY/PROJECT/ID of the file's sweep on the server: the known one's, or that of a new one.

    Raises:
        InputError: nobody is logged in, the server does not answer, or it refuses the sweep or no longer has it.
    """
    config = file.upload()
    mode = config["parameters"].get("wandb", {}).get("value")
    if mode in ("off", "offline"):
        raise InputError(f"{file.path}: wandb is {mode}, and W&B would hear of no run; add --wandb auto")
    project = file.project or os.environ.get("WANDB_PROJECT") or PROJECT
    try:
        sweep = ask("join", known=known, config=config, project=project, entity=file.entity)
    except InputError as error:
        raise InputError(f"--launcher wandb: {error}; --launcher local needs no server") from None
    print(f"W&B sweep: {sweep['url']}; another machine joins by: wandb agent -f {sweep['path']}", flush=True)
    return str(sweep["path"])


def run_agents(path: str, folder: Path, *, slots: Sequence[Mapping[str, str]]) -> int:
    """Run one agent a slot until the sweep has no more runs for them, and report by the runs.

    Args:
        path: ENTITY/PROJECT/ID.
        folder: the run_dir of the sweep's runs; the agents' output goes to logs/agent-<k>.log there.
        slots: what each agent's environment has beyond this one's, such as CUDA_VISIBLE_DEVICES.

    Returns:
        0 if every run is finished or was stopped early by the server, else 1.

    Raises:
        Interrupted: a signal ended the agents, and each of their fits, before the sweep's end.
    """
    logs = folder / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    with _noted_signals() as received:
        agents = [_start(path, logs, number, slot) for number, slot in enumerate(slots)]
        stop = _wait(agents, received)
    report = report_of(path, folder)
    for line in report.lines():
        print(line, flush=True)
    if stop is not None:
        raise Interrupted(stop)
    return 0 if report.is_as_asked else 1


def _start(path: str, logs: Path, number: int, slot: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """An agent in a session of its own, so that a terminal's Ctrl-C comes here alone, and its fits are known by it."""
    here = str(logs.absolute())
    defaults = {"WANDB_DIR": here, "WANDB_CACHE_DIR": here, "WANDB_ERROR_REPORTING": "false"}
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with (logs / f"agent-{number}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wandb", "agent", "-f", path],
            env={**defaults, **os.environ, **slot, "PATH": search},  # W&B's ${interpreter} is python from PATH.
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(agents: Sequence[subprocess.Popen[bytes]], received: list[int]) -> int | None:
    """Wait for agents and for the fits of agents that have died; the signal that was passed on to all, if any.

    An agent waits for its fit when it is told to end, unless it is told in the instant in which it starts one.
    """
    stop, told = None, set[int]()
    while True:
        living = [agent.pid for agent in agents if agent.poll() is None]
        orphans = _fits_in({agent.pid for agent in agents} - set(living))
        if not living and not orphans:
            return stop
        if received:
            signum = received[0]
            received.clear()
            stop = stop if signum == signal.SIGUSR1 else signum
            _tell([*living, *orphans], signal.SIGUSR1 if signum == signal.SIGUSR1 else signal.SIGINT)
            told |= orphans
        elif stop is not None:
            _tell(orphans - told, signal.SIGINT)
            told |= orphans
        time.sleep(POLL_SECONDS)


def _tell(processes: Iterable[int], signum: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signum)


def _fits_in(sessions: set[int]) -> set[int]:
    """The fits that run in the sessions, where the system tells."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*") if sessions else ():
        with contextlib.suppress(OSError):
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            if session in sessions and re.search(rb"-m\0vae_rd\.fit\0", (folder / "cmdline").read_bytes()):
                found.add(int(folder.name))
    return found


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """The signals that come within the block, in a list and nowhere else."""
    received: list[int] = []
    previous = {signum: signal.signal(signum, lambda number, _: received.append(number)) for signum in SIGNALS}
    try:
        yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
