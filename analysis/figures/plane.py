"""Whole figures, composed of the marks of `analysis.marks`.

Each data set has axes and lines of its own, under its name where there are several. Colours of beta and shapes of
groups are the same on all axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import (
    LINE_HEIGHT,
    head_of,
    laid_out,
    legend_above,
    legend_at_top,
    lines_of,
    new_figure,
    titled,
)
from analysis.marks import intervals
from analysis.marks import lines as line_marks
from analysis.marks import plane as plots
from analysis.marks.beside import foreign_points, running_points
from analysis.marks.groups import by_columns, group_keys, group_lines, legend_rows
from analysis.rows.data_sets import data_sets
from analysis.rows.foreign import load_foreign
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.running import COLUMNS, of_data_set
from analysis.statistics.bounds import Entropy, add_bounds, entropies, placeable, warn_impossible
from analysis.statistics.lines import plane_lines, warn_left_out
from analysis.style import STYLE, Colours, beta_colours, unit_label, wrapped
from analysis.view import View

PLANE_HEIGHT = 2.3  # inches, of the axes alone
ROW_HEIGHT = 0.17  # of a run among the bounds
TALLEST = 5.2  # the bounds, so that all of a figure fits a page
TEXT_HEIGHT = 1.7  # axis labels and legends, less those of known answers, estimates and groups


@dataclass(frozen=True)
class _Side:
    """What the plane shows of one data set.

    Attributes:
        head: its name where there are several, and what its D is of.
        rows: the points of all splits, from `placeable`; R may be undefined.
        chosen: those of the split asked for, in the order of the intervals.
        h_by_split: H by split.
        lines: from `plane_lines`.
    """

    head: str
    rows: pd.DataFrame
    chosen: pd.DataFrame
    h_by_split: dict[str, Entropy]
    lines: pd.DataFrame

    @property
    def bounds_height(self) -> float:
        return intervals.intervals_height(self.chosen, self.row_height)

    @property
    def row_height(self) -> float:
        return min(ROW_HEIGHT, TALLEST / (max(intervals.interval_rows(self.chosen)) + 1.0))

    @property
    def text_height(self) -> float:
        forecast = int(intervals.collapse_height(self.chosen) is not None)
        return TEXT_HEIGHT + LINE_HEIGHT * (line_marks.legend_rows(self.lines) + lines_of(self.head) + forecast)


@dataclass(frozen=True)
class _Look:
    """What all axes of a plane share; `foreign` is from `load_foreign`, `running` from `load_running`."""

    split: str
    colours: Colours
    groups: Groups
    foreign: pd.DataFrame
    running: pd.DataFrame


def plane(runs: pd.DataFrame, **view: Any) -> Figure:
    """The rate-distortion plane above the bounds H - D <= I <= R, both over one axis of information.

    In the plane stand, beside the runs, all that is known of where they could lie: Shannon's R(D) of the source,
    bounds on it, the curves of the runs' decoders and their NLL, as far as the records hold them. A run whose R is
    undefined, as a plain autoencoder's, stands at its D on the axis.

    Args:
        runs: from `load_runs`; each data set has a plane of its own.
        view: fields of `analysis.view.View`; the split's points get error bars, slopes and intervals, those of the
            splits before it are drawn where they differ.

    Raises:
        InputError: for runs without D on `split`, or with damaged estimates.

    Warns:
        RunWarning: one line for each run left out for want of D, for each point that cannot be right, and where
            bounds on the source's R(D) are left out.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`plane`, for the table of figures."""
    foreign = load_foreign(view.more.get("foreign") or (), runs)
    running = view.more.get("running", pd.DataFrame(columns=list(COLUMNS)))
    groups = group_runs(runs, by=view.group_by)
    sides = [_side(rows, groups, split=view.split, title=title) for title, rows in titled(runs)]
    look = _Look(
        view.split, beta_colours(beta for side in sides for beta in side.chosen["beta"]), groups, foreign, running
    )
    with mpl.rc_context(STYLE):
        heights = [(PLANE_HEIGHT, side.bounds_height) for side in sides]
        figure, panels = new_figure(heights, text=[side.text_height for side in sides])
        points = [_draw_plane(side, look, ax=top) for side, (top, _) in zip(sides, panels, strict=True)]
        for side, (_, bottom) in zip(sides, panels, strict=True):
            _draw_bounds(side, look, ax=bottom)
        _points_legend(figure, points, groups)
        laid_out(figure)  # slopes and labels hold for these positions only
        for side, (top, _) in zip(sides, panels, strict=True):
            plots.slope_ticks(side.chosen, colours=look.colours, ax=top)
            line_marks.nll_ticks(side.lines, side.chosen, colours=look.colours, ax=top)
            plots.aim_labels(side.chosen, ax=top)
    return figure


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """`plane_numbers`: its points, and its lines beside them."""
    tables = dict(zip(("", "-lines"), plane_numbers(runs, split=view.split), strict=True))
    if not (options := view.more.get("foreign")):
        return tables
    return tables | {"-foreign": load_foreign(options, runs)}


def plane_numbers(runs: pd.DataFrame, *, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `plane` shows as two tables, its points with their bounds and its lines, from which it can be redrawn.

    Both name the data set, and the points have a column for every setting that varies between the runs.
    """
    points, lines = zip(*(_numbers(rows, name, split=split) for name, rows in data_sets(runs).items()), strict=True)
    return add_settings(pd.concat(points, ignore_index=True), runs), pd.concat(lines, ignore_index=True)


def _numbers(runs: pd.DataFrame, name: str, *, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = add_bounds(runs, split=split)
    placed = rows.dropna(subset="distortion")
    lines = plane_lines(placed, _shown_entropies(runs, rows, split=split), split=split)
    lines.insert(0, "data", name)
    return rows.assign(data=name), lines


def _side(runs: pd.DataFrame, groups: Groups, *, split: str, title: str) -> _Side:
    rows = placeable(add_bounds(runs, split=split), split=split)
    warn_impossible(rows)
    chosen = groups.ordered(rows[rows["split"] == split])
    warn_left_out(chosen, split=split)
    h_by_split = _shown_entropies(runs, rows, split=split)
    return _Side(head_of(rows, title), rows, chosen, h_by_split, plane_lines(rows, h_by_split, split=split))


def _shown_entropies(runs: pd.DataFrame, rows: pd.DataFrame, *, split: str) -> dict[str, Entropy]:
    return {name: h for name, h in entropies(runs, split=split).items() if name in set(rows["split"])}


def _draw_plane(side: _Side, look: _Look, *, ax: Axes) -> list[Artist]:
    """All that needs no final layout; lines are explained above the axes, the points' legend entries returned."""
    rows, lines, unit = side.rows, side.lines, unit_label(side.rows["units"].iloc[0])
    ax.tick_params(labelbottom=True)
    ax.set(xlabel=f"rate $R$ [{unit}]", ylabel=f"distortion $D$ [{unit}]")
    plots.frame_plane(rows, side.h_by_split.get(look.split), lines=lines, ax=ax)
    foreign_points(look.foreign[look.foreign["card"] == rows["card"].iloc[0]], ax=ax)
    running_points(of_data_set(look.running, rows["card"].iloc[0]), ax=ax)
    group_lines(side.chosen, groups=look.groups, ax=ax)
    plots.rd_points(rows, split=look.split, colours=look.colours, groups=look.groups, ax=ax)
    points = ax.get_legend_handles_labels()[0]
    plots.slope_key(side.chosen, ax=ax)
    line_marks.nll_key(lines, ax=ax)
    line_marks.decoder_curves(lines, colours=look.colours, ax=ax)
    line_marks.fitted_priors(lines, side.chosen, colours=look.colours, ax=ax)
    plots.entropy_lines(side.h_by_split, split=look.split, unit=unit, ax=ax)
    line_marks.known_curves(lines, ax=ax)
    legend_above(ax, ax.get_legend_handles_labels()[0][len(points) :], head=side.head)
    return list(points)


def _points_legend(figure: Figure, points: Sequence[Sequence[Artist]], groups: Groups) -> None:
    """What the points of all planes are, at the top of the figure, which grows by the rows that name groups."""
    entries = {str(entry.get_label()): entry for side in sorted(points, key=len, reverse=True) for entry in side}
    keys, heads = group_keys(groups, connected=True), wrapped(groups.note).splitlines()
    if keys and len(entries) == 1:  # beside the shapes of groups, the one kind of points needs none of its own
        heads, entries = [*entries, *heads], {}
    lines, ncols = legend_rows([*entries.values()], keys, width=figure.get_figwidth())
    figure.set_figheight(figure.get_figheight() + LINE_HEIGHT * (len(lines) + len(heads) - 1))
    legend_at_top(figure, by_columns(lines), head="\n".join(heads), ncols=ncols)


def _draw_bounds(side: _Side, look: _Look, *, ax: Axes) -> None:
    intervals.information_intervals(
        side.chosen, colours=look.colours, groups=look.groups, row_height=side.row_height, ax=ax
    )
    intervals.information_caps(side.chosen, ax=ax)
    intervals.forecast_collapse(side.chosen, ax=ax)
    ax.set_xlabel(f"mutual information $I(X; Z)$ [{unit_label(side.chosen['units'].iloc[0])}]")
    legend_above(ax, ax.get_legend_handles_labels()[0])
