"""The marks of R in parts, each on one axes, from rows of `analysis.statistics.bounds.add_bounds` of one split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.defaults import axes_of
from analysis.marks.groups import POINT_SIZE, shape
from analysis.rows.runs import as_rows
from analysis.statistics.bounds import information_interval
from analysis.style import GREY, INK, Colour, Mark, beta_colours, key, plain

WIDTH = 0.8  # of a column
LEAST = r"$\max(H - D, 0)$, the least $I$"
INFORMATION, OPEN, MARGINAL = "#2171b5", "#9ecae1", "#e5c494"
CORRELATION: Mark = {"marker": "_", "markersize": 6, "markeredgewidth": 1.1, "color": INK, "linestyle": "none"}


def rate_parts(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """R of each run as a column: I below, the KL from q(z) to m(z) above, and between them what InfoNCE leaves open.

    R = I(X; Z) + KL(q(z) || m(z)) (Hoffman and Johnson 2016). Where I is known to lie between two bounds, the part
    between them belongs to either. A bar at I + total correlation, where a record has that.

    Args:
        rows: one a run, in the order of the columns; `total_correlation` may be NaN.
        ax: the axes; by default the current ones.
    """
    ax, x = axes_of(ax), np.arange(len(rows))
    low, high = ends(rows)
    rate = rows["rate"].to_numpy(dtype=float)
    least = ", at least" * bool((high > low).any())
    ax.bar(x, low, WIDTH, color=INFORMATION, label=f"$I(X; Z)${least}")
    if least:
        ax.bar(x, high - low, WIDTH, bottom=low, color=OPEN, label="either, between the bounds on $I$")
    ax.bar(x, rate - high, WIDTH, bottom=high, color=MARGINAL, label=rf"KL$(q(z) \| m(z))${least}")
    bars: Mark = {"yerr": 2 * rows["rate_stderr"].fillna(0.0), "ecolor": INK, "linestyle": "none"}
    ax.errorbar(x, rate, elinewidth=0.6, **bars)
    correlation = rows.get("total_correlation", pd.Series(np.nan, index=rows.index)).to_numpy(dtype=float)
    if not np.isnan(correlation).all():
        ax.plot(x, low + correlation, label="$I$ + total correlation of $z$", **CORRELATION)
    return ax


def ends(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The bounds on I of each row, no higher than its R."""
    found = np.array([information_interval(row) for row in as_rows(rows)]).reshape(-1, 2)
    rate = rows["rate"].to_numpy(dtype=float)[:, None]
    low, high = np.minimum(found, rate).T
    return low, np.maximum(low, high)


def against_bound(rows: pd.DataFrame, *, colours: Mapping[float, Colour] | None = None, ax: Axes | None = None) -> Axes:
    """I against the bound H - D below it: a bar between the bounds on I, a mark where I is known, and the least I.

    What lies above the line is what z knows of x and the decoder does not use: I - (H - D), at most KL between the
    decoder's p(x|z) and the posterior's. Where H is an estimate, marks are open and may lie below.

    Args:
        rows: one a run, with the columns of `add_bounds`, and `group` where there are several, told by shape.
        colours: of each beta.
        ax: the axes; by default the current ones.
    """
    ax, colours = axes_of(ax), beta_colours(rows["beta"]) if colours is None else colours
    groups = list(rows["group"].unique()) if "group" in rows else []
    known = rows[rows["h_minus_d"].notna() & rows["rate"].notna()]
    for row in as_rows(known):
        low, high = information_interval(row)
        colour, estimated = colours[row["beta"]], row["h_kind"] == "estimate"
        if row["mutual_information_lower_kind"] == "bound":
            ax.plot([row["h_minus_d"]] * 2, [low, high], color=colour, linewidth=3.0, alpha=0.5, solid_capstyle="butt")
        face: Mark = {"markerfacecolor": "white" if estimated else colour, "markeredgecolor": colour}
        mark = shape(groups.index(row["group"]) if groups else 0, size=POINT_SIZE)
        ax.plot(row["h_minus_d"], low, linestyle="none", **mark | face)
    if not known.empty:
        low, top = (float(end(known["h_minus_d"].agg(name), 0.0)) for name, end in (("min", min), ("max", max)))
        ax.plot([low, 0.0, top], [0.0, 0.0, top], color=GREY, linewidth=0.8, zorder=1, label=LEAST)
        _keys(known, told=len(groups) > 1, ax=ax)
        for place, group in enumerate(groups if len(groups) > 1 else []):
            key(ax, plain(str(group)), linestyle="none", **shape(place, size=POINT_SIZE))
    return ax


def _keys(known: pd.DataFrame, *, told: bool, ax: Axes) -> None:
    """The legend's entries but for the groups, whose marks stand for I where they are told apart."""
    bounded = (known["mutual_information_lower_kind"] == "bound").any()
    if bounded:
        key(ax, "$I$, between its bounds", linestyle="-", linewidth=3.0, alpha=0.5)
    estimated = known["h_kind"] == "estimate"
    if estimated.any():
        key(ax, r"$I$, at least, over $\hat{H} - D$", marker="o", markersize=POINT_SIZE, markerfacecolor="white")
    if not estimated.all() and (bounded or not told):
        key(ax, "$I$, at least" if bounded else "$I$", marker="o", markersize=POINT_SIZE)
