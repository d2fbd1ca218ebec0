"""What marks mean: words beside the lines themselves, then a legend in a free part of the axes, then one above it.

No legend stands where a mark is. `analysis.marks.words` makes the room where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from analysis.marks.labels import GAP, Point, label_at, lead, places_around, tie
from analysis.marks.packing import entries_of, packed
from analysis.marks.space import Boxes, Space, distances, over_lines, pixels
from analysis.style import broken, small_letters

WIDTHS = (30, 64, 20)  # characters of a line of a label, the first that finds a place
ANCHORS = 24  # places along a line at which its label may stand
NEAR = (3.0, 7.0, 12.0)  # points from a line to its label
TIED_FROM = 10.0  # points from which on a leader joins the two
APART = 6.0  # points, a letter's height, by which a label is farther from lines that look like its own than from this
FORMS = ((1, 34), (2, 34), (1, 22), (2, 19), (3, 30))  # of a legend within the axes: columns, and letters of a line
PACKED = (44, 60)  # letters of the width of those of other forms, as low as that lets them be
STRIDE = 2.0  # points from one place of a legend to the next that is tried
MARGIN = 3.0  # points between a legend and all else


def label_lines(handles: Iterable[Artist], *, alike: Sequence[Artist] = (), space: Space, ax: Axes) -> list[Artist]:
    """Write what lines, lone marks and shades mean beside or within them; returns those that found no place.

    Args:
        handles: drawn artists of the axes; one without data, as an entry for many marks, finds no place.
        alike: lines such as those of groups, each of which is labelled only where no other of them is about as near.
        space: what of the axes is taken, which the labels add to.
        ax: the axes; all must be final.
    """
    return [
        handle
        for handle in handles
        if (
            _inside(handle, space, ax)
            if isinstance(handle, PolyCollection)
            else _beside(handle, [line for line in alike if line is not handle], space, ax)
        )
        is None
    ]


def _beside(handle: Artist, others: Sequence[Artist], space: Space, ax: Axes) -> Annotation | None:
    if not isinstance(handle, Line2D) or not len(path := np.asarray(handle.get_xydata(), dtype=float)):
        return None
    anchors = _spread_along(handle.get_transform().transform(path), ax)
    text = str(handle.get_label())
    forms = dict.fromkeys(broken(text, width) for width in WIDTHS)
    paths = over_lines([handle], ax), over_lines(others, ax)
    found = (_placed(form, anchors, paths, space, ax) for form in forms if len(anchors))
    return next((label for label in found if label is not None), None)


def _placed(text: str, anchors: np.ndarray, paths: tuple[Boxes, Boxes], space: Space, ax: Axes) -> Annotation | None:
    """A label at the first free place, the nearest to a line that goes through `anchors`; None where there is none.

    `paths` are the boxes over that line, and over those from which the label must be farther by `APART`.
    """
    label = label_at(text, tuple(anchors[0]), ax=ax)
    extent = Text.get_window_extent(label)
    size = extent.width + 2 * pixels(ax, GAP), extent.height
    corners = ax.transData.transform(anchors)
    found = [places_around(place, *size, radii=NEAR, ax=ax) for place in corners]
    offsets, boxes = np.stack([o for o, _ in found], axis=1), np.stack([b for _, b in found], axis=1)
    free = space.free(boxes.reshape(-1, 4)).reshape(boxes.shape[:2])
    tied = np.repeat(NEAR, len(offsets) // len(NEAR)) >= TIED_FROM
    for one, place in enumerate(corners):
        free[tied, one] &= ~space.crossed(place, boxes[tied, one])
    free[free] = _is_nearest(boxes[free], *paths, ax)
    if not free.any():
        label.remove()
        return None
    near, which = divmod(int(np.argmax(free.ravel())), len(anchors))
    label.xy = tuple(anchors[which])
    tie(label, offsets[near, which], tied=bool(tied[near]))
    space.take(boxes[near, which][None])
    lead(label, boxes[near, which], space, ax)
    return label


def _is_nearest(boxes: Boxes, own: Boxes, others: Boxes, ax: Axes) -> np.ndarray:
    """Which of the boxes a reader takes to belong to their own line and to none of the others: [N]."""
    if not len(others):
        return np.ones(len(boxes), dtype=bool)
    return distances(boxes, others) >= distances(boxes, own) + pixels(ax, APART)


def _spread_along(corners: np.ndarray, ax: Axes) -> np.ndarray:
    """Points within the axes of a path in display units, at equal distances on the page, the middle first."""
    corners = corners[np.isfinite(corners).all(1)]
    if not len(corners):
        return corners
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    places = np.linspace(0, lengths[-1], 6 * ANCHORS) if lengths[-1] else np.zeros(1)
    even = np.stack([np.interp(places, lengths, corners[:, axis]) for axis in (0, 1)], axis=1)
    even = even[((even >= ax.bbox.min) & (even <= ax.bbox.max)).all(1)]
    even = even[np.linspace(0, len(even) - 1, min(ANCHORS, len(even))).astype(int)] if len(even) else even
    order = np.argsort(np.abs(np.arange(len(even)) - (len(even) - 1) / 2), kind="stable")
    return np.asarray(ax.transData.inverted().transform(even[order])) if len(even) else even


def _inside(handle: Artist, space: Space, ax: Axes) -> Annotation | None:
    """A label that lies in a shade as a whole, as far down and to the left as it can."""
    assert isinstance(handle, PolyCollection)
    shade = handle.get_transform().transform_path(handle.get_paths()[0])
    text = str(handle.get_label())
    for words in (text, broken(text, 15), text.partition(":")[0]):
        label = label_at(words, tuple(ax.transData.inverted().transform((0, 0))), ax=ax)
        extent = Text.get_window_extent(label)
        half = np.array([extent.width / 2 + pixels(ax, GAP), extent.height / 2])
        boxes = _everywhere(2 * half, ax)
        corners = boxes[:, [0, 1, 0, 3, 2, 1, 2, 3]].reshape(-1, 2)
        held = shade.contains_points(corners).reshape(-1, 4).all(1) & space.free(boxes)
        if held.any():
            box = boxes[np.flatnonzero(held)[np.argmin((boxes[held, :2]).sum(1))]]
            label.xy = tuple(ax.transData.inverted().transform((box[:2] + box[2:]) / 2))
            tie(label, np.zeros(2), tied=False)
            space.take(box[None])
            return label
        label.remove()
    return None


def _everywhere(size: np.ndarray, ax: Axes) -> np.ndarray:
    """Boxes of one size all over the axes."""
    margin = pixels(ax, 1.0)
    low, high = np.asarray(ax.bbox.min) + margin, np.asarray(ax.bbox.max) - size - margin
    x, y = (np.arange(low[i], high[i] + 1e-9, pixels(ax, STRIDE)) for i in (0, 1))
    corners = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([corners, corners + size], axis=1)


def legend_inside(handles: Sequence[Artist], *, head: str = "", space: Space, ax: Axes) -> bool:
    """Draw a legend in the free part of the axes nearest to their upper right; False where there is none.

    Args:
        handles: its entries.
        head: what stands above them.
        space: what of the axes is taken, which the legend adds to.
        ax: the axes, whose place is final.
    """
    if not handles and not head:
        return True
    for form in _forms(handles, head):
        legend = _drawn(form, ax)
        box = free_place(_size(legend), space, ax)
        if box is not None:
            legend.set_bbox_to_anchor(tuple(ax.transAxes.inverted().transform(box[:2])), transform=ax.transAxes)
            space.take(box[None])
            return True
        legend.remove()
    return False


def legend_sizes(handles: Sequence[Artist], *, head: str = "", ax: Axes) -> list[np.ndarray]:
    """The widths and heights in display units of the legends that `legend_inside` tries."""
    sizes = []
    for form in _forms(handles, head):
        legend = _drawn(form, ax)
        sizes.append(_size(legend))
        legend.remove()
    return sizes


def _forms(handles: Sequence[Artist], head: str) -> Iterator[dict[str, Any]]:
    """What `Axes.legend` takes for each form, the narrow first."""
    labels = [str(handle.get_label()) for handle in handles]
    for columns, width in FORMS:
        said = [broken(label, width) for label in labels]
        yield {"handles": handles, "labels": said, "ncols": columns} | heading(broken(head, columns * width))
    for width in PACKED if len(handles) > 1 else ():
        yield entries_of(handles, packed(labels, width=width)) | heading(broken(head, width))


def _size(legend: Legend) -> np.ndarray:
    box = legend.get_window_extent()
    return np.array([box.width, box.height])


def _drawn(form: dict[str, Any], ax: Axes) -> Legend:
    legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 0), borderaxespad=0.0, **form)
    legend.set_in_layout(False)
    return legend


def free_place(size: np.ndarray, space: Space, ax: Axes, *, corner: Point = (1.0, 1.0)) -> np.ndarray | None:
    """The box of this size in display units, free and nearest to a corner of the axes; None for none."""
    margin = pixels(ax, MARGIN)
    boxes = _everywhere(size, ax)
    free = boxes[space.free(boxes + np.array([-margin, -margin, margin, margin]))]
    if not len(free):
        return None
    wished = ax.bbox.min + np.array(corner) * (ax.bbox.size - size)
    return np.asarray(free[np.argmin(np.linalg.norm(free[:, :2] - wished, axis=1))])


def heading(head: str) -> dict[str, Any]:
    """What gives a legend a line above its entries, as wide as all its columns; nothing for no words."""
    size = mpl.rcParams["legend.fontsize"]
    return {"title": head, "title_fontsize": size, "alignment": "left"} if head else {}


def corner_words(text: str, *, space: Space, ax: Axes) -> Text:
    """Write what the axes are of in their free part that is nearest to the lower right."""
    size = mpl.rcParams["legend.fontsize"]
    words = ax.text(1.0, 0.0, text, transform=ax.transAxes, ha="right", va="bottom", fontsize=size, zorder=6)
    box = words.get_window_extent()
    place = free_place(np.array([box.width, box.height]), space, ax, corner=(1.0, 0.0))
    if place is not None:
        words.set_position(tuple(ax.transAxes.inverted().transform((place[2], place[1]))))
        space.take(place[None])
    return words


def inset_within(share: tuple[float, float], *, space: Space, ax: Axes) -> Axes | None:
    """Axes in the free part of others that is nearest to the upper right, of this share of them; None for no room."""
    letter = small_letters() * ax.figure.dpi / 72
    words = np.array([2.2, 1.3]) * letter  # of the ticks, left of the axes and below
    box = free_place(np.array(share) * ax.bbox.size + words, space, ax)
    if box is None:
        return None
    space.take(box[None])
    low, high = ax.transAxes.inverted().transform([box[:2] + words, box[2:]])
    inset = ax.inset_axes((*low, *(high - low)))
    inset.tick_params(length=1.5, pad=1.5)
    inset.spines[:].set_visible(True)
    inset.locator_params(nbins=3)
    return inset
