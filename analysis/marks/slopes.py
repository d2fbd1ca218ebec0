"""The marks of what runs measure against beta, each on one axes: a logarithmic axis that has a place for beta = 0."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from analysis.marks.axes import group_colours
from analysis.marks.defaults import axes_of
from analysis.marks.groups import POINT_SIZE, shape
from analysis.rows.runs import as_rows
from analysis.statistics.bounds import information_interval
from analysis.style import GREY, Colour, Mark, key

ZERO = 3.0  # how many times below the least beta 0 stands
REACH = 4.0  # a forecast so many times beyond the last run is still shown
SMALL = 0.8 * POINT_SIZE
TICKS = 3  # at least, for the eye to see that the axis is logarithmic
CEILING: Mark = {"color": GREY, "linestyle": (0, (1, 1)), "linewidth": 0.8, "zorder": 1}
FORECAST: Mark = {"color": GREY, "linestyle": (0, (6, 2)), "linewidth": 0.7, "zorder": 1}
BAR: Mark = {"linewidth": 3.0, "alpha": 0.45, "zorder": 2.5}
RATE: Mark = {"linestyle": "-", "linewidth": 1.0}
INFORMATION: Mark = {"linestyle": (0, (2, 1.2)), "linewidth": 1.0}


def add_slopes(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a place on an axis of beta, with `slope`, `x` (the place) and `held`.

    A run that held R or D stands at the slope that its multiplier had come to; one without a slope has no place.

    Example:
        >>> rows = pd.DataFrame({"beta": [0.0, 0.3, math.nan], "achieved_slope": [0.0, 0.3, 2.0]})
        >>> add_slopes(rows)["x"].round(9).tolist()
        [0.1, 0.3, 2.0]
    """
    slope = rows["beta"].fillna(rows["achieved_slope"])
    placed = rows.assign(slope=slope, held=rows["beta"].isna())[slope.notna()]
    least = placed["slope"][placed["slope"] > 0].min()
    zero = 0.1 if math.isnan(least) else least / ZERO
    return placed.assign(x=placed["slope"].where(placed["slope"] > 0, zero))


def slope_lines(
    rows: pd.DataFrame,
    quantity: str,
    *,
    style: Mark | None = None,
    colours: Mapping[str, Colour] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Each run at its beta with bars of 2 s.e., those of known beta joined at their mean over seeds; held runs open.

    Args:
        rows: from `add_slopes`, with `quantity`, its `_stderr` where it has one, and `group` where there are several.
        quantity: a column.
        style: of the line.
        colours: of each group.
        ax: the axes; by default the current ones.
    """
    ax, groups = axes_of(ax), rows.get("group", pd.Series("", index=rows.index))
    colours = colours or group_colours(groups.unique())
    for group, part in rows.groupby(groups, sort=False):
        colour, mark = colours[str(group)], shape(list(colours).index(str(group)), size=SMALL)
        line = part[~part["held"]].groupby("x")[quantity].mean().dropna()
        ax.plot(line.index, line, color=colour, zorder=2, **(style or RATE))
        if f"{quantity}_stderr" in part:
            bars: Mark = {"yerr": 2 * part[f"{quantity}_stderr"].fillna(0.0), "ecolor": colour, "linestyle": "none"}
            ax.errorbar(part["x"], part[quantity], elinewidth=0.7, zorder=2.4, **bars)
        for held, some in part.groupby("held"):
            face: Mark = {"markerfacecolor": "white" if held else colour, "markeredgecolor": colour}
            edge: Mark = {"markeredgewidth": 0.7, "linestyle": "none", "zorder": 3}
            ax.plot(some["x"], some[quantity], **mark | face | edge)
    return ax


def information_bars(
    rows: pd.DataFrame, *, colours: Mapping[str, Colour] | None = None, ax: Axes | None = None
) -> Axes:
    """I of each run: a thick bar between its bounds where InfoNCE is capped, else a line through runs of known beta.

    Args:
        rows: from `add_slopes`, with the columns of `load_runs`, and `group` where there are several.
        colours: of each group.
        ax: the axes; by default the current ones.
    """
    ax, groups = axes_of(ax), rows.get("group", pd.Series("", index=rows.index))
    colours = colours or group_colours(groups.unique())
    ends = np.array([information_interval(row) for row in as_rows(rows)]).reshape(-1, 2)
    bounded = (rows["mutual_information_lower_kind"] == "bound").to_numpy()
    ink = [colours[str(group)] for group in groups[bounded]]
    ax.vlines(rows["x"][bounded], ends[bounded, 0], ends[bounded, 1], colors=ink, **BAR)
    known = rows.assign(information=ends[:, 0])[~bounded]
    for (group, held), part in known.groupby([groups[~bounded], "held"], sort=False):
        means = part.groupby("x")["information"].mean().dropna()
        line: Mark = INFORMATION | ({"linestyle": "none"} if held else {})
        ax.plot(means.index, means, color=colours[str(group)], marker="_", markersize=4, zorder=2.1, **line)
    return ax


def ceiling(rows: pd.DataFrame) -> float:
    """H, the most that I can be, of rows of one data set and split; NaN where x is not discrete or R comes less far."""
    known = rows["entropy"][rows["entropy_measure"] == "discrete"].dropna()
    return float(known.iloc[0]) if len(known) and known.iloc[0] < rows["rate"].max() else math.nan


def ceiling_line(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """A line at the `ceiling`, where there is one."""
    ax = axes_of(ax)
    if not math.isnan(entropy := ceiling(rows)):
        ax.axhline(entropy, label="_", **CEILING)
    return ax


def information_keys(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """The legend's entries of R and of `information_bars`."""
    key(ax, "$R$", **RATE)
    kinds = set(rows["mutual_information_lower_kind"][rows["mutual_information_lower"].notna()])
    if kinds - {"bound"}:
        key(ax, "$I$", marker="_", markersize=4, **INFORMATION)
    if "bound" in kinds:
        key(ax, "$I$, between its bounds", **BAR | {"linestyle": "-"})
    return ax


def forecast_lines(rows: pd.DataFrame, *, label: str = "", ax: Axes | None = None) -> Axes:
    """A line at each beta from which on a linear VAE of the data collapses, by the runs' forecasts, within the axes."""
    ax = axes_of(ax)
    low, high = ax.get_xlim()
    for place, beta in enumerate(sorted(set(rows["collapse_beta"].dropna()))):
        if low < beta < high:
            ax.axvline(beta, label=label if place == 0 and label else "_", **FORECAST)
    return ax


def slope_axis(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """A logarithmic axis over all rows and a forecast near them, with `ticks_between` its ends, and at 0."""
    ax = axes_of(ax)
    near = [beta for beta in rows["collapse_beta"].dropna() if beta < REACH * rows["x"].max()]
    low, high = rows["x"].min() / 1.4, max([rows["x"].max(), *near]) * 1.4
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    zero = rows["x"][rows["slope"] == 0].unique().tolist()
    ticks = ticks_between(zero[0] * 1.5 if zero else low, high)
    ax.xaxis.set_major_locator(FixedLocator([*zero, *ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks([*zero, *ticks], [*("0" for _ in zero), *(f"{tick:g}" for tick in ticks)])
    return ax


def ticks_between(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: decades, within five of them also thirds; of a narrow one finer ones, three or more.

    Example:
        >>> [f"{tick:g}" for tick in ticks_between(0.05, 50)]
        ['0.1', '0.3', '1', '3', '10', '30']
        >>> [f"{tick:g}" for tick in ticks_between(1.07, 2.1)]
        ['1.25', '1.5', '1.75', '2']
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in [(1,)] * (len(decades) > 5) + [(1, 3), (1, 2, 5)]:
        places = [step * 10.0**decade for decade in decades for step in steps]
        if len(found := [place for place in places if low <= place <= high]) >= TICKS:
            return found
    finer = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(place) for place in finer if low <= place <= high]
