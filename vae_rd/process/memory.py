"""Memory that runs out: recognised by what torch and its libraries raise, and answered with what to lower."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vae_rd.errors import OutOfMemory

# What torch's allocators and libraries say where they do not raise torch.OutOfMemoryError.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|ALLOC_FAILED|storage size calculation overflowed",
    re.IGNORECASE,
)
_ASKED_FOR = re.compile(r"tried to allocate ([\d.]+ \w+)", re.IGNORECASE)


@contextmanager
def memory_advice(work: str, *, lower: str) -> Iterator[None]:
    """Say what to lower where memory runs out within the block, in place of what the allocator says.

    Args:
        work: what is being done.
        lower: the flags that decide how much memory that takes.

    Raises:
        OutOfMemory: in place of torch's or Python's own error, which it names as its cause.

    Example:
        >>> with memory_advice("a step", lower="--batch_size"):
        ...     torch.empty(2**50, dtype=torch.uint8)
        Traceback (most recent call last):
            ...
        vae_rd.errors.OutOfMemory: a step: out of memory, 1125899906842624 bytes more wanted; lower --batch_size
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemory) or not is_out_of_memory(error):
            raise
        wanted = _ASKED_FOR.search(str(error))
        more = f", {wanted[1]} more wanted" if wanted else ""
        raise OutOfMemory(f"{work}: out of memory{more}; lower {lower}") from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that there is not enough memory, rather than that something is wrong."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error))))
