"""Loops that can take long: a bar on the terminal of a command that is carried out, and nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

WITHOUT = 1.0  # Seconds that a loop takes before it shows a bar.
REFRESH = 0.2  # Seconds between two looks of the bar.

_shows: ContextVar[bool] = ContextVar("shows", default=False)


@contextmanager
def bars(*, shown: bool) -> Iterator[None]:
    """Within the block, loops that `counted` counts show how far they are."""
    token = _shows.set(shown)
    try:
        yield
    finally:
        _shows.reset(token)


def counted(steps: int, work: str) -> Iterator[int]:
    """0, 1, ... up to `steps`, with a bar where commands show one, there is a terminal, and it takes over a second.

    Args:
        steps: how many.
        work: what is being done, in words before the bar.

    Example:
        >>> list(counted(3, "drawing"))
        [0, 1, 2]
    """
    yield from _with_bar(steps, work) if _shows.get() else range(steps)


def _with_bar(steps: int, work: str) -> Iterator[int]:
    from rich.console import Console  # Most loops of most commands end before they would need it.
    from rich.progress import Progress

    if not (console := Console()).is_terminal:
        yield from range(steps)
        return
    bar, seen = Progress(console=console, transient=True, auto_refresh=False), time.monotonic() + WITHOUT
    task = bar.add_task(work, total=steps)
    try:
        for step in range(steps):
            yield step
            if (now := time.monotonic()) > seen:
                bar.start()
                bar.update(task, completed=step + 1, refresh=True)
                seen = now + REFRESH
    finally:
        bar.stop()
