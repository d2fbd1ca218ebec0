"""How groups of runs are told apart on axes: shapes, lines in order of beta, and the legend's rows that name them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.rows.aims import AIMS
from analysis.rows.groups import Groups
from analysis.style import COLUMN, GREY, Colour, Mark, plain

# `groups.MOST` shapes, each with the size at which it looks as large as a circle.
SHAPES = (("o", 1.0), ("s", 0.95), (">", 1.1), ("P", 1.4), ("d", 1.25), ("*", 1.6))
POINT_SIZE = 4.3
JOIN: Mark = {"color": GREY, "linestyle": "-", "linewidth": 0.6}
LONGEST = 56  # characters of a group's label
ROW = 68  # characters of a legend as wide as a column
HANDLE = 7  # characters that an entry needs beside its label


def shape(place: int, *, size: float) -> Mark:
    """The shape of a group by its place, as large to the eye as a circle of `size` points."""
    marker, scale = SHAPES[place]
    return {"marker": marker, "markersize": size * scale}


def group_mark(place: int, colour: Colour | str, *, size: float) -> Mark:
    """The mark of a group by its place, in a run's colour."""
    face: Mark = {"markerfacecolor": colour, "markerfacecoloralt": "white"}
    return {"linestyle": "none", "color": colour, "markeredgewidth": 0.5, **face, **shape(place, size=size)}


def group_lines(data: pd.DataFrame, *, groups: Groups, ax: Axes) -> Axes:
    """Runs that differ in beta or target rate and in seed alone joined in its order, at the mean over seeds."""
    if groups.connected:
        aimed = data.assign(group=groups.places(data)).dropna(subset=AIMS, how="all")
        means = aimed.groupby(["group", *AIMS], dropna=False)[["rate", "distortion"]].mean()
        for _, line in means.groupby("group"):
            ax.plot(line["rate"], line["distortion"], zorder=1.9, **JOIN)
    return ax


def group_keys(groups: Groups, *, connected: bool) -> list[Artist]:
    """A legend entry for each group, where there are groups to tell apart.

    Args:
        groups: of all runs of the figure.
        joined: whether `group_lines` are drawn.
    """
    line: Mark = JOIN if connected and groups.connected else {}
    marks = [
        group_mark(place, GREY, size=POINT_SIZE) | line for place in range(len(groups.labels) * groups.distinguished)
    ]
    labels = [plain(textwrap.shorten(label, LONGEST)) for label in groups.labels]
    return [Line2D([], [], label=label, **mark) for label, mark in zip(labels, marks, strict=False)]


def legend_rows(*rows: Sequence[Artist], width: float = COLUMN, handle: int = HANDLE) -> tuple[list[list[Artist]], int]:
    """Legend entries in rows, each list of `rows` from a row of its own on, and in as many columns as `width` holds.

    Args:
        rows: entries that belong together.
        width: inches.
        handle: characters that an entry needs beside its label.
    """
    for columns in range(max(map(len, rows)), 0, -1):
        lines = [list(row[i : i + columns]) for row in rows for i in range(0, len(row), columns)]
        widths = [max(len(str(entry.get_label())) for entry in column if entry) for column in zip_longest(*lines)]
        if sum(widths) + handle * columns <= ROW * width / COLUMN:
            break
    return lines, columns


def by_columns(lines: Sequence[Sequence[Artist]]) -> list[Artist]:
    """Rows of entries in the order of a legend, which fills its columns first, with blanks where a row is short."""
    blank = Line2D([], [], linestyle="none", label=" ")
    return [entry or blank for column in zip_longest(*lines) for entry in column]
