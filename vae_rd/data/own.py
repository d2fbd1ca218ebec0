"""Examples of one's own, wherever they lay: read as counts or real values, divided, and made a `Source`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vae_rd.config.fields import FileRules, Layout
from vae_rd.data.atoms import was_grid
from vae_rd.data.base import Source
from vae_rd.data.levels import Reading
from vae_rd.data.splits import divided, split_source


class Own(NamedTuple):
    """What was found, before it is divided.

    Attributes:
        reading: the pixels, [N, D], [N, H, W] or [N, H, W, C], or with channels first.
        splits: positions of the splits that it names.
        factors: labels.
        notes: what else was decided, for the start line.
        layout: which axis of the pixels has the channels.
    """

    reading: Reading
    splits: Mapping[str, np.ndarray]
    factors: Mapping[str, np.ndarray]
    notes: Sequence[str]
    layout: Layout = "channels_last"


def own_source(
    name: str,
    own: Own,
    *,
    where: str,
    file: str | None = None,
    data_seed: int = 0,
    rules: FileRules = "2",
    population: bool = False,
) -> Source:
    """A source of three splits: those that are named, and the rest of a tenth each at random.

    Args:
        name: the word of `--data`, or of what was given.
        own: the examples.
        where: what messages begin with.
        file: the name of their file or folder; None where they have none.
        data_seed: seed of what is split at random.
        rules: "1" for what version 1 of the defaults made of a file.
        population: whether they are all there are: then each split is all of them, whatever splits are named.

    Raises:
        InputError: for too few examples to split.
    """
    pixels, levels, said = own.reading
    parts: Mapping[str, slice | np.ndarray] = {"train": slice(None)}
    split, joined = "each is all images", [f"{', '.join(own.splits)} joined"] if own.splits else []
    if not population:
        (parts, split), joined = divided(len(pixels), own.splits, data_seed=data_seed, where=where), []
    params = {
        "sha256_pixels": hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest(),
        "split": split,
        "data_seed": data_seed,
        **({} if file is None else {"file": file}),
        "reading": said,
        "notes": [*joined, *own.notes],
    }
    source = split_source(
        name, pixels, where=parts, levels=levels, factors=own.factors, params=params, layout=own.layout
    )
    source = replace(source, population=population)
    if rules == "1" and levels is None:
        return replace(source, support="grey" if was_grid(source.images["train"]) else "real")
    return source
