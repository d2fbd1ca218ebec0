"""Labels at the right ends of lines, beside the axes: what a line is of without its colour."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.text import Text

from analysis.marks.space import pixels
from analysis.style import Colours, Mark, beta_words, small_letters

OUT = 9.0  # points from the axes to a label, which a line in the colour joins to the end of its curve
APART = 1.02  # of the size of letters, from one label to the next at least


def last_values(data: pd.DataFrame, quantity: str, *, split: str = "val") -> dict[float, float]:
    """Where the lines of each beta end: the mean over its runs of their last value on a split."""
    ends = data[data["split"] == split].dropna(subset=[quantity]).groupby("folder").tail(1)
    found = ends.dropna(subset="beta").groupby("beta")[quantity].mean()
    return {float(str(beta)): float(value) for beta, value in found.items()}


def most_spread(ends: Mapping[str, Mapping[float, float]]) -> str:
    """Of the quantities the one whose ends are best told apart: of the widest of the narrowest gaps, as shares."""
    return max(ends, key=lambda name: _narrowest(list(ends[name].values())))


def _narrowest(values: list[float]) -> float:
    found = np.sort(values)
    return float(np.mean(np.sqrt(np.diff(found) / (np.ptp(found) or 1.0)))) if len(found) > 1 else 0.0


def end_labels(values: Mapping[float, float], *, ax: Axes) -> dict[float, Text]:
    """A label of each beta beside the right end of the axes, to be moved by `spread_labels` when all is laid out."""
    words = beta_words(values)
    first = max(values, key=lambda beta: values[beta], default=None)
    size = mpl.rcParams["legend.fontsize"]
    where: Mark = {"xytext": (OUT, 0), "textcoords": "offset points", "va": "center", "ha": "left", "fontsize": size}
    labels = {beta: rf"$\beta$ = {words[beta]}" if beta == first else words[beta] for beta in values}
    return {
        beta: ax.annotate(
            labels[beta], (1.0, value), xycoords=("axes fraction", "data"), annotation_clip=False, **where
        )
        for beta, value in values.items()
    }


def spread_labels(labels: Mapping[float, Text], values: Mapping[float, float], *, colours: Colours, ax: Axes) -> None:
    """Move labels apart along the right end of the axes, and join each to its own value. The layout must be final."""
    betas = sorted(values, key=lambda beta: values[beta])
    wished = ax.transData.transform([(0.0, values[beta]) for beta in betas])[:, 1]
    step = APART * small_letters() * ax.figure.dpi / 72
    places = spread(wished, step, low=ax.bbox.y0 - step / 2, high=ax.bbox.y1 + step / 2)
    for beta, place, wish in zip(betas, places, wished, strict=True):
        labels[beta].set_position((OUT, (place - wish) / pixels(ax, 1.0)))
        high = [ax.transAxes.inverted().transform((0.0, y))[1] for y in (wish, place)]
        out = (OUT - 1.5) * ax.figure.dpi / 72 / ax.bbox.width
        line: Mark = {"transform": ax.transAxes, "clip_on": False, "linewidth": 1.0, "solid_capstyle": "butt"}
        ax.plot([1.005, 1 + 0.5 * out, 1 + out], [high[0], high[1], high[1]], color=colours[beta], **line)


def spread(wished: np.ndarray, step: float, *, low: float, high: float) -> np.ndarray:
    """Ascending places at least `step` apart, near the wished ones, within the ends where they hold all.

    Example:
        >>> spread(np.array([0.0, 0.1, 5.0]), 1.0, low=-1.0, high=9.0).tolist()
        [-0.45, 0.55, 5.0]
    """
    blocks: list[list[float]] = []  # the sum of what its members wish, how many they are
    for index, wish in enumerate(wished):
        blocks.append([float(wish) - step * index, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    means = np.concatenate([np.full(int(count), total / count) for total, count in blocks] or [np.zeros(0)])
    most = high - step * (len(wished) - 1) - step / 2
    return np.asarray(np.clip(means, min(low + step / 2, most), most) + step * np.arange(len(wished)))
