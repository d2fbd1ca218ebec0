"""How far a long count has come, on stderr: one line that changes on a terminal, a new one now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
TERMINAL_SECONDS, FILE_SECONDS = 1.0, 5.0  # Between two words, and before the first.
CLEAR = "\r\x1b[K"


def counted(items: Iterable[Item], *, total: int) -> Iterator[Item]:
    """The runs as they are planned; a user who waits sees how many there are.

    Args:
        items: planned runs.
        total: how many will come, at most.

    Example:
        >>> [*counted("ab", total=2)]
        ['a', 'b']
    """
    shown = sys.stderr.isatty()
    every = TERMINAL_SECONDS if shown else FILE_SECONDS
    told, has_told = time.monotonic(), False
    try:
        for count, item in enumerate(items, start=1):
            yield item
            if (now := time.monotonic()) - told >= every:
                told, has_told = now, True
                line = f"planned {count:,} of {total:,} runs"
                print(f"{CLEAR}{line}" if shown else line, end="" if shown else "\n", file=sys.stderr, flush=True)
    finally:
        if shown and has_told:
            print(CLEAR, end="", file=sys.stderr, flush=True)
