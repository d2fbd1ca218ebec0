"""What a `Source` given from Python must be, and how what is plain becomes it: one line says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae_rd.config.fields import WORDS
from vae_rd.data.base import Entropy, Source, UnlimitedSource
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

BYTE_LEVELS = 256
FEWEST = 2  # Images of a split, of which a mean has a standard error.
PROBED = 8  # Draws that are made twice.
DISCRETE = ("binary", "one_hot")


def checked(source: Source) -> Source:
    """The source with its pixels as [N, C, H, W]: counts as bytes (int16 or int32 where bytes are short), else floats.

    Arrays and tensors of any plain number type are taken; vectors [N, D] become [N, 1, 1, D], sequences stay [N, C, L]
    and volumes [N, C, D, H, W].

    Raises:
        InputError: naming the split, what it is, and what it should be.

    Example:
        >>> vectors = {split: torch.rand(9, 5, dtype=torch.float64) for split in SPLITS}
        >>> checked(Source("mine", vectors, levels=None)).images["val"].shape
        torch.Size([9, 1, 1, 5])
    """
    name = f"Source {source.name!r}"
    _check_facts(source, name)
    _check_levels(source.levels, name)
    wanted = ("train",) if source.population else SPLITS
    if missing := [split for split in wanted if split not in source.images]:
        raise InputError(f"{name}: images has no {' and no '.join(missing)}; give {', '.join(wanted)}")
    others = [split for split in source.images if source.images[split] is not source.images["train"]]
    if source.population and others:
        raise InputError(f"{name}: a population is all in images['train']; leave out {', '.join(others)}")
    is_first = source.layout == "channels_first"
    images = {s: _pixels(source.images[s], source.levels, f"{name}: images[{s!r}]", sequences=is_first) for s in wanted}
    shapes = {split: list(pixels.shape[1:]) for split, pixels in images.items()}
    if len({tuple(shape) for shape in shapes.values()}) > 1:
        raise InputError(f"{name}: the shapes of an image differ between splits, {shapes}; give one shape")
    if strays := [split for split in source.images if split not in SPLITS]:
        raise InputError(f"{name}: images has {strays[0]!r}, which is no split; give {', '.join(wanted)}")
    _check_labels(source.labels, images, name)
    labels = {s: {factor: np.asarray(part[factor]) for factor in part} for s, part in source.labels.items()}
    return replace(source, images=images, labels=labels)


def check_unlimited(source: UnlimitedSource) -> None:
    """Refuse an unlimited source whose facts are none, or whose draws do not come from the generator alone.

    Raises:
        InputError: naming what is wrong.
    """
    name = f"UnlimitedSource {source.name!r}"
    _check_facts(source, name)
    if source.support not in (*DISCRETE, "real"):
        raise InputError(f"{name}: support is {source.support!r}; choose one of {', '.join(DISCRETE)}, real")
    if not isinstance(source.entropy, Entropy):
        raise InputError(f"{name}: entropy is {source.entropy!r}; give vae_rd.data.base.Entropy(value, stderr, kind)")
    first, second = (source.draw(PROBED, torch.Generator().manual_seed(0)) for _ in range(2))
    if not torch.equal(first.nan_to_num(), second.nan_to_num()):
        raise InputError(f"{name}: two draws from one seed differ; let rows take all chance from its generator")


def checked_draws(source: UnlimitedSource, pixels: Tensor) -> Tensor:
    """Draws of an unlimited source, once they are seen to be what it says they are.

    Raises:
        InputError: naming what they are, and what they should be.
    """
    name = f"UnlimitedSource {source.name!r}: rows"
    if pixels.ndim not in (3, 4, 5):
        raise InputError(f"{name} gives {list(pixels.shape)}; let it give [n, C, H, W], of vectors [n, 1, 1, D]")
    if source.support == "real":
        return _real(pixels, name)
    counts = _counts(pixels, 2, name)
    if source.support == "one_hot" and not (counts.flatten(1).sum(-1) == counts[0].sum()).all():
        raise InputError(f"{name} gives images of different numbers of 1s; one_hot x has one 1 in each row")
    return counts


def check_wanted(
    name: str,
    *,
    binarization: str,
    dequantize: str,
    n_train: int | None,
    n_test: int | None,
    data_seed: int,
    target: str = "x",
) -> None:
    """Refuse settings of a data set that are none; from the command line, flags are checked before they come here.

    Raises:
        InputError: naming the setting, and what it may be.
    """
    for setting, word in (("binarization", binarization), ("dequantize", dequantize), ("target", target)):
        if word not in WORDS[setting]:
            raise InputError(f"{name}: {setting} is {word!r}; choose one of {', '.join(WORDS[setting])}")
    if binarization != "none" and dequantize != "none":
        raise InputError(f"{name}: binarised pixels have no bins to fill; leave out dequantize or binarization")
    for setting, n in (("n_train", n_train), ("n_test", n_test)):
        if n is not None and (type(n) is not int or n < FEWEST):
            raise InputError(f"{name}: {setting} is {n!r}; give a whole number from {FEWEST} on, or None for all")
    if type(data_seed) is not int or data_seed < 0:
        raise InputError(f"{name}: data_seed is {data_seed!r}; give a whole number from 0 on")


def _check_facts(source: Source | UnlimitedSource, name: str) -> None:
    if not (isinstance(source.name, str) and source.name and source.name.isprintable()):
        raise InputError(f"{name}: name is {source.name!r}; give a word")
    try:
        json.dumps(dict(source.params))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: params go into a record as JSON: {error}; give numbers, words, lists") from None


def _check_levels(levels: Any, name: str) -> None:
    if levels is not None and (type(levels) is not int or levels < 2):
        raise InputError(f"{name}: levels is {levels!r}; give 2 for binary pixels, 256 for bytes, None for real values")


def _pixels(values: Any, levels: int | None, where: str, *, sequences: bool) -> Tensor:
    check_plain(values, where)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        kept = np.dtype(np.float64) if values.dtype.itemsize > 8 else values.dtype.newbyteorder("=")
        values = torch.from_numpy(np.ascontiguousarray(values.astype(kept, copy=False)))
    if not isinstance(values, Tensor) or values.is_complex():
        kind = f"array of {values.dtype}" if isinstance(values, np.ndarray | Tensor) else type(values).__name__
        raise InputError(f"{where} is a {kind}; give a tensor or array of numbers")
    if values.ndim not in (2, 4, 5, *([3] if sequences else [])) or 0 in values.shape:
        raise InputError(
            f"{where} is {list(values.shape)}; give [N, C, H, W], of grey images [N, 1, H, W], of vectors [N, D], of "
            "volumes [N, C, D, H, W], or sequences [N, C, L] with layout='channels_first'"
        )
    if len(values) < FEWEST:
        raise InputError(f"{where} has {len(values)} image; give {FEWEST} or more, or means have no standard error")
    images = values.detach().cpu()
    images = images[:, None, None] if images.ndim == 2 else images
    return _real(images, where) if levels is None else _counts(images, levels, where)


def check_plain(values: Any, where: str) -> None:
    """Refuse arrays under a mask, and tensors that do not hold each number in memory.

    Raises:
        InputError: naming what they are, and how they become plain.
    """
    if np.ma.is_masked(values):
        raise InputError(
            f"{where} has {np.ma.count_masked(values)} masked values; give each a value, as .filled(0) does"
        )
    if isinstance(values, Tensor) and not _is_dense(values):
        raise InputError(f"{where} is a sparse, quantised or meta tensor; give a dense one")


def _is_dense(values: Tensor) -> bool:
    """Whether each pixel lies in memory as a number."""
    return values.layout == torch.strided and not values.is_quantized and not values.is_meta


def _real(values: Tensor, where: str) -> Tensor:
    if not values.is_floating_point():
        raise InputError(f"{where} holds {_dtype(values)}; say with levels= how many values a pixel can take")
    if not values.isfinite().all():
        raise InputError(f"{where} holds nan or infinite values; give finite ones")
    if not values.to(torch.float32).isfinite().all():
        raise InputError(f"{where} holds values beyond single precision; scale them")
    return values if values.dtype == torch.float64 else values.to(torch.float32)


def _counts(values: Tensor, levels: int, where: str) -> Tensor:
    if values.is_floating_point() and not (values == values.round()).all():  # nan is not itself.
        raise InputError(
            f"{where} holds more than whole numbers; levels={levels} counts 0 to {levels - 1}: give levels=None"
        )
    numbers = values if values.is_floating_point() or values.dtype == torch.uint8 else values.to(torch.int64)
    low, high = numbers.min().item(), numbers.max().item()
    if low < 0 or high >= levels:
        raise InputError(f"{where} holds {low:g} to {high:g}; with levels={levels} values go from 0 to {levels - 1}")
    return numbers.to(torch.uint8 if levels <= BYTE_LEVELS else torch.int16 if levels <= 1 << 15 else torch.int32)


def _check_labels(labels: Any, images: Mapping[str, Tensor], name: str) -> None:
    if not isinstance(labels, Mapping) or not all(isinstance(part, Mapping) for part in labels.values()):
        raise InputError(f'{name}: give labels by split and factor, as in {{"train": {{"digit": array}}, ...}}')
    for split, factor, values in _columns(labels):
        if split not in images:
            raise InputError(f"{name}: labels has {split!r}, which is no split; give {', '.join(images)}")
        if not hasattr(values, "__len__") or len(values) != len(images[split]):
            found = len(values) if hasattr(values, "__len__") else f"a {type(values).__name__}"
            has = f"labels[{split!r}][{factor!r}] has {found} of {len(images[split])} labels"
            raise InputError(f"{name}: {has}; give one an image")


def _columns(labels: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str, Any]]:
    return ((split, factor, values) for split, factors in labels.items() for factor, values in factors.items())


def _dtype(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
