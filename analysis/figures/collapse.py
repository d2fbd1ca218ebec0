"""What becomes of the units of z as beta rises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.beta import placed
from analysis.figures.layout import explain_above, head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import units as marks
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.latents import load_units, load_verdicts
from analysis.style import unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View

HEIGHTS = (1.5, 0.8, 0.8)  # inches: of the map, of active units, and of the shuffled z, which share their axis
TEXT = 0.75  # inches of labels and the legend
VERDICTS = 9.0  # points that the marks of verdicts take over the map


def collapse(runs: pd.DataFrame, **view: Any) -> Figure:
    """The rate of each unit by beta as a map, with the verdict on each run above; active units; what shuffling z does.

    A column is a run, by group, beta and seed; units are sorted by their rate in each. A dashed line stands where the
    forecast has a linear VAE collapse.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: where no run has a slope, or naming a damaged record.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`collapse`, for the table of figures."""
    groups = group_runs(runs, by=view.group_by)
    parts = [(title, _rows(rows, groups, view), rows) for title, rows in titled(runs)]
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        heads = [head_of(rows, title, width=width - 0.5) for title, _, rows in parts]
        text = [TEXT + line_height() * lines_of(head) for head in heads]
        words = []
        shuffled = any(rows["shuffle_rise"].notna().any() for _, rows, _ in parts)  # Older records have none.
        figure, panels = new_figure([HEIGHTS[: 2 + shuffled]] * len(parts), text=text, view=view)
        for (_, rows, own), head, axes in zip(parts, heads, panels, strict=True):
            _draw(rows, unit_rates(rows, load_units(own, split=view.split)), groups, axes, figure)
            write_head(head or " ", axes[0], lift=VERDICTS * bool(head))  # The verdicts stand there.
            words.append([_words(axes[1])])
        explain_above(figure, [entry for _, rows, _ in parts for entry in marks.state_keys(rows)])
        return themed(settle(figure, words), view)


def _words(ax: Axes) -> Words:
    """What counts as active, by a legend; where a collapse is forecast, beside its line."""
    told = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    forecasts = [line for line in told if line.get_label() == marks.COLLAPSE]
    return Words(ax, [line for line in told if line not in forecasts], forecasts)


def _rows(runs: pd.DataFrame, groups: Groups, view: View) -> pd.DataFrame:
    rows = placed(runs, groups, split=view.split)
    return rows.merge(load_verdicts(rows, split=view.split), on="folder", how="left")


def unit_rates(rows: pd.DataFrame, units: pd.DataFrame) -> np.ndarray:
    """The rates of the units by rank, [U, N], a column for each of the rows; NaN where a run has no such unit.

    Args:
        rows: one a run.
        units: from `load_units`.
    """
    table = units.pivot(index="place", columns="folder", values="rate").reindex(columns=list(rows["folder"]))
    return table.to_numpy(dtype=float) if len(table) else np.full((1, len(rows)), np.nan)


def _draw(rows: pd.DataFrame, rates: np.ndarray, groups: Groups, axes: Sequence[Axes], figure: Figure) -> None:
    unit = unit_label(rows["units"].iloc[0])
    top, middle, bottom = axes[0], axes[1], axes[-1]
    field = marks.rate_map(rates, ax=top)
    bar = figure.colorbar(field, ax=top, pad=0.02, aspect=14, label=f"rate [{unit}]")
    bar.outline.set_visible(False)
    marks.state_marks(rows, ax=top)
    marks.unit_counts(rows, ax=middle)
    if len(axes) > 2:
        marks.shuffle_rises(rows, ax=bottom).set_ylabel(f"$D$ of shuffled\n$z$ above $D$\n[{unit}]")
    marks.collapse_columns(rows, axes=axes)
    for ax in axes:
        marks.column_labels(rows, marks.slope_words(rows), ax=ax)
    marks.column_axis(rows, groups, ax=bottom)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """One row a run with its verdicts, and one a run and unit."""
    groups = group_runs(runs, by=view.group_by)
    parts = [_rows(rows, groups, view).assign(data=name) for name, rows in data_sets(runs).items()]
    units = load_units(runs, split=view.split).assign(units=runs["units"].iloc[0], split=view.split)
    return {"": add_settings(pd.concat(parts, ignore_index=True).drop(columns="x"), runs), "-units": units}
