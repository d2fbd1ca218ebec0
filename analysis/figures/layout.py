"""Where the axes of a figure and its legends stand: data sets beside each other, two in a row, legends above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from analysis.rows.data_sets import data_sets
from analysis.rows.runs import as_rows
from analysis.rows.scale import scale_note
from analysis.style import COLUMN, wrapped

LINE_HEIGHT = 0.13  # inches, of a line in a legend
BESIDE = 2  # data sets in a row: a page of two columns holds no more


def new_figure(heights: Sequence[Sequence[float]], *, text: Sequence[float]) -> tuple[Figure, list[list[Axes]]]:
    """A figure and, for each data set, its axes below each other over one x axis.

    Args:
        heights: of the axes of each data set, in inches; the highest of a row counts for all beside it.
        text: inches for labels and legends of each data set.
    """
    rows = [heights[i : i + BESIDE] for i in range(0, len(heights), BESIDE)]
    tallest = [max(beside) for row in rows for beside in zip(*row, strict=True)]
    texts = sum(max(text[i : i + BESIDE]) for i in range(0, len(text), BESIDE))
    columns, depth = min(len(heights), BESIDE), len(heights[0])
    figure = Figure(figsize=(columns * COLUMN, sum(tallest) + texts), layout="constrained")
    grid = figure.add_gridspec(len(tallest), columns, height_ratios=tallest)
    return figure, [_stack(figure, grid, depth * (i // BESIDE), i % BESIDE, depth) for i in range(len(heights))]


def _stack(figure: Figure, grid: GridSpec, row: int, column: int, depth: int) -> list[Axes]:
    first = figure.add_subplot(grid[row, column])
    stack = [first, *(figure.add_subplot(grid[row + i, column], sharex=first) for i in range(1, depth))]
    for ax in stack[:-1]:
        ax.tick_params(axis="x", labelbottom=False)
    return stack


def legend_above(ax: Axes, handles: Sequence[Artist], *, head: str = "", ncols: int = 1) -> None:
    """A legend over the axes that starts where the axis labels do; nothing is drawn for no handles."""
    if handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.14, 1.0), ncols=ncols, **heading(head))


def legend_at_top(figure: Figure, handles: Sequence[Artist], *, head: str = "", **style: Any) -> None:
    """A legend over all axes of the figure."""
    figure.legend(handles=handles, loc="outside upper left", **heading(head), **style)


def laid_out(figure: Figure) -> Figure:
    """The figure with the places of its axes final: words alone need room, all marks stay within their axes.

    Without this the layout would measure each mark of each run several times.
    """
    for ax in figure.axes:
        for artist in (*ax.lines, *ax.collections):
            artist.set_in_layout(False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def heading(head: str) -> dict[str, Any]:
    """What gives a legend a line above its entries, as wide as all its columns; nothing for no words."""
    return {"title": head, "title_fontsize": 7, "alignment": "left"} if head else {}


def titled(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each data set under its name; one alone needs none."""
    found = data_sets(runs)
    return [(name if len(found) > 1 else "", rows) for name, rows in found.items()]


def head_of(rows: pd.DataFrame, title: str, *more: str) -> str:
    """What stands above the legend of a data set: its title, what its D is of, and more; empty where there is nothing.

    Args:
        rows: of the data set, from `load_runs`.
        title: from `titled`.
        more: lines that are wrapped already.
    """
    return "\n".join(filter(None, (wrapped(title), wrapped(scale_note(as_rows(rows.head(1))[0])), *more)))


def lines_of(head: str) -> int:
    """How many lines of text these are."""
    return len(head.splitlines())
