"""Which examples anyone's loaders have: where those of a process lie among all, and a fixed few of them as batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, Subset

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.process.collectives import rank, world_size


def flattened(loaders: Any) -> list[Any]:
    """Loaders in the order of Lightning's `dataloader_idx`."""
    if loaders is None:
        return []
    if isinstance(loaders, Mapping):
        return [one for of in loaders.values() for one in flattened(of)]
    return [one for of in loaders for one in flattened(of)] if isinstance(loaders, list | tuple) else [loaders]


def size_of(loader: Any) -> int | None:
    """How many examples all processes' loaders have together, repeats that fill up the last batch not among them.

    None where nobody knows: of streams, of a loader whose items are whole batches, and where several processes have
    shares that no `DistributedSampler` deals out.

    Example:
        >>> size_of(DataLoader(range(7), batch_size=2))
        7
    """
    sampler = _sampler(loader)
    is_dealt = isinstance(sampler, DistributedSampler)
    if getattr(loader, "batch_sampler", None) is None or (world_size() > 1 and not is_dealt):
        return None
    return _length(sampler.dataset if is_dealt else sampler)


def places(first: int, count: int) -> Tensor:
    """Where this process's next examples lie among all, as a `DistributedSampler` deals them out.

    Args:
        first: how many it has had.
        count: how many come.
    """
    return rank() + world_size() * torch.arange(first, first + count)


def few_of(loader: Any, size: int, *key: int | str) -> list[int] | None:
    """Indices into a loader's dataset of examples at random, ascending; None where it has no indices.

    Args:
        loader: a DataLoader.
        size: how many, at most.
        key: of the choice.
    """
    if (
        not isinstance(loader, DataLoader)
        or loader.batch_sampler is None
        or isinstance(loader.dataset, IterableDataset)
    ):
        return None
    n = len(loader.dataset)  # type: ignore[arg-type]
    known = getattr(_inner(_sampler(loader)), "indices", None)  # Of a SubsetRandomSampler: one dataset, two loaders.
    own = list(range(n)) if known is None else sorted(map(int, known))
    return [own[place] for place in subset(len(own), min(size, len(own)), *key).sort().values.tolist()]


def in_batches(loader: DataLoader[Any], index: Sequence[int]) -> list[Sequence[int]]:
    """Indices in batches of the loader's size, but of no more than EVAL_CHUNK."""
    size = min(loader.batch_size or EVAL_CHUNK, EVAL_CHUNK)
    return [index[first : first + size] for first in range(0, len(index), size)]


def fetched(trainer: Trainer, loader: DataLoader[Any], index: Sequence[int]) -> Any:
    """The examples as one batch, as the loader collates it, on the module's device."""
    (batch,) = DataLoader(Subset(loader.dataset, index), len(index), collate_fn=loader.collate_fn)
    return trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch), dataloader_idx=0)


@contextmanager
def own_streams(seed: int) -> Iterator[None]:
    """Random streams of torch, numpy and Python begun at a seed, and put back after: transforms draw from them."""
    import random

    import numpy as np

    with isolate_rng():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield


def _sampler(loader: Any) -> Any:
    return getattr(getattr(loader, "batch_sampler", None), "sampler", None) or getattr(loader, "sampler", None)


def _inner(sampler: Any) -> Any:
    """The user's sampler behind the one by which Lightning deals it out."""
    of = getattr(sampler, "dataset", None) if isinstance(sampler, DistributedSampler) else None
    return getattr(of, "_sampler", sampler)


def _length(of: Any) -> int | None:
    try:
        return len(of)
    except TypeError:
        return None
