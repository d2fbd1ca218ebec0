"""Images in rows, each with words beside it, on one axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from analysis.style import GREY, Mark

GAP = 0.08  # of a tile, between two
EDGE: Mark = {"facecolor": "none", "edgecolor": GREY, "linewidth": 0.4}  # white pixels at a border end there
CELL = 33.0  # points of a column of words behind the images


def image_rows(
    rows: Sequence[np.ndarray],
    *,
    left: Sequence[str] = (),
    right: Sequence[Sequence[str]] = (),
    ax: Axes | None = None,
) -> Axes:
    """Rows of images in thin frames, words before and behind each; black is 0 and white 1.

    Args:
        rows: each [n, H, W] or [n, H, W, 3], of one size.
        left: before each row.
        right: behind each row, in columns.
        ax: None for pyplot's current axes.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    columns, frames = max(len(row) for row in rows), []
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            extent = (column + GAP / 2, column + 1 - GAP / 2, line + 1 - GAP / 2, line + GAP / 2)
            ax.imshow(image, extent=extent, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            frames.append(Rectangle((column + GAP / 2, line + GAP / 2), 1 - GAP, 1 - GAP))
    ax.add_collection(PatchCollection(frames, zorder=1.5, **EDGE), autolim=False)
    ax.set(xlim=(0, columns), ylim=(len(rows), 0), xticks=[])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=2)
    ax.set_yticks(np.arange(len(left)) + 0.5, left)
    for line, words in enumerate(right):
        cells(words, line + 0.5, columns=columns, ax=ax)
    return ax


def cells(words: Sequence[str], y: float, *, columns: int, ax: Axes) -> None:
    """Words behind a row of images, each at the right end of a column of its own."""
    for place, word in enumerate(words, start=1):
        at: Mark = {"xytext": (CELL * place, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        ax.annotate(word, (columns, y), **at, fontsize=7, annotation_clip=False)
