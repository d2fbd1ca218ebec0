"""Several processes of one command: which of them this one is, and how they are started on one machine.

Who starts them - torchrun, srun, or this module - says in the environment which process this is. Without torch, so that
bad input is answered before anything is started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

from vae_rd.errors import InputError, Interrupted

LIFELINE = "VAE_RD_LIFELINE"  # Descriptor of a pipe whose other end dies with the process that started us.
POLL_SECONDS = 0.1
GRACE_SECONDS = 15.0  # For the other processes to end by themselves after one has.


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is; `local_rank` counts on this machine."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place, from torchrun's or srun's variables; None where nobody has started several.

    Raises:
        InputError: when they are there and make no sense.
    """
    try:
        return _place(environment)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"environment: RANK, WORLD_SIZE and SLURM_* do not say which process this is ({error}); unset "
            "them, or start by torchrun or srun"
        ) from None


def _place(environment: Mapping[str, str]) -> Place | None:
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Place(int(environment["RANK"]), int(environment.get("LOCAL_RANK", "0")), int(environment["WORLD_SIZE"]))
    # Within an allocation, but not started by srun, the only count is SLURM_NTASKS: that process is alone.
    if (size := int(environment.get("SLURM_STEP_NUM_TASKS", "1"))) > 1:
        return Place(int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"]), size)
    return None


def check_place(found: Place | None, *, devices: int, num_nodes: int) -> None:
    """Refuse a number of processes that is not the one asked for: each would train on a part of every batch.

    Raises:
        InputError: naming both numbers.
    """
    asked, size = devices * num_nodes, 1 if found is None else found.world_size
    if found is not None and asked != size:
        raise InputError(
            f"--devices {devices} --num_nodes {num_nodes}: {asked} processes, but {size} were started; "
            "for fits that have nothing to do with each other, give each an srun -n1 of its own"
        )
    if found is None and num_nodes > 1:
        raise InputError(f"--num_nodes {num_nodes}: start the command on every machine, by torchrun or srun")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """Watch the pipe of the process that started this one, and end when it closes."""
    if descriptor := os.environ.get(LIFELINE):

        def watch() -> None:
            os.read(int(descriptor), 1)  # Returns when the other end closes; nobody ever writes.
            os._exit(128 + signal.SIGKILL)

        threading.Thread(target=watch, daemon=True).start()


def run_processes(module: str, argv: Sequence[str], *, count: int) -> int:
    """Run `python -m module argv...` in `count` processes of this machine and return the exit code of them all.

    The first process speaks for all on stdout and stderr, and gets the signals that come here. When one fails the
    others are ended within GRACE_SECONDS, and the failed one's last line is shown.

    Args:
        module: what `python -m` runs.
        argv: its arguments, the same for all.
        count: processes.
    """
    with _started(module, argv, count) as (processes, logs):
        first_failed = _wait(processes)
        code = processes[0].returncode
        if first_failed and code in (1, -signal.SIGKILL):
            logs[first_failed].seek(0)
            lines = logs[first_failed].read().decode(errors="replace").strip().splitlines()
            print(f"process {first_failed} of {count}: {lines[-1] if lines else 'ended'}", file=sys.stderr)
            return 1
        return 128 - code if code < 0 else code


@contextmanager
def _started(
    module: str, argv: Sequence[str], count: int
) -> Iterator[tuple[list[subprocess.Popen[bytes]], Sequence[IO[bytes]]]]:
    """The processes, each in a session of its own, so that a terminal's Ctrl-C comes here alone; killed at the end."""
    lifeline, held = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, held)
        stack.callback(os.close, lifeline)
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes: list[subprocess.Popen[bytes]] = []
        for rank, environment in enumerate(_environments(count)):
            process = subprocess.Popen(
                [sys.executable, "-m", module, *argv],
                env={**os.environ, **environment, LIFELINE: str(lifeline)},
                pass_fds=(lifeline,),
                stdout=None if rank == 0 else subprocess.DEVNULL,
                stderr=None if rank == 0 else logs[rank],
                start_new_session=True,
            )
            processes.append(process)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield processes, logs


def _environments(count: int) -> Iterator[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Two processes that each take all cores run tens of times slower than with their share.
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // count))
    for rank in range(count):
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": threads}
        yield {name: str(value) for name, value in ranks.items()} | address


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait until the first process has ended, or another has failed and the grace is over; who failed first, if any."""
    failed, deadline = None, 0.0
    while processes[0].poll() is None:
        try:
            time.sleep(POLL_SECONDS)
            if failed is None:
                failed = next((rank for rank, process in enumerate(processes) if process.poll()), None)
                deadline = time.monotonic() + GRACE_SECONDS
            elif time.monotonic() > deadline:
                processes[0].kill()
                processes[0].wait()
        except Interrupted as stop:
            processes[0].send_signal(stop.signum)
    return failed
