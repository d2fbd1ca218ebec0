"""How every command of the package ends: its exit code, and one line where it did not do what was asked."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vae_rd.errors import InputError, Interrupted
from vae_rd.process.counting import bars
from vae_rd.process.imports import end_without_collection
from vae_rd.process.native import keep_freed_memory
from vae_rd.process.ranks import Place, place
from vae_rd.process.signals import SignalGuard
from vae_rd.process.terminal import LastingStream, discard, lasting_output


@dataclass(frozen=True)
class Text:
    """Lines that are all that a command was asked for: where they are not taken, it has failed."""

    lines: Iterable[str]


Answer = Text | Iterable[str] | int


def run_command(action: Callable[[], Answer], *, goes_on: str) -> int:
    """Print the lines of `action` as they come; exit codes: 0, 2 (bad input), 1 (failure), 128 + a signal's number.

    Of several processes the first one speaks; another says no more than why it failed. Work is done whether or not
    anybody takes the lines about it, and its exit code is that of the work.

    Args:
        action: the command's work: its lines, or its exit code where other processes did it and have spoken.
        goes_on: what a user does after a signal, in a few words.
    """
    end_without_collection()
    keep_freed_memory()
    with lasting_output() as (out, errors):
        try:
            return _run(action, out, goes_on=goes_on)
        except SystemExit as stop:
            if stop.code:
                raise
            return _taken(out, is_all=True)  # argparse has printed its help.
        finally:
            discard(out)
            discard(errors)


def _run(action: Callable[[], Answer], out: LastingStream, *, goes_on: str) -> int:
    here = Place()
    try:
        here = place() or here
        with SignalGuard(), bars(shown=here.rank == 0):
            answer = action()
            if isinstance(answer, int):
                _taken(out, is_all=False)
                return _leave(answer - 128) if answer > 128 else answer
            is_all = isinstance(answer, Text)
            for line in answer.lines if isinstance(answer, Text) else answer:
                if here.rank == 0:
                    print(line, flush=True)
                if is_all and out.fault is not None:
                    break
            return _taken(out, is_all=is_all)
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


def _taken(out: LastingStream, *, is_all: bool) -> int:
    """The exit code where all went well but the output; a reader that closes the pipe has seen enough.

    Args:
        out: where it went.
        is_all: whether the command was asked for nothing else.
    """
    out.flush()
    if out.fault is None or out.fault.errno == errno.EPIPE:
        return 0
    word, then = ("failed", "send it elsewhere") if is_all else ("warning", "what was found is in files all the same")
    print(f"{word}: standard output takes nothing more ({out.fault.strerror}); {then}", file=sys.stderr)
    return int(is_all)


def _leave(signum: int) -> int:
    """The exit code of an interrupted run; a W&B agent takes a code for a failure, so there SIGTERM ends us itself."""
    if signum == signal.SIGTERM and "WANDB_SWEEP_ID" in os.environ:
        sys.stdout.flush()  # A process that a signal ends writes nothing more.
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return 128 + signum
