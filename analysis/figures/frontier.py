"""The frontier of each group of runs in the plane, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import LINE_HEIGHT, head_of, laid_out, legend_above, lines_of, new_figure, titled
from analysis.figures.table import rounded
from analysis.marks.axes import group_colours, group_marks, in_columns
from analysis.marks.frame import obey
from analysis.marks.frontiers import LINE, aim_places, frontier_curves, frontier_keys
from analysis.marks.labels import place_labels
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, group_runs
from analysis.rows.runs import as_rows
from analysis.statistics.differences import areas, differences, redraw
from analysis.statistics.frontiers import Frontier, frontiers, with_both_splits
from analysis.style import number, small_letters, unit_label, wrapped
from analysis.theme import themed
from analysis.venues import look
from analysis.view import View

HEIGHT, TEXT = 2.3, 0.75  # inches: of the axes, and of labels and the legend's first row
CHOOSER = "val"  # the split that says which points are on the front
MOST_PAIRS = 3  # whose difference is written beneath; all are in the numbers
SEEDS, EXAMPLES = "seeds drawn again whole", "examples as normal noise of s.e. of D and R"  # what intervals are of
NOISE = 1e-9  # a standard error that is rounding alone


@dataclass(frozen=True)
class _Side:
    """What is shown of one data set: its head, unit, frontiers, all their points and their differences."""

    head: str
    unit: str
    points: pd.DataFrame
    differences: pd.DataFrame


def frontier(runs: pd.DataFrame, **view: Any) -> Figure:
    """The frontier of each group: a curve through the points that no other beats on validation, shown on `split`.

    A point is the mean over seeds of runs alike. Beneath the axes stands by how much R of two groups differs at equal
    D, and D at equal R, with 95 % intervals: `analysis.statistics.differences`.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`; `group_by` says which runs make a frontier.

    Raises:
        InputError: where no run has R and D on both splits.

    Warns:
        RunWarning: one line that names the runs that have not.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`frontier`, for the table of figures."""
    groups = group_runs(runs, by=view.group_by)
    sides = [_side(rows, groups, view, title) for title, rows in titled(runs)]
    colours = group_colours(groups.labels)
    with look(view):
        rows = 3 + len(groups.labels) * groups.distinguished
        text = [TEXT + LINE_HEIGHT * (rows + lines_of(side.head)) for side in sides]
        figure, panels = new_figure([[HEIGHT]] * len(sides), text=text, view=view)
        for side, (ax,) in zip(sides, panels, strict=True):
            frontier_curves(side.points, colours=colours, ax=ax)
            obey(view, rates=side.points["rate"], distortions=side.points["distortion"], ax=ax)
            ax.set(xlabel=f"rate $R$ [{side.unit}]", ylabel=f"distortion $D$ [{side.unit}]")
            _explain(side, groups, ax=ax)
        _write_beneath(figure, sides)
        laid_out(figure)
        for side, (ax,) in zip(sides, panels, strict=True):
            place_labels(aim_places(side.points), only_free=True, ax=ax)
    return themed(figure, view)


def _side(runs: pd.DataFrame, groups: Groups, view: View, title: str) -> _Side:
    found = _found(runs, groups, view)
    unit = unit_label(runs["units"].iloc[0])
    head = head_of(runs, title, *filter(None, [wrapped(groups.note)]))
    return _Side(head, unit, _points(found), differences(redraw(found)))


def _found(runs: pd.DataFrame, groups: Groups, view: View) -> list[Frontier]:
    known = with_both_splits(runs, split=view.split, chosen_on=CHOOSER)
    return frontiers(known, groups, split=view.split, chosen_on=CHOOSER)


def _points(found: Sequence[Frontier]) -> pd.DataFrame:
    parts = [one.points.assign(group=one.label) for one in found]
    return pd.concat(parts, ignore_index=True)


def _explain(side: _Side, groups: Groups, *, ax: Axes) -> None:
    frontier_keys(side.points, chosen_on=CHOOSER, ax=ax)
    keys = ax.get_legend_handles_labels()[0]
    marks = group_marks(groups.labels, side.points["group"], **LINE)
    legend_above(ax, **in_columns(marks, keys), head=side.head)


def _write_beneath(figure: Figure, sides: Sequence[_Side]) -> None:
    lines = [line for side in sides for line in _lines(side, named=len(sides) > 1)]
    if lines:
        figure.set_figheight(figure.get_figheight() + LINE_HEIGHT * (len(lines) + 1))
        text = "\n".join([*lines, *wrapped(f"95 %: {_sources(sides)}").splitlines()])
        figure.supxlabel(text, x=0.02, ha="left", fontsize=small_letters())


def _sources(sides: Sequence[_Side]) -> str:
    """What the intervals are of."""
    found = pd.concat([side.differences for side in sides])
    words = ((SEEDS, "stderr_seeds"), (EXAMPLES, "stderr_examples"))
    return ", ".join(said for said, name in words if (found[name] > NOISE).any()) or "no noise is known"


def _lines(side: _Side, *, named: bool) -> list[str]:
    found = []
    known = side.differences.dropna(subset="value")
    for (one, other), rows in list(known.groupby(["group", "other"], sort=False))[:MOST_PAIRS]:
        of = f"{side.head.splitlines()[0]}: " if named else ""
        found += wrapped(f"{of}{other} less {one}").splitlines()
        found += [_sentence(row, side.unit) for row in as_rows(rows)]
    return found


def _sentence(row: dict[str, Any], unit: str) -> str:
    axis = row["difference"][-1]
    words = f"${row['difference'][0]}$ at equal ${axis}$"
    value, low, high = (rounded(row[name], row["stderr"]) for name in ("value", "low", "high"))
    start, end = number(row["over_low"]), number(row["over_high"])
    return f"  {words}: {value} [{low}, {high}] {unit}, ${axis}$ {start} to {end}"


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The points of each frontier, and the differences and areas of what two or all have in common."""
    groups = group_runs(runs, by=view.group_by)
    tables: dict[str, list[pd.DataFrame]] = {"": [], "-differences": [], "-areas": []}
    for name, rows in data_sets(runs).items():
        found = _found(rows, groups, view)
        redrawn, units = redraw(found), rows["units"].iloc[0]
        parts = (_points(found), differences(redrawn), areas(redrawn))
        for table, part in zip(tables.values(), parts, strict=True):
            table.append(part.assign(data=name, units=units, split=view.split, chosen_on=CHOOSER))
    return {end: pd.concat(parts, ignore_index=True) for end, parts in tables.items()}
