"""Who goes where: splits at random or as they are named, and one array of images as a `Source` of three splits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from vae_rd.config.fields import Layout
from vae_rd.data.base import Source, subset
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

MAX_LISTED = 256  # Classes of a factor that `params` spells out; names of single images do not belong in a record.
MIN_IMAGES = 20  # A tenth must hold two images, or its means have no standard error.

# What folders and arrays of one's own call a split, in any case.
_NAMES: Mapping[str, str] = MappingProxyType(
    {"train": "train", "training": "train"}
    | dict.fromkeys(("val", "valid", "validation", "dev"), "val")
    | dict.fromkeys(("test", "testing"), "test")
)


def split_named(name: str) -> str | None:
    """The split that a folder or an array of this name is, None where it names none.

    Example:
        >>> split_named("Validation"), split_named("cats")
        ('val', None)
    """
    return _NAMES.get(name.lower())


def divided(
    n: int, own: Mapping[str, np.ndarray], *, data_seed: int, where: str, most: int | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Positions of each split, and in words how they came about.

    Args:
        n: how many images there are.
        own: positions of the splits that are given; val and test that are not each take a tenth of train, or of all
            images where there is no train, at random.
        data_seed: seed of the random part.
        where: what messages begin with.
        most: examples that val and test take at random; None for any number.

    Raises:
        InputError: where a split would have fewer than two images.

    Example:
        >>> parts, said = divided(40, {}, data_seed=0, where="here")
        >>> [len(parts[split]) for split in ("train", "val", "test")], said
        ([32, 4, 4], 'at random, 80/10/10')
    """
    missing = [split for split in ("val", "test") if split not in own]
    pool = own.get("train", np.arange(n))
    if missing and len(pool) < MIN_IMAGES:
        shares = "80/10/10" if len(missing) == 2 else f"{missing[0]} off train"
        raise InputError(f"{where}: {len(pool)} images are too few to split {shares}; give at least {MIN_IMAGES}")
    if short := [split for split in own if len(own[split]) < 2]:
        raise InputError(f"{where}: {short[0]} holds {len(own[short[0]])} images; give at least 2")
    if not missing:
        return dict(own), "as it comes: train, val, test"
    order, tenth = pool[subset(len(pool), len(pool), "split", data_seed).numpy()], len(pool) // 10
    is_cut = most is not None and tenth > most
    tenth = min(tenth, tenth if most is None else most)
    taken = {split: order[i * tenth : (i + 1) * tenth] for i, split in enumerate(missing)}
    parts = {**own, **taken, "train": order[len(missing) * tenth :]}
    if len(missing) == 2:
        how = f"at random, val and test of {tenth:,}" if is_cut else "at random, 80/10/10"
        return parts, how + (" of train" if own else "")
    return parts, f"as it comes: {', '.join(s for s in SPLITS if s in own)}; {missing[0]} is a random tenth of train"


def split_source(
    name: str,
    images: np.ndarray,
    *,
    where: Mapping[str, slice | np.ndarray],
    levels: int | None,
    factors: Mapping[str, np.ndarray],
    params: Mapping[str, Any],
    layout: Layout = "channels_last",
) -> Source:
    """A source whose splits are parts of one array.

    Args:
        name: the word of `--data`.
        images: [N, D], [N, H, W] or [N, H, W, C]; vectors are images of one row. Where channels come first [N, C, L],
            [N, C, H, W] or [N, C, D, H, W].
        where: per split, a slice, mask or list of indices along N.
        levels: as in `Source`.
        factors: labels of any sortable type, [N] each; they become class indices, and `params["factors"]` lists what
            the classes stand for.
        params: further facts for the record.
        layout: which axis of images has the channels.
    """
    coded = {factor: np.unique(column, return_inverse=True) for factor, column in factors.items()}
    listed = {factor: values.tolist() for factor, (values, _) in coded.items() if len(values) <= MAX_LISTED}
    return Source(
        name=name,
        images={split: _own_memory(images, part, layout) for split, part in where.items()},
        levels=levels,
        labels={split: {factor: codes[part] for factor, (_, codes) in coded.items()} for split, part in where.items()},
        params={**params, "factors": listed},
        layout=layout,
    )


def channels_first(images: np.ndarray, layout: Layout) -> np.ndarray:
    """Images [n, H, W, C] or [n, H, W] as [n, C, H, W], vectors [n, D] as [n, 1, 1, D]; what is so stays.

    Example:
        >>> channels_first(np.zeros((9, 4, 5, 3)), "channels_last").shape
        (9, 3, 4, 5)
    """
    if images.ndim == 2 or (images.ndim == 3 and layout == "channels_last"):
        return images.reshape(len(images), 1, -1, images.shape[-1])
    return np.moveaxis(images, -1, 1) if layout == "channels_last" else images


def _own_memory(images: np.ndarray, part: slice | np.ndarray, layout: Layout) -> torch.Tensor:
    """Some of the images with their channels first, in memory of their own: copied once, for they may fill it."""
    planes = channels_first(images[part], layout)
    if min(planes.strides) < 0 or not planes.flags.writeable:  # Which torch does not take.
        return torch.from_numpy(planes.copy())
    if not np.may_share_memory(planes, images) and planes.flags.c_contiguous:
        return torch.from_numpy(planes)
    return torch.from_numpy(planes).clone(memory_format=torch.contiguous_format)
