"""What a data set is: a card that states its facts, raw pixels of three splits, and how pixels become x.

A source (`vae_rd.data.sprites`, `images`, `files`) only reads `Source`: integer or real pixels as they are stored.
`DataSet` adds what the flags ask for - subsets, binarisation, dequantisation - and says so on the `DataCard`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vae_rd.seeding import generator

Support = Literal["binary", "grey", "real"]
EVAL_CHUNK = 500  # Evaluation noise belongs to these fixed index chunks, whatever the batch size or process count.


@dataclass(frozen=True)
class Entropy:
    """H of one split in nats; `value` None where it is not known."""

    value: float | None = None
    stderr: float | None = None
    kind: Literal["exact", "monte_carlo"] | None = None
    measure: Literal["discrete", "differential"] = "discrete"
    source: str | None = None


@dataclass(frozen=True)
class Source:
    """Pixels as stored, before any flag applies.

    Attributes:
        name: the word of `--data`.
        images: per split, [N, C, H, W]; uint8 counts 0..levels-1, or float32 where `levels` is None.
        levels: number of grey levels; 2 means binary pixels, None means real-valued data.
        population: True when the one split "train" is the whole source, each image equally probable.
        labels: per split, arrays of length N by factor name.
        params: facts worth recording (archive, checksum, generator settings).
    """

    name: str
    images: Mapping[str, Tensor]
    levels: int | None
    population: bool = False
    labels: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataCard:
    """The facts of a data set that its numbers depend on.

    Attributes:
        n: examples per split.
        shape: [C, H, W].
        support: values of x: {0, 1}, one of finitely many grey values, or the real line.
        population: per split, whether it is the whole source (then only z is random in an estimate).
        pixel_scale: the density scale of grey x, such as "(k + u) / 256"; None for binary x.
        entropy: per split.
    """

    name: str
    n: Mapping[str, int]
    shape: tuple[int, int, int]
    support: Support
    population: Mapping[str, bool]
    pixel_scale: str | None
    entropy: Mapping[str, Entropy]
    params: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The card as the `data` entry of record.json."""
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DataCard:
        """The card back from a record."""
        entropy = {split: Entropy(**entry) for split, entry in content["entropy"].items()}
        channels, height, width = content["shape"]
        return cls(**{**content, "shape": (channels, height, width), "entropy": entropy})


def uniform_entropy(images: Tensor) -> Entropy:
    """Exact entropy of a uniform draw over rows of which some may coincide.

        H = ln N - (1/N) sum over groups of equal rows of g ln g

    Args:
        images: [N, ...] uint8.

    Example:
        >>> round(uniform_entropy(torch.tensor([[0], [1], [2], [2]], dtype=torch.uint8)).value, 6)
        1.039721
    """
    rows = images.reshape(len(images), -1).numpy()
    packed = np.ascontiguousarray(np.packbits(rows, axis=1) if rows.max(initial=0) <= 1 else rows)
    _, counts = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))), return_counts=True)
    n = len(images)
    value = math.log(n) - float(np.sum(counts * np.log(counts))) / n
    distinct = len(counts) == n
    return Entropy(value, 0.0, "exact", "discrete", "ln N" if distinct else f"ln N, {n - len(counts)} duplicates")


def subset(n: int, size: int, *key: int | str) -> Tensor:
    """`size` distinct indices below n, in random order fixed by `key`."""
    return torch.randperm(n, generator=generator("cpu", *key))[:size]
