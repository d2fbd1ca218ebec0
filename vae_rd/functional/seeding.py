"""Stateless random streams: every draw is named by a key, so any step of any run can be repeated on its own.

Resuming needs no saved generator state, and the noise of a step does not depend on how many processes share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generator(device: torch.device | str, *key: int | str) -> torch.Generator:
    """A generator whose stream is a function of `key` alone, such as (seed, "noise", epoch, step).

    Example:
        >>> a, b = (torch.rand(2, generator=generator("cpu", 0, "noise", 3)) for _ in range(2))
        >>> bool((a == b).all())
        True
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big", signed=True))


@contextmanager
def own_stream(device: torch.device, seed: int) -> Iterator[None]:
    """torch's global stream begun at a seed within the block, and put back after: some samplers know no other.

    Args:
        device: whose stream the samplers take.
        seed: of the stream.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
