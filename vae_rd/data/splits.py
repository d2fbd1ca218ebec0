"""One array of images and a rule of who goes where become a `Source` of three splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from vae_rd.data.base import Source

MAX_LISTED = 256  # Classes of a factor that `params` spells out; names of single images do not belong in a record.


def split_source(
    name: str,
    images: np.ndarray,
    *,
    where: Mapping[str, slice | np.ndarray],
    levels: int | None,
    factors: Mapping[str, np.ndarray],
    params: Mapping[str, Any],
) -> Source:
    """A source whose splits are parts of one array.

    Args:
        name: the word of `--data`.
        images: [N, H, W] or [N, H, W, C].
        where: per split, a slice, mask or list of indices along N.
        levels: as in `Source`.
        factors: labels of any sortable type, [N] each; they become class indices, and `params["factors"]` lists what
            the classes stand for.
        params: further facts for the record.
    """
    coded = {factor: np.unique(column, return_inverse=True) for factor, column in factors.items()}
    listed = {factor: values.tolist() for factor, (values, _) in coded.items() if len(values) <= MAX_LISTED}
    return Source(
        name=name,
        images={split: _channels_first(images[part]) for split, part in where.items()},
        levels=levels,
        labels={split: {factor: codes[part] for factor, (_, codes) in coded.items()} for split, part in where.items()},
        params={**params, "factors": listed},
    )


def _channels_first(images: np.ndarray) -> torch.Tensor:
    planes = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    return torch.tensor(np.ascontiguousarray(planes))
