"""Anyone's loader as batches of x."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.data.batches import x_of
from vae_rd.errors import InputError


def batches(loader: Any, key: str | int | None = None) -> Iterator[Tensor]:
    """The x of each batch, [B, ...].

    Args:
        loader: what yields batches, a Dataset, or all x as one tensor or array.
        key: where x is in a batch that is a dict, or a tuple whose first item it is not.

    Raises:
        InputError: where there is no x, or none at all.

    Example:
        >>> [len(x) for x in batches(torch.zeros(1200, 3))]
        [500, 500, 200]
        >>> [x.shape for x in batches(torch.utils.data.TensorDataset(torch.zeros(2, 3), torch.zeros(2)))]
        [torch.Size([2, 3])]
    """
    any_at_all = False
    for batch in _iterated(loader):
        if len(x := x_of(batch, key)):
            any_at_all = True
            yield x
    if not any_at_all:
        raise InputError("loader: it has no examples; one that can be read once is empty the second time")


def _iterated(loader: Any) -> Iterable[Any]:
    if isinstance(loader, np.ndarray):
        loader = torch.from_numpy(loader)
    if isinstance(loader, Tensor):
        return loader.split(EVAL_CHUNK)
    if isinstance(loader, Dataset):
        return DataLoader(loader, None if isinstance(loader, IterableDataset) else EVAL_CHUNK)
    if not isinstance(loader, Iterable) or isinstance(loader, str | dict):
        raise InputError(
            f"loader: it is of type {type(loader).__name__}; give a DataLoader, a Dataset, or all x as a tensor"
        )
    return loader
