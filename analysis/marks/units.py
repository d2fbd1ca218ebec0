"""The marks of what became of z, each on one axes: a column a run, in the order of the rows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.marks.above import explain
from analysis.marks.defaults import axes_of
from analysis.marks.groups import brief_head
from analysis.marks.names import letters_of
from analysis.marks.slopes import FORECAST
from analysis.rows.groups import Groups
from analysis.style import COLUMN, GREY, INK, WARNING, Mark, characters, plain
from vae_rd.theory.thresholds import ACTIVE_RATE

COLLAPSE = "collapse (forecast)"
LINES = 2  # of the names of groups below the columns
INDENT = 12  # characters of a column to the left of its axes
CHARACTERS = 38  # that fit beside each other below the columns
# Each state's mark: a filled one where the latents are used, open or crossed where they are not.
STATES: dict[str, Mark] = {
    "healthy": {"marker": "o", "color": INK},
    "over_dispersed": {"marker": "D", "color": INK},
    "partially_collapsed": {"marker": "o", "color": INK, "fillstyle": "left", "markerfacecoloralt": "white"},
    "faint": {"marker": "X", "color": INK, "markerfacecolor": "white"},
    "lagging": {"marker": "<", "color": WARNING},
    "ignored": {"marker": "^", "color": WARNING},
    "no_information": {"marker": "s", "color": WARNING, "markerfacecolor": "white"},
    "collapsed": {"marker": "X", "color": WARNING},
    "not collapsed": {"marker": "o", "color": GREY},
}
RATES = LinearSegmentedColormap.from_list("rates", ["#f6f6f6", "#9ecae1", "#2171b5", "#08204a"])


def rate_map(rates: np.ndarray, *, ax: Axes | None = None) -> QuadMesh:
    """The rate of each unit of each run as a field, darker for more,.

    Args:
        rates: [U, N], NaN where a run has no such unit or its rate is not known.
        ax: the axes; by default the current ones.
    """
    ax = axes_of(ax)
    edges = np.arange(rates.shape[1] + 1) - 0.5, np.arange(rates.shape[0] + 1) + 0.5
    most = float(np.nanmax(rates, initial=0.0)) or 1.0
    field = ax.pcolormesh(*edges, rates, cmap=RATES, vmin=0.0, vmax=most, rasterized=rates.size > 10_000)
    ax.set_ylim(rates.shape[0] + 0.5, 0.5)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel("unit, by rate")
    return field


def unit_counts(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Active units of each run: open dots by the variance of the mean, bars by a rate of `ACTIVE_RATE` nat or more.

    Args:
        rows: one a run, with `active_units` and `active_by_rate`.
        ax: the axes; by default the current ones.
    """
    ax, x = axes_of(ax), np.arange(len(rows))
    ax.plot(x, rows["active_by_rate"], label=rf"$R_d \geq$ {ACTIVE_RATE:g} nat", **_dashes(len(rows)))
    ax.plot(x, rows["active_units"], label="variance", **_dots() | {"markerfacecolor": "white"})
    ax.set_ylabel("active units")
    ax.set_ylim(bottom=min(-0.4, -0.04 * float(rows["active_units"].max() or 0)))
    return ax


def _dots() -> Mark:
    return {"marker": "o", "markersize": 2.6, "color": INK, "linestyle": "none", "zorder": 3}


def _dashes(size: int) -> Mark:
    wide = max(2.0, min(7.0, 120 / max(size, 1)))
    return {"marker": "_", "markersize": wide, "markeredgewidth": 1.2, "color": "#2171b5", "linestyle": "none"}


def shuffle_rises(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """What D rises by under z of another x, with bars of 2 s.e.; a decoder that ignores z has 0.

    Args:
        rows: one a run, with `shuffle_rise` and `shuffle_rise_stderr`.
        ax: the axes; by default the current ones.
    """
    ax, x = axes_of(ax), np.arange(len(rows))
    ax.axhline(0.0, color=GREY, linewidth=0.5, zorder=1)
    bars: Mark = {"yerr": 2 * rows["shuffle_rise_stderr"].fillna(0.0), "linestyle": "none", "ecolor": INK}
    ax.errorbar(x, rows["shuffle_rise"], elinewidth=0.7, **bars)
    ax.plot(x, rows["shuffle_rise"], **_dots())
    ax.set_yscale("asinh", linear_width=1.0)
    most = float(rows["shuffle_rise"].max() or 0.0)
    ticks = [0.0, *(10.0**place for place in range(int(most >= 100), 4) if 10.0**place <= most)]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    return ax


def state_marks(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """The verdict on the latents of each run as a mark above the axes.

    Args:
        rows: one a run, with `state`, None where there is no verdict.
        ax: the axes; by default the current ones.
    """
    ax = axes_of(ax)
    size = max(1.8, min(4.2, 130 / max(len(rows), 1)))
    for state, mark in STATES.items():
        places = np.flatnonzero((rows["state"] == state).to_numpy())
        if len(places):
            style: Mark = {"linestyle": "none", "markersize": size, "markeredgewidth": 0.6, "clip_on": False}
            ax.plot(places, np.full(len(places), 1.05), transform=ax.get_xaxis_transform(), **style | mark)
    return ax


def state_keys(rows: pd.DataFrame) -> list[Line2D]:
    """The legend's entries of the states that there are."""
    shown = [state for state in STATES if state in set(rows["state"])]
    return [
        Line2D([], [], linestyle="none", markersize=4.2, label=state.replace("_", " "), **STATES[state])
        for state in shown
    ]


def collapse_columns(rows: pd.DataFrame, *, axes: Sequence[Axes]) -> list[float]:
    """A line between the columns below and above the beta of the forecast, of each group; returns where they stand.

    Args:
        rows: one a run, with `group`, `slope` and `collapse_beta`, each group by rising slope.
        axes: that have the columns.
    """
    found = []
    for _, part in rows.reset_index(drop=True).groupby("group", sort=False):
        above = part.index[part["slope"] >= part["collapse_beta"]]
        if part["collapse_beta"].nunique() == 1 and len(above) and above[0] > part.index[0]:
            found.append(float(above[0]) - 0.5)
    for ax in axes:
        for place in found:
            label = COLLAPSE if place == found[-1] else "_"
            ax.axvline(place, label=label, **FORECAST | {"color": WARNING, "zorder": 4})
    return found


def column_axis(rows: pd.DataFrame, groups: Groups, *, ax: Axes) -> Axes:
    """Say below the axes what the columns stand for, with the groups in their order where there are several.

    Names that would take more than `LINES` are letters, which the caption of the figure explains.

    Args:
        rows: of the columns, with `group`, the label of each.
        groups: of all runs.
        ax: the axes.
    """
    said = r"$\beta$ or the slope of held runs, a column a run"
    if groups.distinguished:
        letters = letters_of(groups, rows["group"].unique())
        shown = _from_left(plain(label) for label in letters)
        if shown.count("\n") >= LINES:
            shown = f"{_from_left(letters.values())}, see the caption"
            for label, letter in letters.items():
                explain(cast(Figure, ax.figure), f"{letter}: {label}")
        said = f"{said}\n{shown}"
    if groups.note:
        said = f"{said}\n{groups.note if len(groups.note) <= CHARACTERS else brief_head(groups)}"
    ax.set_xlabel(said)
    return ax


def _from_left(labels: Iterable[str]) -> str:
    return textwrap.fill(f"from the left: {', '.join(labels)}", characters(COLUMN) - INDENT)


def slope_words(rows: pd.DataFrame) -> list[str]:
    """The slope of each column, three digits of a small one.

    Example:
        >>> slope_words(pd.DataFrame({"slope": [0.428407, 4.0, 1000.0]}))
        ['0.428', '4', '1000']
    """
    return [f"{slope:.3g}" if slope < 1000 else f"{slope:.0f}" for slope in rows["slope"]]


def column_labels(rows: pd.DataFrame, words: Sequence[str], *, ax: Axes) -> Axes:
    """Each beta once, at the middle of its columns; where they are many, some of them. Groups are set apart.

    Args:
        rows: one a run, with `group`.
        words: the aim of each.
        ax: the axes.
    """
    groups = rows["group"].to_numpy()
    starts = [i for i in range(len(words)) if i == 0 or (words[i], groups[i]) != (words[i - 1], groups[i - 1])]
    middles = [(start + stop - 1) / 2 for start, stop in zip(starts, [*starts[1:], len(words)], strict=True)]
    step = -(-len(starts) * (max(len(words[start]) for start in starts) + 1) // CHARACTERS)
    ax.set_xticks(middles[::step], [words[start] for start in starts][::step])
    ax.set_xlim(-0.5, len(words) - 0.5)
    return ax
