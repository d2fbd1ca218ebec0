"""How a run's folder learns why it ended early, and how one of several processes tells the first one."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import torch.distributed as dist

from vae_rd.errors import Interrupted, LostProcess
from vae_rd.process.collectives import are_connected, rank
from vae_rd.run.files import ERROR_FILE, FAILURE, FAILURE_END, write_atomic
from vae_rd.run.record import RunRecord

UNREPORTED = "another process of this run exited without reporting an error; was it killed, or did memory run out?"


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


def cause_of(error: BaseException) -> BaseException:
    """What ended the run: the error, or that another process is lost, where it says no more than that."""
    return LostProcess(UNREPORTED) if is_loss_of_others(error) else error


def mark_failed(record: RunRecord, cause: BaseException) -> None:
    """Put into the record that the run failed, and why."""
    record.status = "failed"
    record.error = str(cause) if isinstance(cause, LostProcess) else f"{type(cause).__name__}: {cause}"


def log_failure(folder: Path, error: BaseException) -> None:
    """Write the traceback of the exception that is being handled to the run's error.log, and say so in its notes."""
    error.add_note(f"the traceback is in {write_atomic(folder / ERROR_FILE, traceback.format_exc())}")
