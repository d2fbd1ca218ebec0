"""Legends above axes: what they may cost, how they are drawn, and what the caption says in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from analysis.marks.legends import heading
from analysis.marks.packing import Packing, entries_of

LINE = 1.42  # of the size of letters, from one row of a legend to the next
COST = 0.12  # of a figure's height, which legends outside of axes take at most
PLANNED = 2  # rows of a legend above the axes, for which figures have room
ALIGNED = 0.32  # inches left of the axes, where a legend above begins
BORDER = 0.03  # inches between it and the end of the page
ABOVE = 4.0  # points between a legend above the axes and their title


@dataclass
class Room:
    """Rows that the legends above axes below each other may still have together."""

    rows: float = PLANNED


def explain(figure: Figure, line: str) -> None:
    """Add a line to the caption of the figure, which lies beside it: what it says by a number alone."""
    said = str(figure.get_label()).splitlines()
    figure.set_label("\n".join(dict.fromkeys((*said, line))))


def legend_above(ax: Axes, handles: Sequence[Artist], packing: Packing, *, head: str = "", lift: float = 0.0) -> None:
    """A legend over the axes that starts where the axis labels do; nothing is drawn for no handles.

    Args:
        ax: the axes.
        handles: its entries.
        packing: how they stand, from `packed`.
        head: what stands above them.
        lift: points between the axes and the legend.
    """
    if handles:
        place = ScaledTranslation(-ALIGNED, lift / 72, cast(Figure, ax.figure).dpi_scale_trans)
        where: dict[str, Any] = {"bbox_to_anchor": (0.0, 1.0), "bbox_transform": ax.transAxes + place}
        ax.legend(**entries_of(handles, packing), loc="lower left", **where, **heading(head))
