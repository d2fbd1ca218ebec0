"""Seconds of a command with all processes that it starts, the ones that it does not wait for too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

SET_CHILD_SUBREAPER = 36  # Of Linux's prctl: orphans below this process become its children.


class Seconds(NamedTuple):
    """Of a piece of work: by the clock, and of all processes' user and system time."""

    wall: float
    cpu: float


def cpu_seconds() -> float:
    """Of this process and of all those below it that have been waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in used)


def called(words: Sequence[str]) -> Seconds:
    """Run a command that must succeed, until the last process that it started has ended.

    A server that forks its children is nobody's child once the command ends, and its time would be lost: orphans come
    to this process, which waits for them.

    Raises:
        OSError: where the system has no such orphans' home.
        subprocess.CalledProcessError: when the command fails.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    began, used = time.perf_counter(), cpu_seconds()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    return Seconds(wall, cpu_seconds() - used)
