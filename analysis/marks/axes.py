"""How groups are told by colour, and their legend entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from analysis.marks.groups import POINT_SIZE, shape
from analysis.marks.names import named
from analysis.rows.groups import Groups
from analysis.style import Colour, Mark

# Okabe and Ito's colours, in an order in which neighbours differ in lightness too; its vermillion is that of warnings.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#262626")


def group_colours(groups: Iterable[str]) -> dict[str, Colour]:
    """A colour for each group, in the order given; from the seventh on they come again.

    Example:
        >>> list(group_colours(["maf", "normal"]))
        ['maf', 'normal']
    """
    return {group: to_rgba(PALETTE[place % len(PALETTE)]) for place, group in enumerate(groups)}


def group_marks(groups: Groups, shown: Iterable[str], **line: Any) -> list[Artist]:
    """A legend entry for each group that is shown, in its colour and shape; none where there is one group in all."""
    style: Mark = {"linestyle": "none"} | line
    kept = set(shown)
    return [
        named(Line2D([], [], color=colour, **style, **shape(place, size=POINT_SIZE)), place, groups)
        for place, (label, colour) in enumerate(group_colours(groups.labels).items())
        if label in kept and groups.distinguished
    ]
