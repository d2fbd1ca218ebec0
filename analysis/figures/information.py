"""Rate against what a classifier has of z: the information plane of finished runs that were probed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import explain_colours, head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import probes
from analysis.marks.defaults import shown_beta
from analysis.marks.frame import obey
from analysis.marks.groups import brief_head, group_head
from analysis.marks.legends import corner_words
from analysis.marks.names import group_keys
from analysis.marks.plane import MOST_LABELS
from analysis.marks.space import Space
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.probes import load_probes
from analysis.rows.runs import as_rows
from analysis.rows.scale import Scale
from analysis.style import Colours, beta_colours, plain, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View

HEIGHT, TEXT = 0.8, 0.4  # inches of one of the axes, and of what stands around all of them
SHOWN = "logistic"  # of the probes; all are in the numbers
Panels = dict[tuple[str, int], pd.DataFrame]


@dataclass(frozen=True)
class _Side:
    """What the figure shows of one data set: a head, rows by panel, and units a nat."""

    head: str
    panels: Panels
    per_nat: float


def information(runs: pd.DataFrame, **view: Any) -> Figure:
    """The share of labels that logistic regression tells from z over the rate R, a panel for each number of labels.

    Filled marks are of one draw of z, which Fano's inequality bounds at each R; open ones of E[z|x], a function of x.
    Level lines are of pixels and of principal components. A run whose R is undefined, as a plain autoencoder's, stands
    on the axis, without a beta.

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
    groups, parts, colours = group_runs(probed, by=view.group_by), titled(probed), beta_colours(shown_beta(rows))
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        sides = [_side(some, rows, head_of(some, title, width=width - 0.5)) for title, some in parts]
        most = max(len(side.panels) for side in sides)
        text = [TEXT + line_height() * (2 + lines_of(side.head)) for side in sides]
        figure, panels = new_figure([[HEIGHT] * most] * len(sides), text=text, view=view)
        words = [
            _draw(side, axes, colours=colours, groups=groups, view=view)
            for side, axes in zip(sides, panels, strict=True)
        ]
        if len(colours) > MOST_LABELS:
            explain_colours(figure, panels, colours)
        settle(figure, words)
    return themed(figure, view)


def _side(runs: pd.DataFrame, rows: pd.DataFrame, head: str) -> _Side:
    own = rows[rows["folder"].isin(runs["folder"]) & (rows["classifier"] == SHOWN)]
    return _Side(head, dict(_panels(own)), Scale.of_row(as_rows(runs.head(1))[0]).per_nat)


def _panels(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, int], pd.DataFrame]]:
    """The rows of each factor and number of labels, the most labels first."""
    for factor, part in rows.groupby("factor"):
        for size in sorted(part["labels"].unique(), reverse=True):
            yield (str(factor), int(size)), part[part["labels"] == size]


def _draw(side: _Side, axes: Sequence[Axes], *, colours: Colours, groups: Groups, view: View) -> list[Words]:
    all_rows = pd.concat(side.panels.values())
    write_head(side.head, axes[0])
    words = []
    for ((factor, size), part), ax in zip(side.panels.items(), axes, strict=False):
        probes.frame_rates(all_rows, ax=ax)
        obey(view, rates=all_rows["rate"], distortions=all_rows["accuracy"], ax=ax)
        probes.fano_limit(part, per_nat=side.per_nat, ax=ax)
        probes.reference_lines(part, ax=ax)
        direct = list(ax.get_legend_handles_labels()[0])
        probes.probe_points(part, colours=colours, groups=groups, ax=ax)
        ax.set_ylabel("accuracy")
        words.append(_words(ax, part, direct, groups, f"{plain(factor)}, {size:,} labels", is_first=ax is axes[0]))
    last = axes[len(side.panels) - 1]
    last.set_xlabel(f"rate $R$ [{unit_label(all_rows['units'].iloc[0])}]")
    last.tick_params(axis="x", labelbottom=True)
    return words


def _words(ax: Axes, part: pd.DataFrame, direct: list[Artist], groups: Groups, said: str, *, is_first: bool) -> Words:
    """Each panel says what its own marks are where there is room; the first has the legend for all."""

    def write(space: Space) -> None:
        corner_words(said, space=space, ax=ax)
        if ax.get_xlabel():  # the last of them
            probes.undefined_label(part, space=space, ax=ax)
        if is_first:
            probes.beta_labels(part, space=space, ax=ax)

    if not is_first:
        return Words(ax, write=write, grows=False)
    probes.point_keys(part, ax=ax)
    points = [artist for artist in ax.get_legend_handles_labels()[0] if artist not in direct]
    keys = [*points, *group_keys(groups, connected=False)]
    return Words(ax, keys, direct, write=write, head=group_head(groups), brief=brief_head(groups), grows=False)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """What the figure shows, and the other probes, with a column for every setting that varies."""
    rows = load_probes(runs, split=view.split)
    named = [rows[rows["folder"].isin(part["folder"])].assign(data=name) for name, part in data_sets(runs).items()]
    return {"": add_settings(pd.concat(named, ignore_index=True), runs)}
