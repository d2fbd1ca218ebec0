"""The points that others published, on the axes of a plane."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.style import GREY, INK, Mark, key, plain

SHAPES = ("D", "p", "h", "8", "H", "d")  # of sources; none of them is a run's
AROUND = 0.06  # of the axes, beyond the outermost point


def foreign_points(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Each source's points in order of R, open and joined by a thin line; the limits of the axes grow to hold them.

    Args:
        rows: from `analysis.rows.foreign.load_foreign`, of one data set: `name`, `rate`, `distortion`.
        ax: the axes, those at hand where none are given.
    """
    if ax is None:
        from matplotlib.pyplot import gca

        ax = gca()
    if not rows.empty:
        ax.set_xlim(_widened(ax.get_xlim(), rows["rate"]))
        ax.set_ylim(_widened(ax.get_ylim(), rows["distortion"]))
    for place, (name, points) in enumerate(rows.groupby("name", sort=False)):
        mark: Mark = {"marker": SHAPES[place % len(SHAPES)], "markersize": 4.2, "markerfacecolor": "white"}
        mark |= {"markeredgecolor": INK, "markeredgewidth": 0.7, "color": GREY}
        ordered = points.sort_values("rate")
        ax.plot(ordered["rate"], ordered["distortion"], linestyle=(0, (2, 1.2)), linewidth=0.7, zorder=3, **mark)
        key(ax, f"{plain(str(name))}, as published", **mark)
    return ax


def _widened(limits: tuple[float, float], values: pd.Series) -> tuple[float, float]:
    low, high = limits
    room = AROUND * (max(high, values.max()) - min(low, values.min()))
    return (
        low if values.min() > low else values.min() - room,
        high if values.max() < high else values.max() + room,
    )
