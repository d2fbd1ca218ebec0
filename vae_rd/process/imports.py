"""Imports of what takes seconds: whole, whatever signal comes, and with no search for garbage among what they make."""

from __future__ import annotations

import atexit
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from vae_rd.process.native import wait_briefly
from vae_rd.process.signals import SignalGuard


@contextmanager
def whole_imports() -> Iterator[None]:
    """Make signals wait for the end of the block, which imports; then they go to whoever handled them before.

    torch tries to import NumPy and forgets why that failed: what a signal raises there would be lost, and the half of
    NumPy that is imported fails later. How torch's threads wait is set before it is loaded.
    """
    wait_briefly()
    with SignalGuard() as guard, without_collection():
        guard.hold()
        yield
    if guard.received is not None:
        signal.raise_signal(guard.received)


@contextmanager
def without_collection() -> Iterator[None]:
    """Look for no garbage within the block: among the objects of torch and Lightning a search takes longer each time,
    a fifth of their imports in all, and what they make stays.

    Example:
        >>> with without_collection():
        ...     gc.isenabled()
        False
        >>> gc.isenabled()
        True
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def end_without_collection() -> None:
    """When this process ends, look for no garbage among what it has imported, which would take a second.

    It is for a command, whose files are closed by then: what only a search would find is not finalised.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
