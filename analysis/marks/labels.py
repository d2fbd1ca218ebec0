"""Labels beside points without overlaps: each goes to the first free place on growing circles around its point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation, Text

from analysis.marks.space import Space, pixels
from analysis.style import GREY, INK

RADII = (4.0, 9.0, 15.0, 21.0, 28.0, 36.0, 45.0, 56.0, 68.0, 82.0)  # points, from anchor to the label's nearest edge
DIRECTIONS = tuple(math.radians(a) for a in (45, 0, 20, 70, 90, 110, 135, 160, 180, 200, 225, 250, 270, 290, 315, 340))
GAP = 2.0  # points kept free on each side of a label, so that two of them do not read as one
LEADER_FROM = 9.0  # a label this far away, or nearer to another point, is tied to its own by a line
Point = tuple[float, float]
Places = tuple[np.ndarray, np.ndarray]


def place_labels(
    anchors: Mapping[str, Point], *, only_free: bool = False, space: Space | None = None, ax: Axes
) -> list[Annotation]:
    """Write every label nearest to its own anchor, inside the axes, clear of all lines, markers and other labels.

    Limits, size and layout of the axes must be final: places are found in display units.

    Args:
        anchors: label to data coordinates, in order of precedence.
        only_free: whether a label that finds no place clear of all else is left out.
        space: what of the axes is taken, which the labels add to; None: found here.
        ax: the axes, with everything drawn that labels should avoid.
    """
    space = space or Space(ax)
    points = ax.transData.transform(np.array(list(anchors.values())))
    placed = []
    for text, anchor in anchors.items():
        label = label_at(text, anchor, ax=ax)
        box = _settle(label, space, points, ax)
        if only_free and not space.free(box[None])[0]:
            label.remove()
        else:
            space.take(box[None])
            placed.append(label)
    return placed


def label_at(text: str, anchor: Point, *, colour: Any = INK, ax: Axes) -> Annotation:
    """A label with a line to its anchor, both yet to be placed."""
    line: dict[str, Any] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.5}
    where: dict[str, Any] = {"xytext": (0, 0), "textcoords": "offset points", "ha": "center", "va": "center"}
    size = mpl.rcParams["legend.fontsize"]
    return ax.annotate(
        text,
        anchor,
        **where,
        color=colour,
        fontsize=size,
        linespacing=1.15,
        zorder=6,
        arrowprops=line,
        annotation_clip=False,
    )


def _settle(label: Annotation, space: Space, points: np.ndarray, ax: Axes) -> np.ndarray:
    """Move a label to its best place and return the box it takes there."""
    extent = Text.get_window_extent(label)  # without the leader line
    own = ax.transData.transform(label.xy)
    offsets, boxes = places_around(own, extent.width + 2 * pixels(ax, GAP), extent.height, ax=ax)
    covered = space.covered(boxes)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    nearest = np.linalg.norm(centres[:, None] - points, axis=2).min(1)
    astray = np.linalg.norm(centres - own, axis=1) > nearest + 0.5
    faults = 100.0 * ~space.within(boxes) + (covered > 0) + covered / (extent.width * extent.height) + 0.5 * astray
    best = int(np.argmin(faults))
    tie(label, offsets[best], tied=bool(astray[best]) or RADII[best // len(DIRECTIONS)] >= LEADER_FROM)
    return np.asarray(boxes[best])


def tie(label: Annotation, offset: np.ndarray, *, tied: bool) -> None:
    """Put a label at an offset in points from its anchor, with a line to it or without."""
    label.set_position(tuple(offset))
    cast(FancyArrowPatch, label.arrow_patch).set_visible(tied)


def places_around(
    anchor: np.ndarray, width: float, height: float, *, radii: tuple[float, ...] = RADII, ax: Axes
) -> Places:
    """Candidate offsets in points, [P, 2], nearest first, and the boxes a label of this size takes there, [P, 4]."""
    half = np.array([width, height]) / 2
    rays = np.array([(math.cos(a), math.sin(a)) for a in DIRECTIONS])
    offsets = np.concatenate([rays * (pixels(ax, radius) + half) for radius in radii])
    boxes = np.concatenate([anchor + offsets - half, anchor + offsets + half], axis=1)
    return offsets / pixels(ax, 1.0), boxes
