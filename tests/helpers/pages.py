"""What a figure's reader sees: every text that is drawn, whether it lies on the page, and what lies over what."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.style import STYLE

TOUCH = 1.0  # pixels that two boxes may share: a box is a little larger than its letters


def shown_texts(figure: Figure) -> dict[Text, Bbox]:
    """Every text that is drawn, with its box in display units less the leader lines."""
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
    hidden = set()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        hidden |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in hidden]
    return {text: Text.get_window_extent(text) for text in texts}


def faults(figure: Figure) -> list[str]:
    """Texts that are small, beyond the page, over another, or over the marks of axes that are not their own."""
    boxes = shown_texts(figure)
    small = [f"small: {t.get_text()}" for t in boxes if t.get_fontsize() < 7]
    page = figure.bbox
    outside = [
        f"off the page: {t.get_text()}"
        for t, box in boxes.items()
        if (box.min < page.min - TOUCH).any() or (box.max > page.max + TOUCH).any()
    ]
    pairs = combinations(boxes.items(), 2)
    over = [f"{a.get_text()!r} over {b.get_text()!r}" for (a, one), (b, other) in pairs if _share(one, other)]
    frames = [ax.bbox for ax in figure.axes]
    legends = [box for ax in figure.axes if (found := ax.get_legend()) for box in [found.get_window_extent()]]
    covered = [f"a legend over axes: {box}" for box in legends for frame in frames if _share(box, frame, 2.0)]
    return small + outside + over + covered


def _share(one: Bbox, other: Bbox, touch: float = TOUCH) -> bool:
    wide, high = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    return min(wide, high) > touch
