"""How groups are told by colour, and their legend entries in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from analysis.marks.groups import POINT_SIZE, by_columns, legend_rows, shape
from analysis.style import COLUMN, Colour, Mark, plain

# Okabe and Ito's colours, in an order in which neighbours differ in lightness too; its vermillion is that of warnings.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#262626")


def group_colours(groups: Iterable[str]) -> dict[str, Colour]:
    """A colour for each group, in the order given; from the seventh on they come again.

    Example:
        >>> list(group_colours(["maf", "normal"]))
        ['maf', 'normal']
    """
    return {group: to_rgba(PALETTE[place % len(PALETTE)]) for place, group in enumerate(groups)}


def group_marks(groups: Sequence[str], shown: Iterable[str], **line: Any) -> list[Artist]:
    """A legend entry for each group that is shown, in its colour and shape; none where there is one group in all."""
    style: Mark = {"linestyle": "none"} | line
    found = [
        Line2D([], [], label=plain(label), color=colour, **style, **shape(place, size=POINT_SIZE))
        for place, (label, colour) in enumerate(group_colours(groups).items())
        if label in set(shown)
    ]
    return list(found) if len(groups) > 1 else []


def in_columns(*rows: Sequence[Artist], less: float = 0.3) -> dict[str, Any]:
    """Entries in the order of a legend over one column, each list from a row of its own on, and its columns.

    Args:
        rows: entries that belong together.
        less: inches that the axes are narrower than the column.
    """
    lines, columns = legend_rows(*filter(None, rows), width=COLUMN - less)
    return {"handles": by_columns(lines), "ncols": columns}
