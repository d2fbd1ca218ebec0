"""What a pass over anyone's examples leaves of them: how many, which values, which are equal, and a few at random."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vae_rd.data.base import Support
from vae_rd.functional.seeding import generator


class Contents:
    """Facts of all examples seen, whatever their order.

    Example:
        >>> seen = Contents()
        >>> seen.add(torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]))
        >>> seen.support, sorted(seen.multiplicities.tolist())
        ('binary', [1, 2])
    """

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.support: Support = "binary"
        self._counts: Counter[bytes] = Counter()

    def add(self, x: Tensor) -> None:
        """Take note of a batch, [B, ...]; of one of no examples, as a sampler's padding is, nothing."""
        if len(x) == 0:
            return
        self.__dict__.pop("digest", None)
        self.shape = tuple(x.shape[1:])
        x = x.float() if x.dtype == torch.bfloat16 else x  # Which numpy has not.
        rows = x.detach().cpu().reshape(len(x), -1).numpy()
        is_bits = ((rows == 0) | (rows == 1)).all(1)
        self.support = self.support if is_bits.all() else "real"
        # Of equal examples the bytes are equal, be they float32 or uint8, and whatever stands beside them.
        self._counts.update(_digest(np.packbits(row.astype(bool))) for row in rows[is_bits])
        self._counts.update(_digest(row + 0.0) for row in rows[~is_bits])  # Without -0.

    @classmethod
    def merged(cls, parts: Sequence[Contents]) -> Contents:
        """Those of several, at least one of which has seen any."""
        found, used = cls(), [part for part in parts if part.shape]
        found.shape = used[0].shape if used else ()
        found.support = "binary" if all(part.support == "binary" for part in used) else "real"
        for part in used:
            found._counts.update(part._counts)
        return found

    @property
    def multiplicities(self) -> np.ndarray:
        """How many examples stand in each group of equal ones."""
        return np.array(list(self._counts.values()))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the examples as a set with multiplicities, in hexadecimal digits."""
        content = hashlib.sha256(f"{self.shape} {self.support}".encode())
        for row, count in sorted(self._counts.items()):
            content.update(row + count.to_bytes(8, "big"))
        return content.hexdigest()


def _digest(row: np.ndarray) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


class Reservoir:
    """A random subset of all examples seen, of at most so many, in their order.

    Args:
        size: at most.
        seed: of the choice.

    Example:
        >>> kept = Reservoir(3, seed=0)
        >>> for x in torch.arange(10).split(4):
        ...     kept.add(x)
        >>> len(kept.x)
        3
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self.size, self._noise = size, generator("cpu", seed, "reservoir")
        self._keys, self._parts = torch.zeros(0, dtype=torch.float64), list[Tensor]()

    def add(self, x: Tensor) -> None:
        """Take note of a batch, [B, ...]: kept are those of the smallest random keys so far."""
        keys = torch.cat([self._keys, torch.rand(len(x), generator=self._noise, dtype=torch.float64)])
        kept = keys.argsort()[: self.size].sort().values
        self._parts = [torch.cat([*self._parts, x])[kept.to(x.device)]]
        self._keys = keys[kept]

    @property
    def x(self) -> Tensor:
        """The subset, [n, ...]."""
        return self._parts[0]
