"""Points beside those of finished runs, on the axes of a plane: published ones, and runs that are still running."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from analysis.style import GREY, INK, Mark, key, plain

SHAPES = ("h", "8", "H", "p", "d")  # of sources, open as no run's is; a diamond is the auto-encoding limit
JOINED = 6  # points from which a line between them follows a curve; the chords of fewer lie far above it
AROUND = 0.06  # of the axes, beyond the outermost point


def foreign_points(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Each source's points, open, `JOINED` or more joined by a thin line; the limits of the axes grow to hold them.

    Args:
        rows: from `analysis.rows.foreign.load_foreign`, of one data set: `name`, `rate`, `distortion`.
        ax: the axes, those at hand where none are given.
    """
    if ax is None:
        from matplotlib.pyplot import gca

        ax = gca()
    _hold(rows, ax=ax)
    for place, (name, points) in enumerate(rows.groupby("name", sort=False)):
        mark: Mark = {"marker": SHAPES[place % len(SHAPES)], "markersize": 4.2, "markerfacecolor": "white"}
        mark |= {"markeredgecolor": INK, "markeredgewidth": 0.7, "color": GREY}
        ordered = points.sort_values("rate")
        line: Mark = {"linestyle": (0, (2, 1.2)) if len(points) >= JOINED else "none", "linewidth": 0.7}
        ax.plot(ordered["rate"], ordered["distortion"], zorder=3, **line, **mark)
        key(ax, f"{plain(str(name))}, as published", **mark)
    return ax


def running_points(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """Each running run at its last validation, a cross with its epoch; as for `foreign_points`.

    Args:
        rows: from `analysis.rows.running.load_running`, of one data set: `beta`, `rate`, `distortion`,
            `epoch`.
        ax: the axes.
    """
    _hold(rows, ax=ax)
    mark: Mark = {"marker": "x", "markersize": 4.5, "markeredgewidth": 1.0, "color": INK, "linestyle": "none"}
    ax.plot(rows["rate"], rows["distortion"], zorder=4.5, **mark)
    for beta, epoch, rate, distortion in rows[["beta", "epoch", "rate", "distortion"]].to_numpy(dtype=float):
        words = f"epoch {epoch:g}" if math.isnan(beta) else rf"$\beta$ {beta:g}, epoch {epoch:g}"
        ax.annotate(words, (rate, distortion), (4, -7), textcoords="offset points", fontsize=5.5, color=INK)
    if not rows.empty:
        key(ax, "running: last validation", **mark)
    return ax


def _hold(rows: pd.DataFrame, *, ax: Axes) -> None:
    if not rows.empty:
        ax.set_xlim(_widened(ax.get_xlim(), rows["rate"]))
        ax.set_ylim(_widened(ax.get_ylim(), rows["distortion"]))


def _widened(limits: tuple[float, float], values: pd.Series) -> tuple[float, float]:
    low, high = limits
    room = AROUND * (max(high, values.max()) - min(low, values.min()))
    return (
        low if values.min() > low else values.min() - room,
        high if values.max() < high else values.max() + room,
    )
