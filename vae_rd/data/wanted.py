"""What the flags ask of a source, and the pixels of each split that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_rd.config.fields import Binarization, Dequantize
from vae_rd.data.base import Source, UnlimitedSource, subset
from vae_rd.data.checks import checked_draws
from vae_rd.data.streams import evaluated
from vae_rd.errors import InputError
from vae_rd.functional.seeding import generator
from vae_rd.process.memory import is_out_of_memory

DRAWN = {"train": 10_000, "val": 10_000, "test": 100_000}  # Examples that stand for an unlimited source by default.


class Wanted(NamedTuple):
    """What is asked of a source, by the names of the flags: the card holds what is not as it is here."""

    data_seed: int = 0
    binarization: Binarization = "none"
    dequantize: Dequantize = "none"
    n_train: int | None = None
    n_test: int | None = None

    def size(self, split: str) -> int | None:
        """How many examples of a split are asked for; None for all."""
        return {"train": self.n_train, "test": self.n_test}.get(split)


def drawn(source: UnlimitedSource, wanted: Wanted) -> dict[str, Tensor]:
    """Stored draws of an unlimited source, fixed by data_seed; "train" only evaluates where batches are fresh."""
    sizes = {"train": wanted.n_train, "val": None, "test": wanted.n_test}
    try:
        return {
            split: checked_draws(
                source, source.draw(size or DRAWN[split], generator("cpu", wanted.data_seed, "draws", split))
            )
            for split, size in sizes.items()
        }
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        asked = f"--n_train {wanted.n_train} --n_test {wanted.n_test}"
        raise InputError(f"{asked}: too large for memory; give smaller ones") from None


def chosen(source: Source, split: str, wanted: Wanted) -> tuple[Tensor, Mapping[str, np.ndarray]]:
    """Pixels and labels of one split: the population's where it is one, cut to --n_train or --n_test."""
    stored = "train" if source.population else split
    images, labels = source.images[stored], source.labels.get(stored, {})
    size = wanted.size(split)
    if size is None or (split == "train" and source.stream is not None):
        return images, labels
    _check_there(source, split, size, len(images))
    index = _places(source, split, wanted)
    return images[index], {name: values[index.numpy()] for name, values in labels.items()}


def cut_stream(source: Source, wanted: Wanted) -> Source:
    """A streamed source whose training examples are those that are asked for, and evaluated on some of these."""
    stream, size = source.stream, wanted.n_train
    if stream is None or size is None:
        return source
    _check_there(source, "train", size, len(stream))
    stream = stream.part(subset(len(stream), size, wanted.data_seed, "subset", "train"))
    held = stream.rows(evaluated(len(stream), wanted.data_seed))
    return replace(source, stream=stream, images={**source.images, "train": held})


def _check_there(source: Source, split: str, size: int, there: int) -> None:
    """Refuse more examples of a split than there are."""
    if size > there:
        has = f"the {split} split of --data {source.name} has {there} examples"
        raise InputError(f"--n_{split} {size}: {has}; give at most as many, or leave it out")


def held_out(source: Source, wanted: Wanted) -> Tensor:
    """Positions in the test split of a population of those that the training split has not."""
    train, test = (_places(source, split, wanted) for split in ("train", "test"))
    return (~torch.isin(test, train)).nonzero()[:, 0]


def _places(source: Source, split: str, wanted: Wanted) -> Tensor:
    """Where a split's examples stand among the source's own of it."""
    there = len(source.images["train" if source.population else split])
    size = wanted.size(split)
    return torch.arange(there) if size is None else subset(there, size, wanted.data_seed, "subset", split)
