"""How one of several processes tells the first one why it ended."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import torch.distributed as dist

from vae_rd.errors import Interrupted
from vae_rd.process.collectives import are_connected, rank
from vae_rd.run.files import FAILURE, FAILURE_END, write_atomic


@dataclass(frozen=True)
class Failure:
    """How a process other than the first ended early.

    Attributes:
        rank: its number.
        error: type and message of what was raised.
        signal: the signal that stopped it, if one did.
        trace: the traceback.
    """

    rank: int
    error: str
    signal: int | None
    trace: str

    def __str__(self) -> str:
        return f"process {self.rank}: {self.error}"


def report_failure(folder: Path, error: BaseException) -> None:
    """Leave how this process ended in the run's folder, where the first process looks for the cause of its own end."""
    if is_loss_of_others(error):
        return
    signum = error.signum if isinstance(error, Interrupted) else None
    failure = Failure(rank(), f"{type(error).__name__}: {error}", signum, traceback.format_exc())
    write_atomic(folder / f"{FAILURE}{rank()}{FAILURE_END}", json.dumps(asdict(failure), indent=2))


def read_failure(folder: Path, *, within: float) -> Failure | None:
    """In the first process: how another one ended, if it reports that within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        for path in sorted(folder.glob(f"{FAILURE}*{FAILURE_END}")):
            return Failure(**json.loads(path.read_text(encoding="utf-8")))
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.1)


def is_loss_of_others(error: BaseException) -> bool:
    """Whether an error says no more than that another process has gone away."""
    is_of_gloo = isinstance(error, RuntimeError) and "/gloo/" in str(error)
    return are_connected() and (is_of_gloo or isinstance(error, dist.DistError))
