"""What a data set is: a card that states its facts, raw pixels of three splits, and how pixels become x.

A finite source (`vae_rd.data.sprites`, `images`, `files`) only reads `Source`: integer or real pixels as they are
stored. One without end (`synthetic`, `noisy_sprites`) is an `UnlimitedSource`: a way to draw such pixels. `DataSet`
adds what the flags ask for - subsets, binarisation, dequantisation - and says so on the `DataCard`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from vae_rd.config.fields import Layout
from vae_rd.functional.seeding import generator
from vae_rd.run.record import SPLITS
from vae_rd.theory.discrete import duplicates_entropy

Support = Literal["binary", "one_hot", "grey", "real"]
Kind = Literal["binary", "one_hot", "levels", "grey", "unit", "real"]
FRESH_STEPS = 100  # Optimiser steps of an epoch where every batch is drawn afresh.
EVAL_CHUNK = 500  # Evaluation noise belongs to these fixed index chunks, whatever the batch size or process count.


@dataclass(frozen=True)
class Entropy:
    """H of one split in nats; `value` None where it is not known."""

    value: float | None = None
    stderr: float | None = None
    kind: Literal["exact", "monte_carlo"] | None = None
    measure: Literal["discrete", "differential"] = "discrete"
    source: str | None = None


class Streamed(Protocol):
    """Training examples that stay in their files, as `vae_rd.data.streams.Stream` has them."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def rows(self, places: Tensor) -> Tensor:
        """Pixels of some, as they are stored, [n, C, H, W]."""
        ...

    def part(self, places: Tensor) -> Self:
        """Some of them."""
        ...

    def bits(self, least: int) -> Self:
        """The same, 1 where a count is at least so much."""
        ...


@dataclass(frozen=True)
class Source:
    """Pixels as stored, before any flag applies.

    Attributes:
        name: the word of `--data`.
        images: per split, [N, C, H, W], of sequences [N, C, L], of volumes [N, C, D, H, W], of vectors [N, D]; counts
            0..levels-1 in uint8, int16 or int32, or float32 where `levels` is None.
        levels: number of grey levels; 2 means binary pixels, None means real-valued data.
        population: True when the one split "train" is the whole source, each image equally probable.
        labels: per split, arrays of length N by factor name.
        params: facts worth recording (archive, checksum, generator settings).
        support: of real-valued pixels; None to tell from the values whether they are a grid.
        layout: "channels_first" where three axes are [N, C, L], and not grey images without the axis of their channel.
        stream: training examples that stay in their files; images["train"] are then those that are evaluated on.
        file_sha256: checksum of the file or folder, of a source that takes it as it reads; None for the others.
    """

    name: str
    images: Mapping[str, Tensor]
    levels: int | None
    population: bool = False
    labels: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    support: Support | None = None
    layout: Layout = "channels_last"
    stream: Streamed | None = None
    file_sha256: str | None = None


@dataclass(frozen=True)
class UnlimitedSource:
    """Independent draws of pixels, as many as anyone asks for, from a distribution of known entropy.

    Attributes:
        name: the word of `--data`.
        support: "binary" or "one_hot" for uint8 pixels of 0 and 1, "real" for float32 ones.
        rows: (n, noise, *tables) -> pixels [n, C, H, W], or with other axes, on the device of the noise, which the
            tables are on too.
        tables: constants of `rows`.
        entropy: of one draw.
        params: facts worth recording.

    Example:
        >>> coins = UnlimitedSource(
        ...     "coins",
        ...     "binary",
        ...     lambda n, noise: torch.randint(2, (n, 1, 1, 4), generator=noise, dtype=torch.uint8),
        ...     entropy=Entropy(2.7726, 0.0, "exact"),
        ... )
        >>> coins.draw(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 1, 4])
    """

    name: str
    support: Literal["binary", "one_hot", "real"]
    rows: Callable[..., Tensor]
    tables: tuple[Tensor, ...] = ()
    entropy: Entropy = Entropy()
    params: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, n: int, noise: torch.Generator) -> Tensor:
        """Pixels of n independent draws, [n, C, H, W]."""
        return self.rows(n, noise, *self.tables)

    def to(self, device: torch.device) -> UnlimitedSource:
        """The same source, drawing on another device."""
        return replace(self, tables=tuple(table.to(device) for table in self.tables))


@dataclass(frozen=True)
class DataCard:
    """The facts of a data set that its numbers depend on.

    Attributes:
        n: examples per split; of a training split that is fresh at every step, those it is evaluated on.
        shape: (C, H, W), of sequences (C, L), of volumes (C, D, H, W), of vectors (1, 1, D).
        support: values of x: {0, 1}, rows of one 1 among 0s, one of finitely many grey values, or the real line.
        population: per split, whether it is the whole source (then only z is random in an estimate).
        pixel_scale: the density scale of grey x, such as "(k + u) / 256"; None for binary x.
        entropy: per split.
        params: facts of the source, and flags that shaped the data.
        unlimited: per split, whether it is an independent sample of a source without end. For "train" that means
            fresh batches: a stored training sample is a finite source of its own.
        levels: number of grey levels of counted pixels, before any binarisation; None for real-valued ones.
        streamed: how many training examples are read as they are needed, of which n has those that are evaluated on;
            None where all are held.
        content: checksum of the pixels by `content_digest`; None in records older than it.
    """

    name: str
    n: Mapping[str, int]
    shape: tuple[int, ...]
    support: Support
    population: Mapping[str, bool]
    pixel_scale: str | None
    entropy: Mapping[str, Entropy]
    params: Mapping[str, Any]
    unlimited: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(SPLITS, False))
    levels: int | None = None
    streamed: int | None = None
    content: str | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What x is, in the words of `Likelihood.supports`, of which one is enough.

        Grey x of counted levels may have a probability, or a density at its points. Dequantised x is real and between
        0 and 1.
        """
        if self.support == "grey" and self.levels is not None:
            return ("levels", "grey")
        return ("unit", "real") if self.support == "real" and self.pixel_scale is not None else (self.support,)

    @property
    def measure(self) -> Literal["discrete", "differential"]:
        """Of an entropy that D can be held to, unless a likelihood says otherwise: of grey and real x a density's."""
        return "discrete" if self.support in ("binary", "one_hot") else "differential"

    @property
    def target(self) -> str | None:
        """The labels that p(.|z) is of, None where it is of x."""
        return self.params["factor"] if self.params.get("target") == "label" else None

    @property
    def scored(self) -> DataCard:
        """The card of what p(.|z) is of: this one, or that of labels as one-hot rows."""
        if self.target is None:
            return self
        return replace(self, shape=(1, 1, self.params["classes"]), support="one_hot", levels=None, pixel_scale=None)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches of a stored training split, or FRESH_STEPS where every batch is fresh."""
        stored = self.n["train"] if self.streamed is None else self.streamed
        return FRESH_STEPS if self.unlimited["train"] else stored // batch_size

    def to_json(self) -> dict[str, Any]:
        """The card as the `data` entry of record.json."""
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DataCard:
        """The card back from a record, which may be older than some of its facts, and has others beside them."""
        known = {f.name: content[f.name] for f in fields(cls) if f.name in content}
        entropy = {split: Entropy(**entry) for split, entry in content["entropy"].items()}
        return cls(**{**known, "shape": tuple(content["shape"]), "entropy": entropy})


def group_sizes(images: Tensor) -> np.ndarray:
    """How many images stand in each group of equal ones.

    Args:
        images: [N, ...], uint8 or float.

    Example:
        >>> group_sizes(torch.tensor([[0], [1], [2], [2]], dtype=torch.uint8)).tolist()
        [1, 1, 2]
    """
    rows = images.reshape(len(images), -1).numpy()
    is_bits = rows.dtype == np.uint8 and rows.max(initial=0) <= 1
    packed = np.ascontiguousarray(np.packbits(rows, axis=1) if is_bits else rows)
    _, counts = np.unique(packed.view(np.dtype((np.void, packed.itemsize * packed.shape[1]))), return_counts=True)
    return counts


def uniform_entropy(sizes: np.ndarray) -> Entropy:
    """Exact entropy of a uniform draw over images of which some may coincide.

    Args:
        sizes: the g, from `group_sizes`.

    Example:
        >>> round(uniform_entropy(np.array([1, 1, 2])).value, 6)
        1.039721
    """
    duplicates = int((sizes - 1).sum())
    source = f"ln N, {duplicates} duplicates" if duplicates else "ln N"
    return Entropy(duplicates_entropy(sizes), 0.0, "exact", "discrete", source)


def subset(n: int, size: int, *key: int | str) -> Tensor:
    """`size` distinct indices below n, in random order fixed by `key`."""
    return torch.randperm(n, generator=generator("cpu", *key))[:size]
