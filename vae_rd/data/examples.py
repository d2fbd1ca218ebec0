"""Examples with their labels as one array each, put together from the splits that somebody has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_rd.data.base import Source
from vae_rd.data.labels import factors_of
from vae_rd.data.levels import read_levels
from vae_rd.data.own import Own, own_source
from vae_rd.data.splits import split_named
from vae_rd.errors import InputError

SHOWN = 9  # Names that a message lists.
COLOURS = (1, 3)  # Channels that images have.


class Examples(NamedTuple):
    """What one table, Dataset or array holds.

    Attributes:
        x: vectors [N, D], images [N, C, H, W] or volumes [N, C, D, H, W].
        factors: labels, [N] each.
        notes: what was decided, for the start line.
        splits: positions of the splits that it names itself.
    """

    x: np.ndarray
    factors: Mapping[str, np.ndarray]
    notes: Sequence[str] = ()
    splits: Mapping[str, np.ndarray] = {}


def planes(x: np.ndarray, *, first: bool | None, where: str) -> np.ndarray:
    """Numbers with the channels of images first.

    Args:
        x: vectors [N, D], grey images [N, H, W], images, or volumes [N, C, D, H, W].
        first: whether images are [N, C, H, W], as tensors are, or [N, H, W, C]; None to tell from the sizes.
        where: what messages begin with.

    Raises:
        InputError: for another number of axes, or images that could be either.

    Example:
        >>> [planes(np.zeros(shape), first=None, where="x").shape for shape in ((9, 5, 4, 3), (9, 5, 4))]
        [(9, 3, 5, 4), (9, 1, 5, 4)]
    """
    if x.dtype.kind not in "buif" or x.ndim not in (2, 3, 4, 5) or 0 in x.shape:
        raise InputError(
            f"{where} is {list(x.shape)} of {x.dtype}; give numbers as vectors [N, D], images [N, H, W], [N, C, H, W] "
            "or [N, H, W, C], or volumes [N, C, D, H, W]"
        )
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and first is None:
        at_front, at_end = x.shape[1] in COLOURS, x.shape[3] in COLOURS
        if at_front == at_end:
            raise InputError(
                f"{where} is {list(x.shape)}, which could be [N, C, H, W] or [N, H, W, C]; give a tensor, which is "
                "taken for [N, C, H, W]"
            )
        first = at_front
    return np.moveaxis(x, -1, 1) if x.ndim == 4 and not first else x


def factors_or_note(
    labels: np.ndarray, n: int, *, where: str, asked: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Labels as factors; where they are none and nobody asked for them, a note that they are left out.

    Example:
        >>> factors_or_note(np.array([0.5, 1.5]), 2, where="y", asked=False)
        ({}, ('labels left out, which are neither whole numbers nor text',))
    """
    try:
        return factors_of(labels, n, where=where), ()
    except InputError:
        if asked:
            raise
        return {}, ("labels left out, which are neither whole numbers nor text",)


def examples_source(
    name: str,
    parts: Mapping[str, Examples],
    *,
    where: str,
    levels: int | None = None,
    file: str | None = None,
    data_seed: int = 0,
    population: bool = False,
) -> Source:
    """A source of examples by the names of their splits, or of one lot of them by any name.

    Args:
        name: the word of `--data`, or of what was given.
        parts: the examples by the names that they have; names of no split are left out, unless there is one name only.
        where: what messages begin with.
        levels: number of grey levels of whole numbers; None to tell from the values.
        file: the name of their file; None where they have none.
        data_seed: seed of what is split at random.
        population: whether they are all there are.

    Raises:
        InputError: for splits without train, of other shapes or labels, or too few examples.
    """
    own, notes = _by_split(parts, where)
    shapes = {split: (part.x.shape[1:], part.x.dtype) for split, part in own.items()}
    if len({shape for shape, _ in shapes.values()}) > 1:
        said = ", ".join(f"{split} {list(shape)}" for split, (shape, _) in shapes.items())
        raise InputError(f"{where}: examples differ between splits: {said}; give one shape")
    x = np.concatenate([part.x for part in own.values()]) if len(own) > 1 else next(iter(own.values())).x
    for part in own.values():
        notes += [note for note in part.notes if note not in notes]
    if len(own) > 1 and any(part.splits for part in own.values()):
        notes.append("columns left out: split")
    positions = _positions(own, where)
    reading = read_levels(x, asked=levels, where=where)
    factors = _joined_factors(own, notes)
    found = Own(reading, positions, factors, notes, "channels_first")
    return own_source(name, found, where=where, file=file, data_seed=data_seed, population=population)


def _by_split(parts: Mapping[str, Examples], where: str) -> tuple[dict[str, Examples], list[str]]:
    """Examples by their split, "" for those of no split; and the names of what is left out."""
    if len(parts) == 1 and (split := split_named(next(iter(parts)))) in (None, "train"):
        return {split or "": next(iter(parts.values()))}, []
    named = {name: split for name in parts if (split := split_named(name))}
    if "train" not in named.values() or len(set(named.values())) < len(named):
        raise InputError(
            f"{where}: it has {', '.join(map(repr, parts)) or 'nothing'}; give one train, and val and test where there "
            "are such, or one lot that is split at random"
        )
    left_out = [name for name in parts if name not in named]
    return {named[name]: parts[name] for name in named}, [f"left out: {', '.join(left_out)}"] if left_out else []


def _positions(own: Mapping[str, Examples], where: str) -> Mapping[str, np.ndarray]:
    """Of the splits that one lot names itself, else of the lots."""
    splits = next(iter(own.values())).splits if len(own) == 1 else {}
    if splits and "train" not in splits:
        raise InputError(
            f"{where}: its column split has {', '.join(splits)} without train; add the rows of train, or drop the "
            "column, so that all are split at random"
        )
    if splits or "" in own:
        return splits
    ends = np.cumsum([len(part.x) for part in own.values()])
    return {split: np.arange(end - len(own[split].x), end) for split, end in zip(own, ends, strict=True)}


def _joined_factors(own: Mapping[str, Examples], notes: list[str]) -> dict[str, np.ndarray]:
    """Factors that all splits have."""
    each: list[Mapping[str, Any]] = [part.factors for part in own.values()]
    shared = [name for name in each[0] if all(name in factors for factors in each)]
    if strays := sorted({name for factors in each for name in factors} - set(shared)):
        notes.append(f"labels left out, which not every split has: {', '.join(strays)}")
    return {name: np.concatenate([factors[name] for factors in each]) for name in shared}
