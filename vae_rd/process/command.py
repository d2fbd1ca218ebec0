"""How every command of the package ends: its exit code, and one line where it did not do what was asked."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable

from vae_rd.errors import InputError, Interrupted
from vae_rd.process.ranks import Place, place
from vae_rd.process.signals import SignalGuard


def run_command(action: Callable[[], Iterable[str] | int], *, goes_on: str) -> int:
    """Print the lines of `action` as they come; exit codes: 0, 2 (bad input), 1 (failure), 128 + a signal's number.

    Of several processes the first one speaks; another says no more than why it failed.

    Args:
        action: the command's work: its lines, or its exit code where other processes did it and have spoken.
        goes_on: what a user does after a signal, in a few words.
    """
    here = Place()
    try:
        here = place() or here
        with SignalGuard():
            answer = action()
            if isinstance(answer, int):
                return _leave(answer - 128) if answer > 128 else answer
            for line in answer:
                if here.rank == 0:
                    print(line, flush=True)
        return 0
    except InputError as error:
        if here.rank == 0:
            print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        if here.rank == 0:
            print(f"interrupted by signal {stop.signum}; {goes_on}", file=sys.stderr)
        return _leave(stop.signum)
    except Exception as error:
        reason = " ".join(str(error).split()) or "no message"
        notes = getattr(error, "__notes__", [])
        who = "" if here.rank == 0 else f"process {here.rank}: "
        print("; ".join([f"{who}failed: {type(error).__name__}: {reason}", *notes]), file=sys.stderr)
        return 1


def _leave(signum: int) -> int:
    """The exit code of an interrupted run; a W&B agent takes a code for a failure, so there SIGTERM ends us itself."""
    if signum == signal.SIGTERM and "WANDB_SWEEP_ID" in os.environ:
        sys.stdout.flush()  # A process that a signal ends writes nothing more.
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return 128 + signum
