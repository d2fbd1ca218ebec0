"""The entries of a legend in rows and columns, so that it is as low as a width lets it be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product, zip_longest
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from analysis.style import LETTER, broken, length

HANDLE = 6  # characters that an entry needs beside its label
BETWEEN = 2  # of these, that lie between an entry and the next
MOST_COLUMNS = 8


class Packing(NamedTuple):
    """How entries stand.

    Attributes:
        places: of the entries, column by column as a legend fills them, None for a blank.
        labels: of the entries, in the order given, with line breaks.
        columns: how many there are.
        lines: of text, one below the other.
    """

    places: tuple[int | None, ...]
    labels: tuple[str, ...]
    columns: int
    lines: int


def packed(labels: Sequence[str], *, width: int) -> Packing:
    """The lowest arrangement of entries with these labels that is no wider than so many characters.

    Of equally low ones it is one that fills rows in the order given, else columns by falling length, so that the long
    stand below each other.

    Example:
        >>> packed(["train", "val", "kept checkpoint"], width=60)[:1]
        ((0, 1, 2),)
        >>> packed(["the first of the long ones", "short", "the other of the long ones", "brief"], width=50).columns
        2
    """
    return min(_candidates(labels, width), key=lambda one: one.lines, default=Packing((), (), 1, 0))


def wide(text: str) -> float:
    """How many average letters a label is wide: measured, or counted where it has formulas.

    Example:
        >>> wide("0000") > wide("iiii")
        True
    """
    if "$" in text:
        return float(length(text))
    font = FontProperties(size=1.0)
    return max(text_to_path.get_text_width_height_descent(line, font, False)[0] for line in text.splitlines()) / LETTER


def _candidates(labels: Sequence[str], width: int) -> Iterator[Packing]:
    by_length = sorted(range(len(labels)), key=lambda place: -wide(labels[place]))
    for breaks, is_sorted in product((False, True), (False, True)):
        for count in range(min(len(labels), MOST_COLUMNS), 0, -1):
            said = [broken(label, max(width // count - HANDLE, 1)) for label in labels] if breaks else list(labels)
            columns = _by_length(by_length, count) if is_sorted else _in_order(len(labels), count)
            widths = [max(wide(said[place]) for place in column) for column in columns]
            if sum(widths) + HANDLE * len(columns) - BETWEEN <= width or (breaks and count == 1):
                yield _packing(columns, said)


def _in_order(size: int, count: int) -> list[list[int]]:
    return [list(range(start, size, count)) for start in range(count)]


def _by_length(order: Sequence[int], count: int) -> list[list[int]]:
    rows = -(-len(order) // count)
    return [sorted(order[start : start + rows]) for start in range(0, len(order), rows)]


def _packing(columns: Sequence[Sequence[int]], labels: Sequence[str]) -> Packing:
    rows = list(zip_longest(*columns))
    lines = [max(labels[place].count("\n") + 1 for place in row if place is not None) for row in rows]
    places = tuple(row[at] for at in range(len(columns)) for row in rows)
    return Packing(places, tuple(labels), len(columns), sum(lines))


def entries_of(handles: Sequence[Artist], packing: Packing) -> dict[str, Any]:
    """The entries of a legend as they are packed."""
    blank = Line2D([], [], linestyle="none")
    entries = [(blank, " ") if at is None else (handles[at], packing.labels[at]) for at in packing.places]
    shown, labels = zip(*entries, strict=True)
    return {"handles": shown, "labels": labels, "ncols": packing.columns}
