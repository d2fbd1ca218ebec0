"""How every command of the package ends: its exit code, and one line where it did not do what was asked."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable

from vae_rd.errors import InputError, Interrupted
from vae_rd.signals import SignalGuard


def run_command(action: Callable[[], Iterable[str]], *, goes_on: str) -> int:
    """Print the lines of `action` as they come; exit codes: 0, 2 (bad input), 1 (failure), 128 + a signal's number.

    Args:
        action: the command's work.
        goes_on: what a user does after a signal, in a few words.
    """
    try:
        with SignalGuard():
            for line in action():
                print(line, flush=True)
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"interrupted by signal {stop.signum}; {goes_on}", file=sys.stderr)
        return _leave(stop.signum)
    except Exception as error:
        reason = " ".join(str(error).split()) or "no message"
        notes = getattr(error, "__notes__", [])
        print("; ".join([f"failed: {type(error).__name__}: {reason}", *notes]), file=sys.stderr)
        return 1


def _leave(signum: int) -> int:
    """The exit code of an interrupted run; a W&B agent takes a code for a failure, so there SIGTERM ends us itself."""
    if signum == signal.SIGTERM and "WANDB_SWEEP_ID" in os.environ:
        sys.stdout.flush()  # A process that a signal ends writes nothing more.
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return 128 + signum
