"""Training curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
from analysis.marks import betas, epochs
from analysis.marks.groups import by_columns, group_keys, legend_rows
from analysis.marks.verdicts import verdict_keys, verdict_marks
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.runs import EPOCH_METRICS, load_histories
from analysis.rows.verdicts import fit_marks
from analysis.statistics.bounds import Entropy, known_entropies
from analysis.style import COLUMN, STYLE, Colours, beta_colours
from analysis.view import View

CURVE_HEIGHT, CURVES_TEXT = 1.5, 0.7


def curves(runs: pd.DataFrame, **view: Any) -> Figure:
    """Training and validation D, R and ELBO per epoch, stacked over one axis; one colour a beta.

    What the verdict on training found is marked: where a run overfits from, spikes, and where a tail is going.

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
    marks = [fit_marks(rows) for _, rows in parts]
    lines, verdicts = epochs.line_keys(pd.concat(histories), groups), verdict_keys(pd.concat(marks))
    kinds = lines, verdicts, group_keys(groups, connected=False)
    keys, ncols = legend_rows(*kinds, width=COLUMN - 0.3)  # the axes do not begin at the edge
    heads = [head_of(rows, title, *epochs.heads(groups)) for title, rows in parts]
    texts = [CURVES_TEXT + LINE_HEIGHT * (len(keys) - 1 + lines_of(head)) for head in heads]
    with mpl.rc_context(STYLE):
        heights = [[CURVE_HEIGHT] * len(EPOCH_METRICS)] * len(parts)
        figure, panels = new_figure(heights, text=texts)
        for (_, rows), head, history, found, axes in zip(parts, heads, histories, marks, panels, strict=True):
            _draw_curves(history, found, known_entropies(rows), axes, colours=colours, groups=groups)
            legend_above(axes[0], by_columns(keys), head=head, ncols=ncols)
        explain_colours(figure, panels, colours)
        return laid_out(figure)


def explain_colours(figure: Figure, panels: Sequence[Sequence[Axes]], colours: Colours) -> None:
    """A legend of beta at the top of the figure, which grows by its rows, or a bar of the colours."""
    entries, ncols = betas.beta_rows(colours, width=figure.get_figwidth())
    if entries or not colours:
        figure.set_figheight(figure.get_figheight() + LINE_HEIGHT * max(len(entries) // ncols - 1, 0))
        legend_at_top(figure, entries, head=r"$\beta$", handlelength=0.9, ncols=ncols)
    else:
        betas.beta_bar(colours, figure, [ax for axes in panels for ax in axes])


def _draw_curves(
    history: pd.DataFrame,
    marks: pd.DataFrame,
    h_by_split: dict[str, Entropy],
    axes: Sequence[Axes],
    *,
    colours: Colours,
    groups: Groups,
) -> None:
    for quantity, ax in zip(EPOCH_METRICS, axes, strict=True):
        epochs.epoch_lines(history, quantity, colours=colours, groups=groups, ax=ax)
        verdict_marks(marks, history, quantity, colours=colours, ax=ax)
    epochs.elbo_bounds(h_by_split, ax=axes[-1])
    axes[-1].set_xlabel("epoch")
    if history["epoch"].nunique() == 1:
        axes[-1].set_xlim(history["epoch"].iloc[0] - 0.5, history["epoch"].iloc[0] + 0.5)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    legend_above(axes[-1], axes[-1].get_legend_handles_labels()[0])


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
