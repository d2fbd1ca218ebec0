"""Which parts of an axes are taken by lines, points, words and legends, so that words can go where nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

STEP = 2.0  # points along a line from one box to the next
LINE = 0.8  # points on each side of a line
NOWHERE = 1e-6  # pixels: a way this short along an axis has no slope
Boxes = np.ndarray  # [N, 4] in display units: x0, y0, x1, y1


class Space:
    """The pixels of an axes, of which some are taken. Limits, size and layout of the axes must be final.

    Args:
        ax: the axes, with all its marks.

    Attributes:
        words: boxes of what is written there, which no leader of a label may run through, [N, 4].
    """

    def __init__(self, ax: Axes) -> None:
        self.low = np.floor(ax.bbox.min).astype(int)
        self.shape = np.maximum(np.ceil(ax.bbox.max).astype(int) - self.low, 1)
        self.frame = np.concatenate([ax.bbox.min, ax.bbox.max])
        self.ax = ax
        self.renew()

    def copy(self) -> Space:
        """Another of the same state, for trying."""
        other = copy.copy(self)
        other._taken = self._taken.copy()  # The others are made anew when something is taken.
        other._sums = self._sums.copy()
        return other

    def renew(self) -> None:
        """Look again at what there is on the axes, such as marks that were drawn since."""
        self._taken = np.zeros(self.shape, dtype=bool)
        self._sums = np.zeros(self.shape + 1, dtype=int)
        self.words = words_of(self.ax)
        self._fill(np.concatenate([self.words, *obstacles(self.ax)]))

    def take(self, boxes: Boxes) -> None:
        """Mark all pixels of these boxes, in which words now stand."""
        self.words = np.concatenate([self.words, boxes])
        self._fill(boxes)

    def _fill(self, boxes: Boxes) -> None:
        steps = np.zeros(self.shape + 1, dtype=int)
        x0, y0, x1, y1 = self._pixels(boxes).T
        for x, y, step in ((x0, y0, 1), (x1, y0, -1), (x0, y1, -1), (x1, y1, 1)):
            np.add.at(steps, (x, y), step)
        self._taken |= steps.cumsum(0).cumsum(1)[:-1, :-1] > 0
        self._sums[1:, 1:] = self._taken.cumsum(0).cumsum(1)

    def covered(self, boxes: Boxes) -> np.ndarray:
        """How many pixels of each box are taken: [N]."""
        x0, y0, x1, y1 = self._pixels(boxes).T
        sums = self._sums
        return np.asarray(sums[x1, y1] - sums[x0, y1] - sums[x1, y0] + sums[x0, y0])

    def within(self, boxes: Boxes) -> np.ndarray:
        """Which of the boxes lie in the axes: [N]."""
        return np.asarray((boxes[:, :2] >= self.frame[:2]).all(1) & (boxes[:, 2:] <= self.frame[2:]).all(1))

    def free(self, boxes: Boxes) -> np.ndarray:
        """Which of the boxes lie in the axes with nothing else there: [N]."""
        return self.within(boxes) & (self.covered(boxes) == 0)

    def lead(self, start: np.ndarray, box: np.ndarray) -> None:
        """Mark the pixels of a line from a place to the middle of a box."""
        self._fill(_along_corners(np.stack([start, (box[:2] + box[2:]) / 2]), [2], self.ax))

    def crossed(self, start: np.ndarray, boxes: Boxes) -> np.ndarray:
        """Whether a line from a place to the middle of each box runs through words: [N]."""
        return np.asarray(runs_through(start, boxes, self.words).any(1))

    def _pixels(self, boxes: Boxes) -> np.ndarray:
        boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
        boxes = boxes[np.isfinite(boxes).all(1)] if not np.isfinite(boxes).all() else boxes
        ends = np.concatenate([np.floor(boxes[:, :2]) - self.low, np.ceil(boxes[:, 2:]) - self.low], axis=1)
        return np.clip(ends, 0, np.tile(self.shape, 2)).astype(int)


def obstacles(ax: Axes) -> Iterator[Boxes]:
    """Boxes over each line, marker and error bar of the axes."""
    for line in ax.lines:
        yield from _of_line(line, ax)
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            yield along([np.asarray(segment) for segment in collection.get_segments()], ax)
        elif isinstance(collection, PathCollection):
            places = np.asarray(collection.get_offsets(), dtype=float).reshape(-1, 2)
            half = pixels(ax, float(np.sqrt(np.max(collection.get_sizes(), initial=0.0))) / 2)
            yield around(collection.get_offset_transform().transform(places), half=half)
    bars = [patch.get_window_extent().extents for patch in ax.patches if isinstance(patch, Rectangle)]
    yield np.array(bars).reshape(-1, 4)


def words_of(ax: Axes) -> Boxes:
    """Boxes over the words within an axes, its legend and its insets, [N, 4]."""
    found = [Text.get_window_extent(text) for text in ax.texts if text.get_visible()]
    found += [legend.get_window_extent()] if (legend := ax.get_legend()) else []
    found += [box for inset in ax.child_axes if (box := inset.get_tightbbox()) is not None]
    return np.array([box.extents for box in found]).reshape(-1, 4)


def _of_line(line: Line2D, ax: Axes) -> Iterator[Boxes]:
    if not line.get_visible() or not len(path := np.asarray(line.get_xydata(), dtype=float)):
        return
    corners = line.get_transform().transform(path)
    if line.get_marker() not in ("None", "", None):
        yield around(corners, half=pixels(ax, line.get_markersize() / 2))
    if line.get_linestyle() not in ("None", ""):
        yield _along_corners(corners, [len(corners)], ax)


def over_lines(lines: Iterable[Artist], ax: Axes) -> Boxes:
    """Boxes over the corners of lines, and along them where they are drawn; other artists have none."""
    found = [np.empty((0, 4))]
    for line in lines:
        if isinstance(line, Line2D):
            corners = line.get_transform().transform(np.asarray(line.get_xydata(), dtype=float))
            found.append(around(corners, half=pixels(ax, LINE)))
            found += [] if line.get_linestyle() in ("None", "") else [_along_corners(corners, [len(corners)], ax)]
    return np.concatenate(found)


def distances(boxes: Boxes, others: Boxes) -> np.ndarray:
    """From each box to the nearest of the others, nothing where they meet: [N].

    Example:
        >>> distances(np.array([[0.0, 0, 2, 1]]), np.array([[5.0, 5, 6, 6], [9.0, 0, 9, 1]]))
        array([5.])
    """
    apart = np.maximum(others[:, :2] - boxes[:, None, 2:], boxes[:, None, :2] - others[:, 2:])
    return np.asarray(np.hypot(*np.moveaxis(np.maximum(apart, 0.0), -1, 0)).min(1))


def along(paths: Sequence[np.ndarray], ax: Axes) -> Boxes:
    """Boxes along paths in data coordinates."""
    paths = [path for path in paths if len(path)]
    corners = ax.transData.transform(np.concatenate(paths)) if paths else np.empty((0, 2))
    return _along_corners(corners, [len(path) for path in paths], ax)


def _along_corners(corners: np.ndarray, sizes: Sequence[int], ax: Axes) -> Boxes:
    """Boxes along paths, whose corners in display units follow each other, so many to each."""
    path = np.repeat(np.arange(len(sizes)), sizes)
    ends = np.stack([corners[:-1], corners[1:]], axis=1)[path[:-1] == path[1:]]
    ends = np.clip(ends[np.isfinite(ends).all((1, 2))], -1e4, 1e4)
    lengths = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    counts = 2 + (lengths / pixels(ax, STEP)).astype(int)
    owner = np.repeat(np.arange(len(ends)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (place / (counts[owner] - 1))[:, None]
    return around(ends[owner, 0] * (1 - share) + ends[owner, 1] * share, half=pixels(ax, LINE))


def runs_through(start: np.ndarray, boxes: Boxes, others: Boxes) -> np.ndarray:
    """Whether the line from a place to the middle of each box [N, 4] runs through each of the others [M, 4]: [N, M].

    Example:
        >>> right, beside = np.array([[2.0, -1, 4, 1]]), np.array([[2.0, 2, 4, 4]])
        >>> runs_through(np.zeros(2), np.array([[8.0, -1, 10, 1]]), np.concatenate([right, beside]))
        array([[ True, False]])
    """
    ways = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 - start
    ways = np.where(np.abs(ways) < NOWHERE, NOWHERE, ways)
    low, high = (others[None, :, :2] - start) / ways, (others[None, :, 2:] - start) / ways
    enters, leaves = np.minimum(low, high).max(-1), np.maximum(low, high).min(-1)
    return np.asarray((enters < leaves) & (enters < 1) & (leaves > 0))


def around(centres: np.ndarray, *, half: float) -> Boxes:
    """Boxes of one size around places in display units."""
    centres = centres[np.isfinite(centres).all(1)]
    return np.concatenate([centres - half, centres + half], axis=1)


def pixels(ax: Axes, points: float) -> float:
    """Points of print in display units."""
    return points * ax.figure.dpi / 72
