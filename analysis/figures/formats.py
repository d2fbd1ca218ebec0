"""Tables as text: Markdown whose source reads as a table too, and LaTeX with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from analysis.latex import latex

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


def markdown(table: Table) -> str:
    """Right-aligned columns under their names, below the name and what they rest on.

    Example:
        >>> print(markdown(Table("digits", "nats.", {"D": ["1.5", "2"]}, {"D": [True, False]}, "Bold: the least.")))
        **digits** nats.
        <BLANKLINE>
        |       D |
        | ------: |
        | **1.5** |
        |       2 |
        <BLANKLINE>
        Bold: the least.
    """
    lines = _lines(table, str, lambda text: f"**{text}**")
    widths = [max(2, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * (width - 1) + ":" for width in widths]
    body = "\n".join(f"| {' | '.join(map(str.rjust, line, widths))} |" for line in (lines[0], rule, *lines[1:]))
    return "\n\n".join(filter(None, (f"**{table.name}** {table.basis}", body, table.rule)))


def booktabs(table: Table) -> str:
    r"""A table environment, for a document that has \usepackage{booktabs}.

    Example:
        >>> print(booktabs(Table("a_b", "nats.", {"D": ["1.5 ± 0.1"]}, {"D": [True]}, "Bold: the least.")))
        \begin{table}
          \centering
          \caption{a\_b nats. Bold: the least.}
          \begin{tabular}{r}
            \toprule
            D \\
            \midrule
            \textbf{1.5 $\pm$ 0.1} \\
            \bottomrule
          \end{tabular}
        \end{table}
    """
    head, *rows = (f"    {' & '.join(line)} \\\\" for line in _lines(table, latex, lambda text: rf"\textbf{{{text}}}"))
    caption = latex(" ".join(filter(None, (f"{table.name} {table.basis}", table.rule))))
    begin = [r"\begin{table}", r"  \centering", rf"  \caption{{{caption}}}"]
    body = [rf"  \begin{{tabular}}{{{'r' * len(table.cells)}}}", r"    \toprule", head, r"    \midrule", *rows]
    return "\n".join([*begin, *body, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def _lines(table: Table, written: Callable[[str], str], bold: Callable[[str], str]) -> list[list[str]]:
    """The names and the rows, each cell written in the format."""
    columns = []
    for name, column in table.cells.items():
        marks = table.bold.get(name, [False] * len(column))
        cells = [bold(written(text)) if mark else written(text) for text, mark in zip(column, marks, strict=True)]
        columns.append([written(name), *cells])
    return [list(line) for line in zip(*columns, strict=True)]
