"""Tables in Markdown whose source reads as a table too."""

from __future__ import annotations

from analysis.figures.cells import Table, lines_of


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
    lines = lines_of(table, str, str, lambda text: f"**{text}**")
    widths = [max(2, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * (width - 1) + ":" for width in widths]
    body = "\n".join(f"| {' | '.join(map(str.rjust, line, widths))} |" for line in (lines[0], rule, *lines[1:]))
    return "\n\n".join(filter(None, (f"**{table.name}** {table.basis}", body, table.rule)))
