"""Where the axes of a figure stand: data sets beside each other, two in a row; and the words on them, when all is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import AutoLocator

from analysis.marks.above import COST, LINE, Room, explain
from analysis.marks.betas import beta_bar, beta_rows
from analysis.marks.legends import heading as heading
from analysis.marks.packing import entries_of, packed
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.runs import as_rows
from analysis.rows.scale import scale_note
from analysis.style import COLUMN, Colours, characters, plain, small_letters
from analysis.venues import width_of
from analysis.view import View

PLAIN = View()
LINE_HEIGHT = 0.13  # inches, of a line of the smallest letters
BESIDE = 2  # data sets in a row: a page of two columns holds no more
ATTEMPTS = 16  # at finding room for all words
MOST_TICKS = 9


def new_figure(
    heights: Sequence[Sequence[float]], *, text: Sequence[float], view: View = PLAIN
) -> tuple[Figure, list[list[Axes]]]:
    """A figure and, for each data set, its axes below each other over one x axis.

    Args:
        heights: of the axes of each data set, in inches; the highest of a row counts for all beside it.
        text: inches for labels and titles of each data set.
        view: whose width it has.
    """
    rows = [heights[i : i + BESIDE] for i in range(0, len(heights), BESIDE)]
    tallest = [max(beside) for row in rows for beside in zip(*row, strict=True)]
    texts = sum(max(text[i : i + BESIDE]) for i in range(0, len(text), BESIDE))
    columns, depth = min(len(heights), BESIDE), len(heights[0])
    width = width_of(view, panels=len(heights))
    figure = Figure(figsize=(width, sum(tallest) + texts), layout="constrained")
    grid = figure.add_gridspec(len(tallest), columns, height_ratios=tallest)
    return figure, [_stack(figure, grid, depth * (i // BESIDE), i % BESIDE, depth) for i in range(len(heights))]


def _stack(figure: Figure, grid: GridSpec, row: int, column: int, depth: int) -> list[Axes]:
    first = figure.add_subplot(grid[row, column])
    stack = [first, *(figure.add_subplot(grid[row + i, column], sharex=first) for i in range(1, depth))]
    for ax in stack[:-1]:
        ax.tick_params(axis="x", labelbottom=False)
    return stack


def laid_out(figure: Figure) -> Figure:
    """The figure with the places of its axes final: words alone need room, all marks stay within their axes.

    Without this the layout would measure each mark of each run several times. It is carried out alone, since a figure
    that has an engine is drawn once more before it is saved.
    """
    for ax in figure.axes:
        for artist in (*ax.lines, *ax.collections, *ax.patches):
            artist.set_in_layout(False)
    _number_ticks(figure, "auto")
    ConstrainedLayoutEngine().execute(figure)
    if len(figure.axes) > 1:  # Axes that share the height have other ticks once they have it.
        _number_ticks(figure)
        ConstrainedLayoutEngine().execute(figure)
    figure.set_layout_engine(None)
    return figure


def _number_ticks(figure: Figure, number: Literal["auto"] | None = None) -> None:
    """As many ticks as there is room for now: where each pass decides anew, the layout may never come to an end."""
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(locator := axis.get_major_locator(), AutoLocator):
            locator.set_params(nbins=number or min(max(axis.get_tick_space(), 1), MOST_TICKS))


def settle(figure: Figure, stacks: Sequence[Sequence[Words]]) -> Figure:
    """Lay the figure out and write all words; where a legend finds no room, make some and begin again.

    Args:
        figure: from `new_figure`.
        stacks: the words of each data set.
    """
    words = [one for stack in stacks for one in stack]
    laid_out(figure)
    for stack in stacks:
        _head_over_entries(stack)
        room = _room(figure, rows=-(-len(stacks) // BESIDE))
        for one in stack:
            one.room, one.stack = room, stack
    for _ in range(ATTEMPTS):
        if not (pending := [one for one in words if not one.is_done]):
            break
        stuck = [one for one in pending if not one.attempt()]
        for one in pending:
            if not one.is_done:
                one.erase()
        relaid = [one.make_room() for one in stuck]  # all of them, not the first alone
        if any(relaid):
            for one in words:
                one.erase()
            laid_out(figure)
    for line in (line for one in words for line in one.caption()):
        explain(figure, line)
    return figure


def _head_over_entries(stack: Sequence[Words]) -> None:
    """What a legend without entries would say is said by the next that has some, else by the title in brief."""
    for one in stack:
        if one.head and not (one.keys or one.together):
            other = next((other for other in stack if other.keys), None)
            if other is None:
                write_head("\n".join(filter(None, (one.ax.get_title(loc="left"), one.brief))), one.ax)
            else:
                other.head, other.brief = one.head, one.brief
            one.head = one.brief = ""


def _room(figure: Figure, *, rows: int) -> Room:
    """What legends over the axes of one data set may have, of a figure with so many rows of them."""
    own = sum(legend.get_window_extent().height for legend in figure.legends) / figure.dpi
    inches = (COST * figure.get_figheight() - own) / rows
    return Room(int((72 * inches - 1) / (LINE * small_letters())))


def titled(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each data set under its name; one alone needs none."""
    found = data_sets(runs)
    return [(name if len(found) > 1 else "", rows) for name, rows in found.items()]


def head_of(rows: pd.DataFrame, title: str, *more: str, width: float = COLUMN - 0.5) -> str:
    """What stands above the axes of a data set: its title, and what its D is of; empty where there is nothing.

    Args:
        rows: of the data set, from `load_runs`.
        title: from `titled`.
        more: what else is said, each on lines of its own.
        width: inches that a line may have.
    """
    said = filter(None, (title, scale_note(as_rows(rows.head(1))[0]), *more))
    return "\n".join(textwrap.fill(plain(text), characters(width)) for text in said)


def lines_of(head: str) -> int:
    """How many lines of text these are."""
    return len(head.splitlines())


def write_head(head: str, ax: Axes, *, lift: float = 0.0) -> None:
    """Write what `head_of` says over the axes, so many points higher than else."""
    if head:
        size = mpl.rcParams["legend.fontsize"]
        ax.set_title(head, loc="left", fontsize=size, x=0.0, pad=4 + lift, linespacing=1.1)


def explain_above(figure: Figure, entries: Sequence[Artist]) -> None:
    """A legend over all axes of the figure, as low as its width lets it be."""
    found = {str(entry.get_label()): entry for entry in entries}
    if found:
        packing = packed(list(found), width=characters(figure.get_figwidth()))
        figure.legend(**entries_of(list(found.values()), packing), loc="outside upper left")


def explain_colours(figure: Figure, panels: Sequence[Sequence[Axes]], colours: Colours) -> None:
    """A row of all betas at the top of the figure, or a bar of their colours where these are too many for it."""
    if not colours:
        return
    if (row := beta_rows(colours, width=figure.get_figwidth())) is not None:
        figure.legend(**entries_of(*row), loc="outside upper left", handlelength=0.9)
    else:
        beta_bar(colours, figure, [ax for axes in panels for ax in axes])
