"""Rate against what a classifier has of z: the information plane of finished runs that were probed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.curves import explain_colours
from analysis.figures.layout import LINE_HEIGHT, head_of, laid_out, legend_above, lines_of, new_figure, titled
from analysis.marks import probes
from analysis.marks.groups import group_keys
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.probes import load_probes
from analysis.rows.runs import as_rows
from analysis.rows.scale import Scale
from analysis.style import STYLE, beta_colours, plain, unit_label, wrapped
from analysis.view import View

PANEL_HEIGHT, TEXT = 1.25, 0.75
SHOWN = "logistic"  # of the probes; all are in the numbers


@dataclass(frozen=True)
class _Side:
    """What the figure shows of one data set: a head, rows by panel, and units a nat."""

    head: str
    panels: dict[tuple[str, int], pd.DataFrame]
    per_nat: float


def information(runs: pd.DataFrame, **view: Any) -> Figure:
    """The share of labels that logistic regression tells from z over the rate R, a panel for each number of labels.

    Filled marks are of one draw of z, which Fano's inequality bounds at each R; open ones of E[z|x], a function of x.
    Level lines are of pixels and of principal components. A run whose R is undefined, as a plain autoencoder's, stands
    on the axis.

    Args:
        runs: from `load_runs`, probed by `python -m vae_rd.evaluate RUNS --probe`; each data set has axes of its own.
        view: fields of `analysis.view.View`; `split` is the one that was tested.

    Raises:
        InputError: where no run has been probed.

    Warns:
        RunWarning: one line that names the runs that have not.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`information`, for the table of figures."""
    rows = load_probes(runs, split=view.split)
    probed = runs[runs["folder"].isin(rows["folder"])]
    groups, colours = group_runs(probed, by=view.group_by), beta_colours(rows["beta"])
    sides = [_side(some, rows, title, groups) for title, some in titled(probed)]
    most = max(len(side.panels) for side in sides)
    with mpl.rc_context(STYLE):
        text = [TEXT + LINE_HEIGHT * (6 + len(groups.labels) * groups.distinguished + lines_of(s.head)) for s in sides]
        figure, panels = new_figure([[PANEL_HEIGHT] * most] * len(sides), text=text)
        drawn = [
            (side, list(zip(side.panels.items(), axes, strict=False))) for side, axes in zip(sides, panels, strict=True)
        ]
        for side, pairs in drawn:
            for ((factor, size), part), ax in pairs:
                probes.frame_rates(pd.concat(side.panels.values()), ax=ax)
                probes.fano_limit(part, per_nat=side.per_nat, ax=ax)
                probes.reference_lines(part, ax=ax)
                probes.probe_points(part, colours=colours, groups=groups, ax=ax)
                ax.set_ylabel(f"accuracy, {plain(factor)}\n{size:,} labels")
            _explain(side, pairs[0][1], pairs[-1][1], groups)
        explain_colours(figure, panels, colours)
        laid_out(figure)
        for _, pairs in drawn:
            for (_, part), ax in pairs:
                probes.undefined_label(part, ax=ax)
    return figure


def _side(runs: pd.DataFrame, rows: pd.DataFrame, title: str, groups: Groups) -> _Side:
    own = rows[rows["folder"].isin(runs["folder"]) & (rows["classifier"] == SHOWN)]
    return _Side(
        head_of(runs, title, *filter(None, [wrapped(groups.note)])),
        dict(_panels(own)),
        Scale.of_row(as_rows(runs.head(1))[0]).per_nat,
    )


def _panels(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, int], pd.DataFrame]]:
    """The rows of each factor and number of labels, the most labels first."""
    for factor, part in rows.groupby("factor"):
        for size in sorted(part["labels"].unique(), reverse=True):
            yield (str(factor), int(size)), part[part["labels"] == size]


def _explain(side: _Side, top: Axes, bottom: Axes, groups: Groups) -> None:
    unit = unit_label(next(iter(side.panels.values()))["units"].iloc[0])
    bottom.set_xlabel(f"rate $R$ [{unit}]")
    bottom.tick_params(axis="x", labelbottom=True)
    lines = top.get_legend_handles_labels()[0]
    probes.point_keys(next(iter(side.panels.values())), ax=top)
    points = top.get_legend_handles_labels()[0][len(lines) :]
    legend_above(top, [*points, *lines, *group_keys(groups, connected=False)], head=side.head)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """What the figure shows, and the other probes, with a column for every setting that varies."""
    rows = load_probes(runs, split=view.split)
    named = [rows[rows["folder"].isin(part["folder"])].assign(data=name) for name, part in data_sets(runs).items()]
    return {"": add_settings(pd.concat(named, ignore_index=True), runs)}
