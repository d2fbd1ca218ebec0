"""Training curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.layout import explain_colours, head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import ends, epochs
from analysis.marks.frame import obey
from analysis.marks.names import group_keys
from analysis.marks.space import Space
from analysis.marks.verdicts import verdict_keys, verdict_marks
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.histories import EPOCH_METRICS, load_histories
from analysis.rows.verdicts import fit_marks
from analysis.statistics.bounds import known_entropies
from analysis.style import Colours, beta_colours
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View

HEIGHT, TEXT = 0.8, 0.35  # inches of one of the axes, and of what stands around all of them
MOST_ENDS = 9  # betas that are named at the ends of their lines


def curves(runs: pd.DataFrame, **view: Any) -> Figure:
    """Training and validation D, R and ELBO per epoch, stacked over one axis; one colour a beta.

    Each beta is named at the end of its line, or by a bar where they are many. What the verdict on training found is
    marked: where a run overfits from, spikes, and where a tail is going.

    Args:
        runs: from `load_runs`, each data set on axes of its own; their history.csv is read from the same folders.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: where no run has a history.csv that can be read.

    Warns:
        RunWarning: one line that names the runs left out for want of one.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`curves`, for the table of figures."""
    found = load_histories(runs)
    runs = _of_folders(runs, found)
    groups, parts = group_runs(runs, by=view.group_by), titled(runs)
    histories = [_of_folders(found, rows) for _, rows in parts]
    colours = beta_colours(beta for rows in histories for beta in rows["beta"])
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        heads = [head_of(rows, title, width=width - 0.5) for title, rows in parts]
        text = [TEXT + line_height() * (1 + lines_of(head)) for head in heads]
        figure, panels = new_figure([[HEIGHT] * len(EPOCH_METRICS)] * len(parts), text=text, view=view)
        words = []
        for (_, rows), head, history, axes in zip(parts, heads, histories, panels, strict=True):
            write_head(head, axes[0])
            words.append(_draw(rows, history, axes, colours=colours, groups=groups, view=view))
        if len(colours) > MOST_ENDS:
            explain_colours(figure, panels, colours)
        settle(figure, words)
    return themed(figure, view)


def _draw(
    rows: pd.DataFrame, history: pd.DataFrame, axes: Sequence[Axes], *, colours: Colours, groups: Groups, view: View
) -> list[Words]:
    marks = fit_marks(rows)
    for quantity, ax in zip(EPOCH_METRICS, axes, strict=True):
        epochs.epoch_lines(history, quantity, colours=colours, groups=groups, ax=ax)
        verdict_marks(marks, history, quantity, colours=colours, ax=ax)
    epochs.elbo_bounds(known_entropies(rows), ax=axes[-1])
    axes[-1].set_xlabel("epoch")
    if history["epoch"].nunique() == 1:
        axes[-1].set_xlim(history["epoch"].iloc[0] - 0.5, history["epoch"].iloc[0] + 0.5)
    else:
        axes[-1].margins(x=0.01)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    obey(View(xlim=view.xlim), rates=(), distortions=(), ax=axes[-1])
    keys: list[Sequence[Artist]] = [
        epochs.line_keys(history, groups),
        group_keys(groups, connected=False),
        verdict_keys(marks),
    ]
    last = {name: ends.last_values(history, name) for name in EPOCH_METRICS}
    named = ends.most_spread(last) if len(colours) <= MOST_ENDS else ""
    return [
        _words(ax, last[name] if name == named else {}, own, groups if place == 1 else None, colours)
        for place, (name, ax, own) in enumerate(zip(EPOCH_METRICS, axes, keys, strict=True))
    ]


def _words(
    ax: Axes, last: dict[float, float], keys: Sequence[Artist], groups: Groups | None, colours: Colours
) -> Words:
    """What is written on one of the axes: the first has the legend of lines, the second that of `groups`."""
    labels = ends.end_labels(last, ax=ax)

    def write(space: Space) -> None:
        if labels:
            ends.spread_labels(labels, last, colours=colours, ax=ax)

    bounds = ax.get_legend_handles_labels()[0]
    head, brief = (epochs.heads(groups), epochs.brief_heads(groups)) if groups else ("", "")
    return Words(ax, keys, bounds, write=write, head=head, brief=brief)


def curves_numbers(runs: pd.DataFrame) -> pd.DataFrame:
    """What `curves` shows as a table, with the data set's name and a column for every setting that varies."""
    found = load_histories(runs)
    runs = _of_folders(runs, found)
    parts = [_of_folders(found, rows).assign(data=name) for name, rows in data_sets(runs).items()]
    return add_settings(pd.concat(parts, ignore_index=True), runs)


def _of_folders(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """The rows of the runs that others are of as well."""
    return rows[rows["folder"].isin(others["folder"])]


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """`curves_numbers`."""
    return {"": curves_numbers(runs)}
