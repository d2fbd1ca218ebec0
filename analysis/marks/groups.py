"""How groups of runs are told apart on axes: shapes, lines in order of beta, and the legend's rows that name them."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.defaults import axes_of, groups_of
from analysis.rows.aims import AIMS
from analysis.rows.groups import Groups
from analysis.style import GREY, Colour, Mark, plain

# `groups.MOST` shapes, each with the size at which it looks as large as a circle.
SHAPES: tuple[tuple[Any, float], ...] = (
    ("o", 1.0),
    ("s", 0.95),
    (">", 1.1),
    ("P", 1.4),
    ("d", 1.25),
    ("*", 1.6),
    ("^", 1.1),
    ("p", 1.2),
    ("v", 1.1),
    ((4, 1, 45), 1.6),
    ("<", 1.1),
    ((6, 1, 0), 1.6),
)
POINT_SIZE = 4.3
JOIN: Mark = {"color": GREY, "linewidth": 0.6}
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))  # of the lines of groups, in turn
LONGEST = 56  # characters of a group's label


def shape(place: int, *, size: float) -> Mark:
    """The shape of a group by its place, as large to the eye as a circle of `size` points."""
    marker, scale = SHAPES[place]
    return {"marker": marker, "markersize": size * scale}


def group_mark(place: int, colour: Colour | str, *, size: float) -> Mark:
    """The mark of a group by its place, in a run's colour."""
    face: Mark = {"markerfacecolor": colour, "markerfacecoloralt": "white"}
    return {"linestyle": "none", "color": colour, "markeredgewidth": 0.5, **face, **shape(place, size=size)}


def scatter_shape(place: int, *, size: float = POINT_SIZE) -> Mark:
    """The shape of a group as `Axes.scatter` takes it, whose sizes are areas."""
    marker, scale = SHAPES[place]
    return {"marker": marker, "s": (size * scale) ** 2}


def group_line(place: int) -> Mark:
    """The line of a group, with the shape of its marks where it is explained."""
    return JOIN | {"linestyle": DASHES[place % len(DASHES)]}


def group_lines(data: pd.DataFrame, *, groups: Groups | None = None, ax: Axes | None = None) -> Axes:
    """Runs that differ in beta or target rate and in seed alone joined in its order, at the mean over seeds.

    The line of each group has its name for a label; one whose runs aim at nothing, as models of others may, has the
    name at its points.

    Args:
        data: rows of one split, with `folder`, `rate`, `distortion` and `AIMS`.
        groups: None: those that the rows' configs make.
        ax: None: the current axes.
    """
    ax, groups = axes_of(ax), groups_of(data, groups)
    for place, rows in data.groupby(groups.places(data)) if groups.connected else ():
        aimed = rows.dropna(subset=AIMS, how="all")
        line = rows if aimed.empty else aimed.groupby(AIMS, dropna=False)[["rate", "distortion"]].mean()
        style: Mark = group_line(int(place)) | ({"linestyle": "none"} if aimed.empty else {})
        ax.plot(line["rate"], line["distortion"], zorder=1.9, label=group_label(groups.labels[int(place)]), **style)
    return ax


def group_label(label: str) -> str:
    """The name of a group as figures write it."""
    return plain(textwrap.shorten(label, LONGEST))


def legend_values(groups: Groups) -> list[str]:
    """The labels of groups less the names of the fields that all have, where there are several fields."""
    found = list(groups.labels) if groups.distinguished else []
    for name in groups.common if len(groups.fields) > 1 else ():
        found = [label.replace(f"{name.replace('_', ' ')} ", "", 1) for label in found]
    return found


def group_head(groups: Groups) -> str:
    """What a legend says over entries of groups: the fields whose values all have, and what no mark shows."""
    names = (
        ", ".join(name.replace("_", " ") for name in groups.common)
        if groups.distinguished and len(groups.fields) > 1
        else ""
    )
    return "\n".join(filter(None, (names, groups.note)))


def brief_head(groups: Groups) -> str:
    """What it says where it must be brief: how many fields no mark shows."""
    count = len(groups.undistinguished)
    said = f"runs{' of one mark' * groups.distinguished} differ in {count} fields: see the table"
    return said if count > 1 else groups.note
