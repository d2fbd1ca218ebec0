"""What a figure's reader sees: every text that is drawn, whether it lies on the page, and what lies over what."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from analysis.marks.space import Space
from analysis.style import STYLE

TOUCH = 1.0  # pixels that two boxes may share: a box is a little larger than its letters
COST = 0.12  # of the height, which legends above axes may have
LEAST = 7.0  # points


def all_axes(figure: Figure) -> list[Axes]:
    """All axes, those within others too."""
    return [ax for outer in figure.axes for ax in (outer, *outer.child_axes)]


def shown_texts(figure: Figure) -> dict[Text, Bbox]:
    """Every text that is drawn, with its box in display units less the leader lines."""
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
    hidden = set()
    for axis in (axis for ax in all_axes(figure) for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        beyond = [tick for tick in ticks if not low <= tick.get_loc() <= high]
        hidden |= {label for tick in beyond for label in (tick.label1, tick.label2)}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in hidden]
    return {text: Text.get_window_extent(text) for text in texts}


def legend_boxes(figure: Figure) -> list[tuple[Axes | None, Bbox]]:
    """The box of each legend, as it is saved, and the axes that it belongs to, None for those of the figure."""
    with mpl.rc_context(STYLE):
        own = [(ax, legend.get_window_extent()) for ax in figure.axes if (legend := ax.get_legend())]
        return own + [(None, legend.get_window_extent()) for legend in figure.legends]


def legend_cost(figure: Figure) -> float:
    """The share of the height that legends outside of axes take: those of the figure, and of its highest column."""
    columns: dict[int, float] = {}
    for ax, box in legend_boxes(figure):
        if ax is not None and box.y0 >= ax.bbox.y1 - TOUCH:
            columns[round(ax.bbox.x0)] = columns.get(round(ax.bbox.x0), 0.0) + box.height
    own = sum(box.height for ax, box in legend_boxes(figure) if ax is None)
    return (own + max(columns.values(), default=0.0)) / figure.bbox.height


def faults(figure: Figure) -> list[str]:
    """Texts that are small, beyond the page, over another, or over the marks of axes that are not their own."""
    boxes = shown_texts(figure)
    small = [f"small: {t.get_text()}" for t in boxes if t.get_fontsize() < LEAST]
    page = figure.bbox
    outside = [
        f"off the page: {t.get_text()}"
        for t, box in boxes.items()
        if (box.min < page.min - TOUCH).any() or (box.max > page.max + TOUCH).any()
    ]
    pairs = combinations(boxes.items(), 2)
    over = [f"{a.get_text()!r} over {b.get_text()!r}" for (a, one), (b, other) in pairs if _share(one, other)]
    return small + outside + over + _covered(figure) + _struck(boxes)


def layout_faults(figure: Figure) -> list[str]:
    """`faults`, and legends that cost more than `COST`."""
    cost = legend_cost(figure)
    return faults(figure) + [f"legends cost {cost:.1%} of {figure.get_figheight():.2f} inches"] * bool(cost > COST)


def run_points(ax: Axes) -> list[tuple[str, int, float, float, tuple[float, ...]]]:
    """Every mark of a run on a plane: its split, the place of its group, R, D, and the colour of its edge or face."""
    found = []
    for marks in ax.collections:
        if isinstance(marks, PathCollection) and marks.get_gid():
            split, place = str(marks.get_gid()).split()
            ink = marks.get_facecolor() if split == "test" else marks.get_edgecolor()
            inks = np.broadcast_to(ink, (len(marks.get_offsets()), 4))
            for (x, y), colour in zip(marks.get_offsets(), inks, strict=True):
                found.append((split, int(place), float(x), float(y), tuple(colour)))
    return found


def segments(ax: Axes, size: int = 2) -> list[np.ndarray]:
    """All segments of so many points in the collections of the axes."""
    found = [c.get_segments() for c in ax.collections if isinstance(c, LineCollection)]
    return [np.asarray(s) for some in found for s in some if len(s) == size]


def said(figure: Figure) -> str:
    """All that is written on the figure, without line breaks."""
    return " | ".join(" ".join(text.get_text().split()) for text in shown_texts(figure))


def _struck(boxes: dict[Text, Bbox]) -> list[str]:
    """Words that the line from another label to its point runs through."""
    found = []
    tied = [t for t in boxes if isinstance(t, Annotation) and t.arrow_patch is not None and t.arrow_patch.get_visible()]
    for label in tied:
        start = label.axes.transData.transform(label.xy)
        ways = start + np.linspace(0, 1, 60)[:, None] * (np.array(boxes[label].get_points()).mean(0) - start)
        for other, box in boxes.items():
            if other is not label and ((ways > box.min + TOUCH) & (ways < box.max - TOUCH)).all(1).any():
                found.append(f"the line of {label.get_text()!r} through {other.get_text()!r}")
    return found


def _covered(figure: Figure) -> list[str]:
    """Legends over marks of their own axes, or over other axes."""
    found = []
    for own, box in legend_boxes(figure):
        others = [ax for ax in figure.axes if ax is not own and _share(box, ax.bbox, 2.0)]
        found += [f"a legend over axes: {box}" for _ in others]
        if own is not None and _share(box, own.bbox, 2.0):
            found += [f"a legend over marks: {box}"] if _marks_under(box, own) else []
    return found


def _marks_under(box: Bbox, ax: Axes) -> bool:
    legend, texts = ax.get_legend(), [text for text in ax.texts if text.get_visible()]
    ax.legend_ = None
    for text in texts:
        text.set_visible(False)
    inner = np.array([[box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1]])
    taken = Space(ax).covered(inner)[0]
    ax.legend_ = legend
    for text in texts:
        text.set_visible(True)
    return bool(taken)


def _share(one: Bbox, other: Bbox, touch: float = TOUCH) -> bool:
    wide, high = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    return min(wide, high) > touch
