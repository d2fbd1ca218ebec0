"""`--launcher wandb`: the sweep lives on a W&B server, and agents, here and elsewhere, take its runs from there.

An agent's exit code is 0 whatever its runs did, so a sweep is judged by its runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError, Interrupted
from vae_rd.launch.points.sweep_file import SweepFile
from vae_rd.launch.wandb.api import ask
from vae_rd.launch.wandb.endings import LOGS, report_of
from vae_rd.process.signals import heard

POLL_SECONDS = 0.2
UNSEEN = ("disabled", "offline", "dryrun")  # Values of WANDB_MODE with which a run never reaches the server.


def check_tracking(file: SweepFile, config: FitConfig) -> None:
    """Refuse runs of which W&B would not hear.

    Args:
        file: the sweep.
        config: of one of its runs.

    Raises:
        InputError: naming the flag or the variable that says so.
    """
    if config.wandb in ("off", "offline"):
        raise InputError(f"{file.path}: wandb is {config.wandb}, and W&B would hear of no run; add --wandb auto")
    if config.wandb == "auto" and (mode := os.environ.get("WANDB_MODE")) in UNSEEN:
        raise InputError(f"WANDB_MODE is {mode}, and W&B would hear of no run; unset it, or add --wandb online")


def join_sweep(file: SweepFile, config: FitConfig, *, known: str | None, ledger: Path) -> str:
    """The path ENTITY/PROJECT/ID of the file's sweep on the server: the known one's, or that of a new one.

    Args:
        file: the sweep.
        config: of one of its runs, which may name a project.
        known: the path of the sweep, if it is there already.
        ledger: where that was read, for errors.

    Raises:
        InputError: nobody is logged in, the server does not answer, or it refuses the sweep or no longer has it.
    """
    project = file.project or _project(config)
    try:
        sweep = ask("join", known=known, config=file.upload(), project=project, entity=file.entity)
    except InputError as error:
        gone = known is not None and "Could not find sweep" in str(error)
        instead = f'set "wandb" to null in {ledger} to create it anew' if gone else "--launcher local needs no server"
        raise InputError(f"--launcher wandb: {error}; {instead}") from None
    print(f"W&B sweep: {sweep['url']}; another machine joins by: wandb agent -f {sweep['path']}", flush=True)
    return str(sweep["path"])


def run_agents(path: str, folder: Path, *, slots: Sequence[Mapping[str, str]], total: int | None = None) -> int:
    """Run one agent a slot until the sweep has no more runs for them, and report by the runs.

    Args:
        path: ENTITY/PROJECT/ID.
        folder: the run_dir of the sweep's runs; the agents' output goes to logs/agent-<host>-<pid>-<k>.log there.
        slots: what each agent's environment has beyond this one's, such as CUDA_VISIBLE_DEVICES.
        total: how many runs there should be in the end, where the server does not say; None if nobody knows.

    Returns:
        0 if every run is finished or was stopped early by the server, else 1.

    Raises:
        Interrupted: a signal ended the agents, and each of their fits, before the sweep's end.
    """
    logs = folder / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    with _noted_signals() as received:
        stop = _wait(_started(path, logs, slots), received)
    report = report_of(path, folder, total=total)
    for line in report.lines():
        print(line, flush=True)
    if stop is not None:
        raise Interrupted(stop)
    return 0 if report.is_as_asked else 1


def _project(config: FitConfig) -> str:
    """The W&B project of a sweep whose file names none: a fit's own flag counts for more than the environment."""
    default = FitConfig.wandb_project
    return config.wandb_project if config.wandb_project != default else os.environ.get("WANDB_PROJECT") or default


def _started(path: str, logs: Path, slots: Sequence[Mapping[str, str]]) -> list[subprocess.Popen[bytes]]:
    """An agent for each slot, or, where one cannot be started, none."""
    agents: list[subprocess.Popen[bytes]] = []
    try:
        for number, slot in enumerate(slots):
            agents.append(_start(path, logs, number, slot))
    except BaseException:
        _wait(agents, [signal.SIGINT])
        raise
    return agents


def _start(path: str, logs: Path, number: int, slot: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """An agent in a session of its own, so that a terminal's Ctrl-C comes here alone, and its fits are known by it."""
    here = str(logs.absolute())
    defaults = {"WANDB_DIR": here, "WANDB_CACHE_DIR": here, "WANDB_ERROR_REPORTING": "false"}
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with (logs / f"agent-{socket.gethostname()}-{os.getpid()}-{number}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wandb", "agent", "-f", path],
            env={**defaults, **os.environ, **slot, "PATH": search},  # W&B's ${interpreter} is python from PATH.
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(agents: Sequence[subprocess.Popen[bytes]], received: list[int]) -> int | None:
    """Wait for agents and for the fits of agents that have died; the signal by which all were told to end, if any.

    An agent waits for its fit when it is told to end, unless it is told in the instant in which it starts one. SIGUSR1
    is for the fits: their agents, which would take the same runs again, are told to end when they have none, which is
    at once where the system does not tell.
    """
    everyone = {agent.pid for agent in agents}
    stop, told = None, set[int]()
    while True:
        living = {agent.pid for agent in agents if agent.poll() is None}
        fits = _fits_in(everyone if received or stop is not None else everyone - living)
        busy = living & set(fits.values())
        orphans = {fit for fit, session in fits.items() if session not in living}
        if not living and not orphans:
            return stop
        if received:
            signum = received.pop(0)
            if signum != signal.SIGUSR1:
                stop, told = signum, living | orphans
                _tell(told, signal.SIGINT)
            elif stop is None:
                stop, told = signum, orphans
                _tell(busy | orphans, signal.SIGUSR1)
        if stop is not None:
            _tell(orphans - told, signal.SIGUSR1 if stop == signal.SIGUSR1 else signal.SIGINT)
            _tell(living - busy - told, signal.SIGINT)
            told |= orphans | (living - busy)
        time.sleep(POLL_SECONDS)


def _tell(processes: Iterable[int], signum: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signum)


def _fits_in(sessions: set[int]) -> dict[int, int]:
    """The fits that run in the sessions, each with its session, where the system tells."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*") if sessions else ():
        with contextlib.suppress(OSError):
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            if session in sessions and re.search(rb"-m\0vae_rd\.fit\0", (folder / "cmdline").read_bytes()):
                found[int(folder.name)] = session
    return found


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """The signals that come within the block, in a list and nowhere else; `nohup` keeps the end of a terminal away."""
    received: list[int] = []
    previous = {signum: signal.signal(signum, lambda number, _: received.append(number)) for signum in heard()}
    try:
        yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
