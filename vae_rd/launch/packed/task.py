"""What the process of a pack does: fits of one kind together, and how each of them ended, for who started it."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_rd.config.cli import parse
from vae_rd.errors import InputError, Interrupted, OutOfMemory
from vae_rd.launch.ledger import State
from vae_rd.launch.local.forks import as_fit
from vae_rd.process.imports import whole_imports
from vae_rd.run.files import write_atomic


class Task(NamedTuple):
    """A pack: of each fit its flags and its log; and where it is told how each ended."""

    commands: Sequence[Sequence[str]]
    logs: Sequence[Path]
    answer: Path


class End(NamedTuple):
    """How a fit ended, why, and whether it was for want of memory."""

    state: State
    error: str | None = None
    is_memory: bool = False


def run_pack(given: Sequence[Any]) -> int:
    """Carry out a task; the exit code of one that ended by itself is 0, or that of the signal which stopped it.

    Args:
        given: the fields of a `Task`.
    """
    task = Task(*given)
    as_fit(())
    with whole_imports():
        from vae_rd.experiment.packing import fit_packed

    configs = [parse(argv).config for argv in task.commands]
    try:
        outcomes = fit_packed(configs, commands=task.commands, logs=task.logs)
    except Interrupted as stop:  # By a second signal.
        return 128 + stop.signum
    ends = [end_of(outcome) for outcome in outcomes]
    write_atomic(task.answer, json.dumps(ends))
    stopped = [outcome.signum for outcome in outcomes if isinstance(outcome, Interrupted)]
    return 128 + stopped[0] if stopped else 0


def end_of(outcome: object) -> End:
    """How a fit ended, from what it gave or raised.

    Example:
        >>> end_of(Interrupted(signal.SIGTERM))
        End(state='interrupted', error='stopped by SIGTERM', is_memory=False)
    """
    if isinstance(outcome, Interrupted):
        return End("interrupted", f"stopped by {signal.Signals(outcome.signum).name}")
    if isinstance(outcome, InputError):
        return End("refused", str(outcome))
    if isinstance(outcome, BaseException):
        return End("failed", f"{type(outcome).__name__}: {outcome}", isinstance(outcome, OutOfMemory))
    return End("finished")


def read_ends(path: Path) -> list[End] | None:
    """How the fits of a task ended; None where its process was ended before it could say."""
    try:
        return [End(*end) for end in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
