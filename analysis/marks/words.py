"""All that is written on one axes once its place on the page is final, and the room that is made for it.

First come the labels of points, then a legend of the marks that are many, then words beside lines, each where nothing
else is. What finds no room is said in fewer words, then by a legend of two rows above the axes, and if these are too
few the axes reach higher until the legend has room among the marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.marks.groups import HANDLE, by_columns, legend_rows
from analysis.marks.legends import broken, free_place, heading, label_lines, legend_inside, legend_sizes
from analysis.marks.space import Space
from analysis.style import characters, shortened, small_letters

LINE = 1.35  # of the size of letters, from one row of a legend to the next
MOST_ROWS = 2  # of a legend above the axes: an eighth of the height of a figure of one column at most
HIGHER, HIGHEST = 0.12, 7  # of the axes' height, which they grow by at each step, and how many steps


@dataclass
class Words:
    """What is to be written, and how far it has come.

    Attributes:
        ax: the axes.
        keys: artists for the legend.
        direct: drawn artists that are explained beside themselves, or by the legend where there is no room.
        together: drawn artists that are all explained beside themselves or all by the legend, with its entries.
        write: draws what depends on the final layout, such as labels of points, into the space that is left.
        head: what the legend says above its entries.
        blocks: each draws something in a free part of the axes, such as a bar of colours, and says whether it could.
        grows: whether the axes may reach higher than their marks.
    """

    ax: Axes
    keys: Sequence[Artist] = ()
    direct: Sequence[Artist] = ()
    together: Sequence[tuple[Artist, Artist]] = ()
    write: Callable[[Space], object] = lambda space: None
    head: str = ""
    blocks: Sequence[Callable[[Space], bool]] = ()
    grows: bool = True
    is_done: bool = False
    is_short: bool = False
    is_above: bool = False
    steps: int = 0

    def __post_init__(self) -> None:
        self._known = {id(artist) for artist in self.ax.get_children()}
        self._higher = 0  # lines by which the figure is higher
        self._top = self.ax.get_ylim()[1]

    def attempt(self) -> bool:
        """Write all there is to write; whether the legend has room. What fails beside its line goes to the legend."""
        self.write(space := Space(self.ax))
        drawn = [draw(space) for draw in self.blocks]  # all of them, so that all take their room
        if not all(drawn):
            return False
        has_room = self.is_above or legend_inside(self.keys, head=self.head, space=space, ax=self.ax)
        if has_room:
            self._write_beside(space)
        return has_room and (self.is_done or not self.is_above)  # a legend above must be written anew

    def _write_beside(self, space: Space) -> None:
        failed_groups = label_lines([line for line, _ in self.together], space=space, ax=self.ax)
        failed = label_lines(self.direct, space=space, ax=self.ax)
        self.is_done = not (failed or failed_groups)
        self.direct = [artist for artist in self.direct if artist not in failed]
        self.keys = [*self.keys, *failed]
        if failed_groups:
            self.keys, self.together = [*self.keys, *(entry for _, entry in self.together)], ()

    def erase(self) -> None:
        """Take away all that was written."""
        for artist in [one for one in self.ax.get_children() if id(one) not in self._known]:
            artist.remove()
        self.is_done = False

    def make_room(self) -> bool:
        """For a legend that has found none; whether the figure must be laid out again."""
        if not self.is_short:
            self._shorten()
            return False
        if (
            self.is_above
            or not self.grows
            or self.steps >= HIGHEST
            or (self._height() <= MOST_ROWS and not self.blocks)
        ):
            self._put_above()
        else:
            self._reach_higher()
        return True

    def _put_above(self) -> None:
        """The legend goes above the axes, instead of the one that stands there; the last resort is a higher figure."""
        if legend := self.ax.get_legend():
            self._known.discard(id(legend))
        self.ax.set_ylim(top=self._top)
        self._take_title()
        for key in self.keys:
            key.set_label(broken(str(key.get_label()), characters(self._width) // 2 - HANDLE))
        if (more := max(self._height() - MOST_ROWS, 0) - self._higher) > 0:
            self._higher += more
            figure = cast(Figure, self.ax.figure)
            figure.set_figheight(figure.get_figheight() + more * LINE * small_letters() / 72)
        rows, columns = legend_rows(self.keys, width=self._width) if self.keys else ([], 1)
        legend_above(self.ax, by_columns(rows), head=self._head(), ncols=columns)
        self.is_above = True
        self._known.add(id(self.ax.get_legend()))

    def _take_title(self) -> None:
        """The legend says what stands over the axes, where it will stand itself."""
        if title := self.ax.get_title(loc="left"):
            self.head = "\n".join(filter(None, (title, self.head)))
            self.ax.set_title("", loc="left")

    @cached_property
    def _width(self) -> float:
        """Inches of a legend above, which begins where the labels of the axis do; first asked for once it is laid out.

        Kept, since a legend that is too wide leaves the axes no room.
        """
        return 1.1 * self.ax.bbox.width / cast(Figure, self.ax.figure).dpi

    def _head(self) -> str:
        return broken(self.head, characters(self._width)) if self.head else ""

    def _height(self) -> int:
        """Lines of a legend above."""
        rows, _ = legend_rows(self.keys, width=self._width) if self.keys else ([], 1)
        lines = [max(str(entry.get_label()).count("\n") + 1 for entry in row) for row in rows]
        return sum(lines) + len(self._head().splitlines())

    def _shorten(self) -> None:
        self.is_short = True
        for artist in (*self.keys, *self.direct):
            artist.set_label(shortened(str(artist.get_label())))

    def _reach_higher(self) -> None:
        sizes = legend_sizes(self.keys, head=self.head, ax=self.ax)
        for step in range(self.steps + 1, HIGHEST + 1):
            self.steps = step
            top = self.ax.transAxes.transform((0, 1 + HIGHER))
            self.ax.set_ylim(top=float(self.ax.transData.inverted().transform(top)[1]))
            space = Space(self.ax)
            if any(free_place(size, space, self.ax) is not None for size in sizes):
                break


def legend_above(ax: Axes, handles: Sequence[Artist], *, head: str = "", ncols: int = 1) -> None:
    """A legend over the axes that starts where the axis labels do; nothing is drawn for no handles."""
    if handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.12, 1.0), ncols=ncols, **heading(head))
