"""Labels beside points without overlaps: each goes to the first free place on growing circles around its point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation, Text

from analysis.marks.space import Space, pixels, runs_through
from analysis.style import GREY, INK

RADII = (4.0, 9.0, 15.0, 21.0, 28.0, 36.0, 45.0, 56.0, 68.0, 82.0)  # points, from anchor to the label's nearest edge
DIRECTIONS = tuple(math.radians(a) for a in (45, 0, 20, 70, 90, 110, 135, 160, 180, 200, 225, 250, 270, 290, 315, 340))
GAP = 2.0  # points kept free on each side of a label, so that two of them do not read as one
STRUCK = 0.7  # what speaks against a line through other words: more than another's point nearby, less than marks below
ATTEMPTS = 6  # at lines that run through no words
LEADER_FROM = 9.0  # a label this far away, or nearer to another point, is tied to its own by a line
Point = tuple[float, float]


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
    labels = [label_at(text, anchor, ax=ax) for text, anchor in anchors.items()]
    places = [_places(label, point, space, points, ax) for label, point in zip(labels, points, strict=True)]
    placed = []
    for which, chosen in _plan(places, space).items():
        own, box, tied = places[which].own, places[which].boxes[chosen], bool(places[which].tied[chosen])
        struck = tied and space.crossed(own, box[None])[0]
        if only_free and (struck or not space.free(box[None])[0]):
            continue
        tie(labels[which], places[which].offsets[chosen], tied=tied)
        space.take(box[None])
        lead(labels[which], box, space, ax)
        placed.append(labels[which])
    for label in labels:
        if label not in placed:
            label.remove()
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


class Places(NamedTuple):
    """Where a label may go.

    Attributes:
        own: its point, in display units.
        offsets: of each place from it, in points, nearest first.
        boxes: that the label takes there.
        tied: whether a line joins it to its point there.
        faults: what speaks against each place before other labels are written.
    """

    own: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    tied: np.ndarray
    faults: np.ndarray


def _places(label: Annotation, own: np.ndarray, space: Space, points: np.ndarray, ax: Axes) -> Places:
    extent = Text.get_window_extent(label)  # without the leader line
    offsets, boxes = places_around(own, extent.width + 2 * pixels(ax, GAP), extent.height, ax=ax)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    nearest = np.linalg.norm(centres[:, None] - points, axis=2).min(1)
    astray = np.linalg.norm(centres - own, axis=1) > nearest + 0.5
    tied = astray | (np.repeat(RADII, len(DIRECTIONS)) >= LEADER_FROM)
    return Places(own, offsets, boxes, tied, 100.0 * ~space.within(boxes) + 0.5 * astray)


def _plan(places: Sequence[Places], space: Space) -> dict[int, int]:
    """The place of each label, written one after another; where the line of one runs through others, these give way."""
    plans: list[tuple[float, int, dict[int, int]]] = []
    for _ in range(ATTEMPTS):
        plan, faults = _in_order(places, space.copy())
        plans.append((sum(faults.values()), len(plans), plan))
        if not (struck := [which for which in plan if faults[which] >= STRUCK]):
            break
        for which in struck:
            places = _clear(places, which, plan[which])
    return min(plans)[2]


def _in_order(places: Sequence[Places], space: Space) -> tuple[dict[int, int], dict[int, float]]:
    """Each label at its best place, one after another, and what speaks against it."""
    plan, worst = {}, {}
    for which, (own, _, boxes, tied, known) in enumerate(places):
        covered = space.covered(boxes)
        area = (boxes[0, 2:] - boxes[0, :2]).prod()
        faults = known + (covered > 0) + covered / area + STRUCK * (tied & space.crossed(own, boxes))
        plan[which] = best = int(np.argmin(faults))
        worst[which] = float(faults[best])
        space.take(boxes[best][None])
        if tied[best]:
            space.lead(own, boxes[best])
    return plan, worst


def _clear(places: Sequence[Places], which: int, chosen: int) -> list[Places]:
    """The places of all labels, with a fault where others are in the way of the line of one that has chosen its own."""
    line = places[which].own, places[which].boxes[chosen][None]
    return [
        one if other == which else one._replace(faults=one.faults + STRUCK * runs_through(*line, one.boxes)[0])
        for other, one in enumerate(places)
    ]


def tie(label: Annotation, offset: np.ndarray, *, tied: bool) -> None:
    """Put a label at an offset in points from its anchor, with a line to it or without."""
    label.set_position(tuple(offset))
    cast(FancyArrowPatch, label.arrow_patch).set_visible(tied)


def lead(label: Annotation, box: np.ndarray, space: Space, ax: Axes) -> None:
    """The line from a label's point to the middle of its box, where it has one, takes its place."""
    if cast(FancyArrowPatch, label.arrow_patch).get_visible():
        space.lead(ax.transData.transform(label.xy), box)


def places_around(
    anchor: np.ndarray, width: float, height: float, *, radii: tuple[float, ...] = RADII, ax: Axes
) -> tuple[np.ndarray, np.ndarray]:
    """Candidate offsets in points, [P, 2], nearest first, and the boxes a label of this size takes there, [P, 4]."""
    half = np.array([width, height]) / 2
    rays = np.array([(math.cos(a), math.sin(a)) for a in DIRECTIONS])
    offsets = np.concatenate([rays * (pixels(ax, radius) + half) for radius in radii])
    boxes = np.concatenate([anchor + offsets - half, anchor + offsets + half], axis=1)
    return offsets / pixels(ax, 1.0), boxes
