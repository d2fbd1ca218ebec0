"""A table that is still to be written, as cells of text, and its lines in some format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Cells = Mapping[str, Sequence[str]]  # the columns of a table by their names


class Table(NamedTuple):
    """A table that is still to be written.

    Attributes:
        name: what it is of.
        basis: what its numbers rest on.
        cells: its columns.
        bold: which cells of some columns stand out.
        rule: what these are, for a line beneath; empty where there are none.
    """

    name: str
    basis: str
    cells: Cells
    bold: Mapping[str, Sequence[bool]]
    rule: str


def lines_of(
    table: Table, named: Callable[[str], str], written: Callable[[str], str], bold: Callable[[str], str]
) -> list[list[str]]:
    """The names of the columns and the rows, each cell written in the format.

    Args:
        table: the table.
        named: a column's name in the format.
        written: a cell's text in the format.
        bold: a cell that is written, standing out.

    Example:
        >>> lines_of(Table("a", "", {"D": ["1", "2"]}, {"D": [True, False]}, ""), str, str, lambda text: f"*{text}*")
        [['D'], ['*1*'], ['2']]
    """
    columns = []
    for name, column in table.cells.items():
        marks = table.bold.get(name, [False] * len(column))
        cells = [bold(written(text)) if mark else written(text) for text, mark in zip(column, marks, strict=True)]
        columns.append([named(name), *cells])
    return [list(line) for line in zip(*columns, strict=True)]
