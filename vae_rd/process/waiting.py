"""What a process does while one of its threads waits for the disk: nothing, unless that thread has company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

# Of each thread, within what it waits.
Within = Callable[[], AbstractContextManager[None]]
_within: ContextVar[Within] = ContextVar("within", default=nullcontext)


@contextmanager
def waiting_for_disk() -> Iterator[None]:
    """Let others work within the block, which does nothing but wait for the disk."""
    with _within.get()():
        yield


def wait_within(context: Within) -> None:
    """Have this thread wait for the disk within such a block from now on.

    Args:
        context: makes the block, entered before the wait and left after it, in this thread.
    """
    _within.set(context)
