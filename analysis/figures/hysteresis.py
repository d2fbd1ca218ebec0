"""D and R of runs that follow each other along beta, down and up, and by how much the two ways differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.beta import over_beta, placed
from analysis.marks import slopes
from analysis.marks.axes import group_colours, group_marks
from analysis.marks.groups import brief_head, group_head
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.runs import of_split
from analysis.statistics.hysteresis import hysteresis as differences
from analysis.statistics.hysteresis import on_ways
from analysis.style import GREY, Mark, unit_label
from analysis.view import View

BAR: Mark = {"color": GREY, "marker": "o", "markersize": 3, "linestyle": "none", "elinewidth": 0.8, "capsize": 2}


def hysteresis(runs: pd.DataFrame, **view: Any) -> Figure:
    """D and R of both ways over one logarithmic axis of beta, and D + beta R of the way up less that of the way down.

    The runs are those of `--launcher continuation`, each trained from its neighbour's weights. Bars are of 2 s.e.: of
    the differences between seeds, or of one seed those of two samples of examples.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: where no run started from another along beta.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`hysteresis`, for the table of figures."""
    runs = on_ways(runs)
    groups = group_runs(runs, by=view.group_by)

    def fill(rows: pd.DataFrame, axes: Sequence[Axes]) -> list[Words]:
        _draw(rows, groups, axes)
        return [Words(axes[0], group_marks(groups, rows["group"]), head=group_head(groups), brief=brief_head(groups))]

    return over_beta(runs, groups, view, fill)


def _draw(rows: pd.DataFrame, groups: Groups, axes: Sequence[Axes]) -> None:
    unit, colours = unit_label(rows["units"].iloc[0]), group_colours(groups.labels)
    top, middle, bottom = axes
    slopes.slope_lines(rows, "distortion", colours=colours, ax=top).set_ylabel(f"$D$ [{unit}]")
    slopes.slope_lines(rows, "rate", colours=colours, ax=middle).set_ylabel(f"$R$ [{unit}]")
    bottom.axhline(0.0, color=GREY, linewidth=0.6)
    places = dict(zip(rows["slope"], rows["x"], strict=True))  # 0 has one too.
    for _, found in differences(rows).groupby("alike", sort=False):
        bottom.errorbar(
            found["beta"].map(places), found["objective_difference"], yerr=2 * found["objective_stderr"], **BAR
        )
    for ax in axes:
        slopes.slope_axis(rows, ax=ax)
    bottom.set(xlabel=r"$\beta$", ylabel=rf"$\Delta(D + \beta R)$ [{unit}]")


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """A row for each run of a way, and in `-differences` one for each beta that both ways have."""
    runs = on_ways(runs)
    groups = group_runs(runs, by=view.group_by)
    parts = [placed(rows, groups, split=view.split).assign(data=name) for name, rows in data_sets(runs).items()]
    compared = [
        differences(of_split(rows, view.split)).assign(data=name).drop(columns=["card", "alike"])
        for name, rows in data_sets(runs).items()
    ]
    found = add_settings(pd.concat(parts, ignore_index=True).drop(columns="x"), runs)
    return {"": found, "-differences": pd.concat(compared, ignore_index=True)}
