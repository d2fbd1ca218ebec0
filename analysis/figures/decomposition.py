"""R in parts, and I against the bound H - D below it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.beta import placed
from analysis.figures.layout import explain_colours, head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import parts as marks
from analysis.marks.groups import group_head
from analysis.marks.names import named
from analysis.marks.units import column_axis, column_labels, slope_words
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.latents import load_verdicts
from analysis.statistics.bounds import add_bounds
from analysis.style import beta_colours, plain, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View
from vae_rd.errors import InputError

HEIGHTS = (1.5, 1.9)  # inches: of R in parts, and of I against its bound, which share no axis
TEXT = 1.2  # inches of labels, colours and legends


def decomposition(runs: pd.DataFrame, **view: Any) -> Figure:
    """R = I + KL(q(z) || m(z)) of each run, as intervals where I is capped, above I against H - D.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: where no run has both a slope and a rate, and naming a damaged record.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`decomposition`, for the table of figures."""
    groups = group_runs(runs, by=view.group_by)
    sides = [(title, rows_of(rows, groups, view)) for title, rows in titled(runs)]
    colours = beta_colours(beta for _, rows in sides for beta in rows["beta"])
    with look(view):
        width = width_of(view, panels=len(sides)) / min(len(sides), 2)
        heads = [head_of(rows, title, width=width - 0.5) for title, rows in sides]
        text = [TEXT + line_height() * lines_of(head) for head in heads]
        words = []
        figure, panels = new_figure([HEIGHTS] * len(sides), text=text, view=view)
        panels = [[top, _own_axis(bottom)] for top, bottom in panels]
        for (_, rows), head, (top, bottom) in zip(sides, heads, panels, strict=True):
            write_head(head, top)
            _draw_parts(rows, groups, ax=top)
            marks.against_bound(rows, colours=colours, ax=bottom)
            unit = unit_label(rows["units"].iloc[0])
            bottom.set(xlabel=f"$H - D$ [{unit}]", ylabel=f"$I(X; Z)$ [{unit}]")
            words.append([Words(top, top.get_legend_handles_labels()[0]), _words_below(bottom, groups)])
        explain_colours(figure, panels, colours)
        return themed(settle(figure, words), view)


def _words_below(ax: Axes, groups: Groups) -> Words:
    """The legend of I against its bound, whose groups may be called by letters."""
    keys = ax.get_legend_handles_labels()[0]
    for place, label in enumerate(map(plain, groups.labels)):
        for entry in (key for key in keys if key.get_label() == label):
            named(cast(Line2D, entry), place, groups)
    return Words(ax, keys, head=group_head(replace(groups, undistinguished=())))


def _own_axis(ax: Axes) -> Axes:
    """Axes in the same place that share no x axis with those above."""
    spec, figure = ax.get_subplotspec(), ax.figure
    assert spec is not None, "axes of a grid have their place in it"
    ax.remove()
    return figure.add_subplot(spec)


def _draw_parts(rows: pd.DataFrame, groups: Groups, *, ax: Axes) -> None:
    marks.rate_parts(rows, ax=ax)
    column_labels(rows, slope_words(rows), ax=ax)
    unit = unit_label(rows["units"].iloc[0])
    ax.tick_params(axis="x", labelbottom=True)
    column_axis(rows, groups, ax=ax).set_ylabel(f"$R$ [{unit}]")


def rows_of(runs: pd.DataFrame, groups: Groups, view: View) -> pd.DataFrame:
    """One row a run of the split that has a slope and R, with its bounds and, where a record has it, total correlation.

    Raises:
        InputError: where there is none.
    """
    rows = placed(add_bounds(runs, split=view.split), groups, split=view.split).dropna(subset="rate")
    if rows.empty:
        raise InputError("none of the runs has a rate: nothing to take apart; draw the plane")
    correlations = load_verdicts(rows, split=view.split)[["folder", "total_correlation", "total_correlation_stderr"]]
    return rows.merge(correlations, on="folder", how="left")


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The rows of the figure, with a column for every setting that varies."""
    groups = group_runs(runs, by=view.group_by)
    parts = [rows_of(rows, groups, view).assign(data=name) for name, rows in data_sets(runs).items()]
    return {"": add_settings(pd.concat(parts, ignore_index=True).drop(columns="x"), runs)}
