"""The marks of frontiers, each on one axes, from the points of `analysis.statistics.frontiers`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.axes import group_colours
from analysis.marks.defaults import axes_of
from analysis.marks.groups import POINT_SIZE, shape
from analysis.rows.aims import aim_words
from analysis.statistics.fronts import Curve
from analysis.style import Colour, Mark, key

SIGMAS = 2.0  # standard errors to the edge of a band, and of a bar
STEPS = 100  # of a curve
BAND: Mark = {"alpha": 0.22, "linewidth": 0, "zorder": 1.5}
HULL: Mark = {"linestyle": (0, (4, 1.5)), "linewidth": 0.7, "zorder": 2.1}
LINE: Mark = {"linestyle": "-", "linewidth": 1.1, "zorder": 2.2}
BARS: Mark = {"elinewidth": 0.7, "linestyle": "none", "zorder": 2.8}


def frontier_curves(
    points: pd.DataFrame, *, colours: Mapping[str, Colour] | None = None, ax: Axes | None = None
) -> Axes:
    """Each group's points, its front as a monotone curve in a band of 2 s.e. over seeds on both axes, and its hull.

    Points that the choosing split did not put on the front are open. The hull, dashed, has those that minimise
    D + beta R for some beta there.

    Args:
        points: one row a point with `group`, `rate`, `distortion`, `rate_stderr`, `distortion_stderr` (NaN where there
            is one seed), `front` and `hull`, by rising beta or falling: the order along the front is that of R.
        colours: of each group; by default in the order of their first rows.
        ax: the axes; by default the current ones.
    """
    ax, colours = axes_of(ax), colours or group_colours(points["group"].unique())
    for group, rows in points.groupby("group", sort=False):
        _frontier(rows, colours[str(group)], list(colours).index(str(group)), label=str(group), ax=ax)
    return ax


def _frontier(rows: pd.DataFrame, colour: Colour, place: int, *, label: str, ax: Axes) -> None:
    front, mark = on_front(rows), shape(place, size=POINT_SIZE)
    curve = _curve(rows)
    if curve is not None:
        _band(front, curve, colour, ax=ax)
        rates = np.linspace(*curve.rates, STEPS)
        ax.plot(rates, curve.of_rate(rates), color=colour, **LINE)
    hull = front[front["hull"]]
    ax.plot(hull["rate"], hull["distortion"], color=colour, **HULL)
    bars: Mark = {f"{axis}err": SIGMAS * rows[f"{name}_stderr"] for axis, name in (("x", "rate"), ("y", "distortion"))}
    ax.errorbar(rows["rate"], rows["distortion"], **bars, ecolor=colour, **BARS)
    for is_front, part in rows.groupby("front"):
        face = colour if is_front else "white"
        edge: Mark = {"markerfacecolor": face, "markeredgecolor": colour, "markeredgewidth": 0.7, "zorder": 3}
        ax.plot(part["rate"], part["distortion"], linestyle="none", label=f"_{label}", **mark | edge)


def on_front(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the front in its order, that of R where it was chosen."""
    return rows[rows["front"]].sort_values("rate_chosen_on" if "rate_chosen_on" in rows else "rate", kind="stable")


def _curve(rows: pd.DataFrame) -> Curve | None:
    return Curve.through(*on_front(rows)[["rate", "distortion"]].to_numpy().T)


def _band(front: pd.DataFrame, curve: Curve, colour: Colour, *, ax: Axes) -> None:
    """Between the curve moved by -2 s.e. and by +2 s.e. on both axes, the errors straight between the points."""
    known = front.dropna(subset=["rate_stderr", "distortion_stderr"]).sort_values("rate")
    if known.empty:
        return
    rates = np.linspace(*curve.rates, STEPS)
    middle = np.stack([rates, curve.of_rate(rates)], axis=1)
    errors = [np.interp(rates, known["rate"], known[f"{name}_stderr"]) for name in ("rate", "distortion")]
    reach = SIGMAS * np.stack(errors, axis=1)
    outline = np.concatenate([middle - reach, (middle + reach)[::-1]])
    ax.fill(*outline.T, color=colour, **BAND)


def frontier_keys(points: pd.DataFrame, *, chosen_on: str, ax: Axes) -> Axes:
    """The legend's entries of `frontier_curves`, but for the groups; a front or a hull of one point is no line."""
    has_band = bool(points["rate_stderr"].notna().any())
    groups = [rows for _, rows in points.groupby("group")]
    if any(_curve(rows) is not None for rows in groups):
        key(ax, r"Pareto front, labelled by $\beta$" + "; band: 2 s.e. over seeds, $R$ and $D$" * has_band, **LINE)
    if any((rows["front"] & rows["hull"]).sum() > 1 for rows in groups):
        key(ax, f"lower convex hull, like the front chosen on {chosen_on}", **HULL)
    if not points["front"].all():
        key(ax, "not on the front", marker="o", markersize=POINT_SIZE, markerfacecolor="white")
    return ax


def aim_places(points: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Where each beta, or rate or distortion that was asked for, is written: once, at the first group that has it."""
    words = aim_words(points)
    first = points[~words.duplicated() & (words != "")]
    places = first[["rate", "distortion"]].to_numpy(dtype=float).tolist()
    return {words[at]: (rate, distortion) for at, (rate, distortion) in zip(first.index, places, strict=True)}
