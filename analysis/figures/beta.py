"""D, R, I and active units against beta."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import slopes
from analysis.marks.axes import group_colours, group_marks
from analysis.marks.groups import brief_head, group_head
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.runs import of_split
from analysis.style import key, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View
from vae_rd.errors import InputError

HEIGHT, TEXT = 1.05, 0.4  # inches: of each of the axes, and of labels
FORECAST = "a linear VAE collapses (forecast)"
CEILING = r"$H \geq I$"


def beta(runs: pd.DataFrame, **view: Any) -> Figure:
    """D, R with I, and active units over one logarithmic axis of beta.

    Each run is a mark, held runs are open and stand at the slope that their multiplier came to; a line joins the means
    over seeds. The forecast of the collapse is a vertical line. beta = 0 stands left of the least other one.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: where no run has a slope.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`beta`, for the table of figures."""
    groups = group_runs(runs, by=view.group_by)

    def fill(rows: pd.DataFrame, axes: Sequence[Axes]) -> list[Words]:
        _draw(rows, groups, axes)
        return _words(rows, groups, axes)

    return over_beta(runs, groups, view, fill)


def over_beta(
    runs: pd.DataFrame, groups: Groups, view: View, fill: Callable[[pd.DataFrame, Sequence[Axes]], list[Words]]
) -> Figure:
    """Three axes for each data set, one below another over beta.

    Args:
        runs: of all data sets.
        groups: of the runs.
        view: how they are looked at.
        fill: draws the rows of one data set on its axes; the words that are to stand there.
    """
    parts = [(title, placed(rows, groups, split=view.split)) for title, rows in titled(runs)]
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        heads = [head_of(rows, title, width=width - 0.5) for title, rows in parts]
        text = [TEXT + line_height() * lines_of(head) for head in heads]
        figure, panels = new_figure([[HEIGHT] * 3] * len(parts), text=text, view=view)
        words = []
        for (_, rows), head, axes in zip(parts, heads, panels, strict=True):
            write_head(head, axes[0])
            words.append(fill(rows, axes))
        return themed(settle(figure, words), view)


def placed(runs: pd.DataFrame, groups: Groups, *, split: str) -> pd.DataFrame:
    """The runs that have a slope, with their group, its place on the axis, and whether R or D was held.

    Raises:
        InputError: where no run has one.
    """
    rows = of_split(runs, split)
    rows = slopes.add_slopes(rows.assign(group=[groups.labels[place] for place in groups.places(rows)]))
    if rows.empty:
        raise InputError("none of the runs has a beta or came to a slope: nothing to draw over beta; draw the plane")
    return rows.sort_values(["group", "x", "seed"], kind="stable", ignore_index=True)


def _draw(rows: pd.DataFrame, groups: Groups, axes: Sequence[Axes]) -> None:
    unit, colours = unit_label(rows["units"].iloc[0]), group_colours(groups.labels)
    top, middle, bottom = axes
    slopes.slope_lines(rows, "distortion", colours=colours, ax=top).set_ylabel(f"$D$ [{unit}]")
    slopes.slope_lines(rows, "rate", colours=colours, ax=middle).set_ylabel(f"$R$, $I$ [{unit}]")
    slopes.information_bars(rows, colours=colours, ax=middle)
    slopes.ceiling_line(rows, ax=middle)
    slopes.slope_lines(rows, "active_units", colours=colours, ax=bottom).set_ylabel("active units")
    for ax in axes:
        slopes.slope_axis(rows, ax=ax)
    for ax in (top, middle):
        slopes.forecast_lines(rows, ax=ax)
    slopes.forecast_lines(rows, label=FORECAST, ax=bottom)
    bottom.set(xlabel=r"$\beta$, the slope $-dD/dR$", ylim=(-0.05 * rows["latent_dim"].max(), None))


def _words(rows: pd.DataFrame, groups: Groups, axes: Sequence[Axes]) -> list[Words]:
    """The groups are told on the axes of D, and R and I and the forecast where they are drawn."""
    top, middle, bottom = axes
    if rows["held"].any():
        open_mark = {"marker": "o", "markersize": slopes.SMALL, "markerfacecolor": "white"}
        key(top, "$R$ or $D$ was held", **open_mark)
    slopes.information_keys(rows, ax=middle)
    if not math.isnan(slopes.ceiling(rows)):
        key(middle, CEILING, **slopes.CEILING)
    held, known = (list(ax.get_legend_handles_labels()[0]) for ax in (top, middle))
    forecasts = [line for line in bottom.lines if line.get_label() == FORECAST]
    own = [*group_marks(groups, rows["group"]), *held]
    first = Words(top, own, head=group_head(groups), brief=brief_head(groups))
    return [first, Words(middle, known), Words(bottom, direct=forecasts)]


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The rows of the figure with `slope`, `held` and the group of each run, and a column for what varies."""
    groups = group_runs(runs, by=view.group_by)
    parts = [placed(rows, groups, split=view.split).assign(data=name) for name, rows in data_sets(runs).items()]
    return {"": add_settings(pd.concat(parts, ignore_index=True).drop(columns="x"), runs)}
