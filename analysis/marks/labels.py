"""Labels beside points without overlaps: each goes to the first free place on growing circles around its point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation, Text

from analysis.style import GREY, INK

RADII = (
    5.0,
    10.0,
    15.0,
    21.0,
    28.0,
    36.0,
    45.0,
    56.0,
    68.0,
    82.0,
)  # points, from the anchor to the nearest edge of the label
DIRECTIONS = tuple(math.radians(a) for a in (45, 0, 20, 70, 90, 110, 135, 160, 180, 200, 225, 250, 270, 290, 315, 340))
GAP = 2.0  # points kept free on each side of a label, so that two of them do not read as one
LEADER_FROM = 10.0  # a label this far away, or nearer to another point, is tied to its own by a line
Point = tuple[float, float]
Places = tuple[np.ndarray, np.ndarray]


def place_labels(anchors: Mapping[str, Point], *, only_free: bool = False, ax: Axes) -> list[Annotation]:
    """Write every label nearest to its own anchor, inside the axes, clear of all lines, markers and other labels.

    Limits, size and layout of the axes must be final: places are found in display units.

    Args:
        anchors: label to data coordinates, in order of precedence.
        only_free: whether a label that finds no place clear of the others is left out.
        ax: the axes, with everything drawn that labels should avoid.
    """
    marks = np.concatenate([np.empty((0, 4)), *_obstacles(ax)])
    points = ax.transData.transform(np.array(list(anchors.values())))
    placed: dict[Annotation, np.ndarray] = {}
    for text, anchor in anchors.items():
        label, others = (
            _label(text, anchor, ax),
            np.concatenate([np.empty((0, 4)), *(b[None] for b in placed.values())]),
        )
        box = _settle(label, np.concatenate([marks, others]), points, ax)
        if only_free and not _apart(box[None], others).all():
            label.remove()
        else:
            placed[label] = box
    return list(placed)


def _apart(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of the boxes, [N, 4], is clear of which of the others, [M, 4]: [N, M]."""
    beyond = (boxes[:, None, :2] > others[:, 2:]) | (boxes[:, None, 2:] < others[:, :2])
    return np.asarray(beyond.any(2))


def _obstacles(ax: Axes) -> Iterator[np.ndarray]:
    """Boxes in display units, [M, 4] as x0, y0, x1, y1, over each line, marker and error bar of the axes."""
    for line in ax.lines:
        path = np.asarray(line.get_xydata(), dtype=float)
        if line.get_marker() != "None":
            yield _boxes(ax.transData.transform(path), half=_pixels(ax, line.get_markersize() / 2))
        if line.get_linestyle() != "None":
            yield _boxes_along(path, ax)
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            yield from (_boxes_along(np.asarray(segment), ax) for segment in collection.get_segments())


def _boxes_along(path: np.ndarray, ax: Axes) -> np.ndarray:
    corners, step = ax.transData.transform(path), _pixels(ax, 2.0)
    pieces = [
        start + np.linspace(0, 1, 2 + int(np.hypot(*(stop - start)) / step))[:, None] * (stop - start)
        for start, stop in pairwise(corners)
    ]
    return _boxes(np.concatenate([np.empty((0, 2)), *pieces]), half=_pixels(ax, 0.8))


def _boxes(centres: np.ndarray, *, half: float) -> np.ndarray:
    return np.concatenate([centres - half, centres + half], axis=1)


def _label(text: str, anchor: Point, ax: Axes) -> Annotation:
    line: dict[str, Any] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.5}
    where: dict[str, Any] = {"xytext": (0, 0), "textcoords": "offset points", "ha": "center", "va": "center"}
    return ax.annotate(text, anchor, **where, color=INK, fontsize=7, zorder=6, arrowprops=line, annotation_clip=False)


def _settle(label: Annotation, taken: np.ndarray, points: np.ndarray, ax: Axes) -> np.ndarray:
    """Move a label to its best place and return the box it takes there."""
    extent = Text.get_window_extent(label)  # without the leader line
    own = ax.transData.transform(label.xy)
    offsets, boxes = _places(own, extent.width + 2 * _pixels(ax, GAP), extent.height, ax)
    frame = ax.bbox
    outside = (boxes[:, :2] < frame.min).any(1) | (boxes[:, 2:] > frame.max).any(1)
    apart = _apart(boxes, taken)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    nearest = np.linalg.norm(centres[:, None] - points, axis=2).min(1)
    astray = np.linalg.norm(centres - own, axis=1) > nearest
    best = int(np.argmin(100 * outside + (~apart).sum(1) + 0.5 * astray))
    label.set_position(offsets[best])
    tied = astray[best] or RADII[best // len(DIRECTIONS)] >= LEADER_FROM
    cast(FancyArrowPatch, label.arrow_patch).set_visible(tied)
    return boxes[best]


def _places(anchor: np.ndarray, width: float, height: float, ax: Axes) -> Places:
    """Candidate offsets in points, [P, 2], nearest first, and the boxes a label of this size takes there, [P, 4]."""
    half = np.array([width, height]) / 2
    rays = np.array([(math.cos(a), math.sin(a)) for a in DIRECTIONS])
    pixels = np.concatenate([rays * (_pixels(ax, radius) + half) for radius in RADII])
    boxes = np.concatenate([anchor + pixels - half, anchor + pixels + half], axis=1)
    return pixels / _pixels(ax, 1.0), boxes


def _pixels(ax: Axes, points: float) -> float:
    return points * ax.figure.dpi / 72
