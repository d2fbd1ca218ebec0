"""The frontier of each group of runs in the plane, and how far they lie apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.beneath import Stated, write_beneath
from analysis.figures.layout import head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks.axes import group_colours, group_marks
from analysis.marks.frame import obey
from analysis.marks.frontiers import LINE, aim_places, frontier_curves, frontier_keys
from analysis.marks.groups import brief_head, group_head
from analysis.marks.labels import place_labels
from analysis.marks.names import letters_of
from analysis.marks.space import Space
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.finding import RunWarning
from analysis.rows.foreign import load_foreign, squared_error
from analysis.rows.groups import Groups, group_runs, varying
from analysis.statistics.differences import BD_RATE, Redrawn, areas, differences, redraw
from analysis.statistics.frontiers import Frontier, frontiers, published, with_both_splits
from analysis.style import HEAD_WIDTH, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View

HEIGHT, TEXT = 2.3, 0.35  # inches: of the axes, and of labels
MOST_FIELDS = 3  # that are named where those asked for make no groups
CHOOSER = "val"  # the split that says which points are on the front
OWN, PUBLISHED = "runs", "as published"  # what is said of runs that have no other name, and of points of others


@dataclass(frozen=True)
class _Side:
    """What is shown of one data set: its head, all points of its frontiers, and what is stated beneath."""

    head: str
    points: pd.DataFrame
    stated: Stated


@dataclass(frozen=True)
class _Compared:
    """What is compared on all axes; `foreign` is from `load_foreign`."""

    groups: Groups
    foreign: pd.DataFrame

    @property
    def labels(self) -> list[str]:
        """Of the frontiers, those of the runs first."""
        return [*map(self.own, self.groups.labels), *dict.fromkeys(map(theirs, self.foreign["name"]))]

    @property
    def shown(self) -> Groups:
        """All of them as groups."""
        return replace(self.groups, labels=tuple(self.labels))

    def own(self, label: str) -> str:
        """What a group of runs is called, which may have no name where it is the only one."""
        return label or (OWN if len(self.foreign) else "")


def theirs(name: str) -> str:
    """What the points of others are called."""
    return f"{name}, {PUBLISHED}"


def frontier(runs: pd.DataFrame, **view: Any) -> Figure:
    """The frontier of each group: a curve through the points that no other beats on validation, shown on `split`.

    A point is the mean over seeds of runs alike. Beneath the axes stands by how much R of two groups differs at equal
    D, and D at equal R, with 95 % intervals: `analysis.statistics.differences`. Published points (`foreign` in
    `View.more`) are a group of their own, whose front is chosen among themselves.

    Args:
        runs: from `load_runs`; each data set has axes of its own.
        view: fields of `analysis.view.View`; `group_by` says which runs make a frontier.

    Raises:
        InputError: where no run has R and D on both splits, and for published points that do not compare.

    Warns:
        RunWarning: one line that names the runs that have not, and one where `group_by` leaves nothing to compare.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`frontier`, for the table of figures."""
    compared = _compared(runs, view)
    parts = titled(runs)
    width = width_of(view, panels=len(parts)) / min(len(parts), 2)
    sides = [_side(rows, compared, view, title, width=width - 0.5) for title, rows in parts]
    if view.group_by and all(side.points["group"].nunique() < 2 for side in sides):
        _warn_of_no_pair(runs, view)
    colours = group_colours(compared.labels)
    with look(view):
        text = [TEXT + line_height() * lines_of(side.head) for side in sides]
        figure, panels = new_figure([[HEIGHT]] * len(sides), text=text, view=view)
        words = []
        for side, (ax,) in zip(sides, panels, strict=True):
            frontier_curves(side.points, colours=colours, ax=ax)
            obey(view, rates=side.points["rate"], distortions=side.points["distortion"], ax=ax)
            ax.set(xlabel=f"rate $R$ [{side.stated.unit}]", ylabel=f"distortion $D$ [{side.stated.unit}]")
            words.append([_words(side, compared.shown, ax=ax)])
        write_beneath(figure, [side.stated for side in sides], _names(compared.shown, words))
        return themed(settle(figure, words), view)


def _warn_of_no_pair(runs: pd.DataFrame, view: View) -> None:
    others = [field for field in varying(runs) if field not in view.group_by]
    such = f", such as {' or '.join(others[:MOST_FIELDS])}" if others else ""
    message = "no data set has runs of two groups, so no difference is stated; give a field in which runs differ"
    warnings.warn(f"--group_by {','.join(view.group_by)}: {message}{such}", RunWarning, stacklevel=4)


def _names(groups: Groups, words: Sequence[Sequence[Words]]) -> dict[str, str]:
    """What groups are called beneath; letters there and in the legends where two names take more than a line."""
    if 2 * max(map(len, groups.labels)) <= HEAD_WIDTH:
        return {label: label for label in groups.labels}
    for one in (one for stack in words for one in stack):
        one.use_letters()
    return letters_of(groups, groups.labels)


def _compared(runs: pd.DataFrame, view: View) -> _Compared:
    return _Compared(group_runs(runs, by=view.group_by), load_foreign(view.more.get("foreign") or (), runs))


def _side(runs: pd.DataFrame, compared: _Compared, view: View, title: str, *, width: float) -> _Side:
    found = _found(runs, compared, view)
    unit = unit_label(runs["units"].iloc[0])
    head = head_of(runs, title, width=width)
    return _Side(head, _points(found), Stated(title, unit, _differences(runs, redraw(found)), _has_published(found)))


def _found(runs: pd.DataFrame, compared: _Compared, view: View) -> list[Frontier]:
    known = with_both_splits(runs, split=view.split, chosen_on=CHOOSER)
    own = frontiers(known, compared.groups, split=view.split, chosen_on=CHOOSER)
    of_data = compared.foreign[compared.foreign["card"] == runs["card"].iloc[0]]
    others = [published(rows, theirs(str(name))) for name, rows in of_data.groupby("name", sort=False)]
    return [*(replace(one, label=compared.own(one.label)) for one in own), *others]


def _has_published(found: Sequence[Frontier]) -> bool:
    return any(not one.seed_numbers for one in found)


def _differences(runs: pd.DataFrame, redrawn: Sequence[Redrawn]) -> pd.DataFrame:
    error = squared_error(runs)
    return differences(redrawn, psnr=error and error.psnr)


def _points(found: Sequence[Frontier]) -> pd.DataFrame:
    parts = [one.points.assign(group=one.label, chosen_on=CHOOSER if one.seed_numbers else "") for one in found]
    return pd.concat(parts, ignore_index=True)


def _words(side: _Side, groups: Groups, *, ax: Axes) -> Words:
    write_head(side.head, ax)
    frontier_keys(side.points, chosen_on=CHOOSER, ax=ax)
    keys = [*group_marks(groups, side.points["group"], **LINE), *ax.get_legend_handles_labels()[0]]

    def write(space: Space) -> None:
        if places := aim_places(side.points):
            place_labels(places, only_free=True, space=space, ax=ax)

    return Words(ax, keys, write=write, head=group_head(groups), brief=brief_head(groups))


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The points of each frontier, and the differences and areas of what two or all have in common."""
    compared = _compared(runs, view)
    tables: dict[str, list[pd.DataFrame]] = {"": [], "-differences": [], "-areas": []}
    for name, rows in data_sets(runs).items():
        found = _found(rows, compared, view)
        redrawn, units = redraw(found), rows["units"].iloc[0]
        pairs = _differences(rows, redrawn)
        shown = {"data": name, "split": view.split}
        tables[""].append(_points(found).assign(units=units, **shown))
        tables["-differences"].append(pairs.assign(units=_units(pairs, units), chosen_on=CHOOSER, **shown))
        tables["-areas"].append(areas(redrawn).assign(units=units, chosen_on=CHOOSER, **shown))
    return {end: pd.concat(parts, ignore_index=True) for end, parts in tables.items()}


def _units(pairs: pd.DataFrame, units: str) -> list[str]:
    return ["%" if kind == BD_RATE else units for kind in pairs["difference"]]
