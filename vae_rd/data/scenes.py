"""An embedded source for counting: zero to four discs and squares, each in a cell of its own of a 3 x 3 grid.

    c ~ uniform on 0..4, then uniform over the N_c = C(9, c) 2^c scenes with c sprites
    H = ln 5 + (1/5) sum_c ln N_c = 6.0053 nats

The numbers of scenes, 1, 18, 144, 672 and 2,016, all divide 2,016: with every scene of c sprites 2,016 / N_c times,
5 x 2,016 = 10,080 images, each equally probable, are this distribution exactly, so that H and I are exact on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import torch

from vae_rd.data.base import Source

SIDE, GRID, CELL = 16, 3, 5  # Sprites of 4 x 4 pixels, a dark pixel between any two of them and around all.
MOST = 4
SQUARE = np.ones((4, 4), np.uint8)
DISC = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]], np.uint8)
SHAPES = (DISC, SQUARE)
WORDS = ("empty", "disc", "square")  # What a cell holds, by class.


def scenes() -> Source:
    """All 10,080 images, from the empty ones on: 16 x 16 bits, a population in which scenes of few sprites recur.

    Labels are class indices int64 [10080]: count (0..4), discs, squares, and cell_1 to cell_9 (row by row), each
    0 where it is empty, 1 for a disc, 2 for a square.

    Example:
        >>> source = scenes()
        >>> source.images["train"].shape, source.population
        (torch.Size([10080, 1, 16, 16]), True)
        >>> np.bincount(source.labels["train"]["count"]).tolist()
        [2016, 2016, 2016, 2016, 2016]
    """
    cells, counts = _population()
    by_name = {f"cell_{i + 1}": cells[:, i] for i in range(cells.shape[1])}
    shapes = {f"{word}s": (cells == kind).sum(1) for kind, word in enumerate(WORDS) if kind}
    counted = {name: list(range(MOST + 1)) for name in ("count", *shapes)}
    return Source(
        name="scenes",
        images={"train": torch.from_numpy(drawn(cells)).unsqueeze(1)},
        levels=2,
        population=True,
        labels={"train": {"count": counts, **shapes, **by_name}},
        params={"factors": {**counted, **{name: list(WORDS) for name in by_name}}},
    )


def drawn(cells: np.ndarray) -> np.ndarray:
    """Images uint8 [N, 16, 16] of scenes, given what each of the nine cells holds, [N, 9], as classes of `WORDS`.

    Example:
        >>> print(drawn(np.array([[0, 2, 0, 0, 0, 0, 0, 0, 0]]))[0, 1:3].tolist())
        [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]
    """
    images = np.zeros((len(cells), SIDE, SIDE), np.uint8)
    for cell, (row, column) in enumerate(product(range(GRID), repeat=2)):
        top, left = 1 + CELL * row, 1 + CELL * column
        for kind, shape in enumerate(SHAPES, start=1):
            images[cells[:, cell] == kind, top : top + len(shape), left : left + len(shape)] = shape
    return images


def _population() -> tuple[np.ndarray, np.ndarray]:
    """What each cell of each image holds, int64 [N, 9], and how many sprites there are, [N]."""
    groups = [np.array(list(_with(count)), np.int64) for count in range(MOST + 1)]
    rows = math.lcm(*map(len, groups))
    cells = np.concatenate([np.repeat(group, rows // len(group), axis=0) for group in groups])
    return cells, np.repeat(np.arange(MOST + 1), rows)


def _with(count: int) -> Iterator[list[int]]:
    """Every scene of so many sprites."""
    kinds = range(1, len(SHAPES) + 1)
    for places, held in product(combinations(range(GRID**2), count), product(kinds, repeat=count)):
        scene = [0] * GRID**2
        for place, kind in zip(places, held, strict=True):
            scene[place] = kind
        yield scene
