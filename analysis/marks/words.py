"""All that is written on one axes once its place on the page is final, and the room that is made for it.

First come the labels of points, then a legend of the marks that are many, then words beside lines, each where nothing
else is. What finds no room is said in fewer words; then the axes reach higher until the legend has room among the
marks, or it goes above them, where all legends of a stack of axes have `COST` of the height together. A legend that
would cost more says less, and in the end has letters for groups, which the caption explains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.marks import names
from analysis.marks.above import ABOVE, ALIGNED, BORDER, LINE, PLANNED, Room, legend_above
from analysis.marks.legends import free_place, label_lines, legend_inside, legend_sizes
from analysis.marks.packing import Packing, packed
from analysis.marks.space import Space
from analysis.style import broken, characters, shortened, small_letters

HIGHER, HIGHEST = 0.12, 7  # of the axes' height, which they grow by at each step, and how many steps
NARROWER = 0.99  # than it must be, where a legend above was too wide
FOR_LINES = 4  # steps for words beside lines of axes without a legend


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
        brief: what it says instead where there is little room.
        blocks: each draws something in a free part of the axes, such as a bar of colours, and says whether it could.
        grows: whether the axes may reach higher than their marks.
        inside: whether the legend may stand among the marks.
        lift: where a legend above begins, in points over the axes.
        room: what legends above may have, shared with the other axes of a stack.
        stack: the words of all these axes from the top down, these among them.
    """

    ax: Axes
    keys: Sequence[Artist] = ()
    direct: Sequence[Artist] = ()
    together: Sequence[tuple[Artist, Artist]] = ()
    write: Callable[[Space], object] = lambda space: None
    head: str = ""
    brief: str = ""
    blocks: Sequence[Callable[[Space], bool]] = ()
    grows: bool = True
    inside: bool = True
    lift: float = 0.0
    room: Room = field(default_factory=Room)
    stack: Sequence[Words] = ()
    is_done: bool = False
    is_short: bool = False
    is_above: bool = False
    form: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self._known = {id(artist) for artist in self.ax.get_children()}
        self._higher = self._rows = 0  # rows by which the figure is higher, and that the legend above has
        self._top, self._pairs = self.ax.get_ylim()[1], list(self.together)

    def attempt(self) -> bool:
        """Write all there is to write; whether it has room. What fails beside its line goes to the legend."""
        self.write(space := Space(self.ax))
        drawn = [draw(space) for draw in self.blocks]  # all of them, so that all take their room
        if not (all(drawn) and (self.is_above or self._write_inside(space))):
            return False
        failed_groups = self._label_groups(space)
        failed = label_lines(self.direct, space=space, ax=self.ax)
        self.is_done = not (failed or failed_groups)
        if self.is_done or self._grows_for_lines():
            return self.is_done
        self._to_legend(failed, failed_groups)
        return not self.is_above  # a legend above must be written anew

    def _label_groups(self, space: Space) -> list[Artist]:
        """Names where no other group's line is about as near; letters, where no legend has room, near others too."""
        groups = [line for line, _ in self.together]
        failed = label_lines(groups, alike=groups, space=space, ax=self.ax)
        return failed if self._pairs else label_lines(failed, space=space, ax=self.ax)

    def _write_inside(self, space: Space) -> bool:
        if not self.inside:
            return not (self.keys or self.said)
        return legend_inside(self.keys, head=self.said, space=space, ax=self.ax)

    def _to_legend(self, failed: Sequence[Artist], failed_groups: Sequence[Artist]) -> None:
        self.direct = [artist for artist in self.direct if artist not in failed]
        self.keys = [*self.keys, *failed]
        if failed_groups:
            self.keys, self.together = [*self.keys, *(entry for _, entry in self.together)], ()

    def _grows_for_lines(self) -> bool:
        """Whether these axes, which need no legend, do better to reach a little higher than to have one."""
        has_none = self.is_above or not (self.keys or self.said or self.together)
        return self.grows and self.steps < FOR_LINES and has_none

    def erase(self) -> None:
        """Take away all that was written."""
        for artist in [one for one in self.ax.get_children() if id(one) not in self._known]:
            artist.remove()
        self.is_done = False

    def make_room(self) -> bool:
        """For what has found none; whether the figure must be laid out again."""
        if not self.is_short:
            self._shorten()
            return False
        if self._grows_for_lines():
            self._reach(self.steps + 1)
            return True
        can_grow = self.grows and self.inside and not self.is_above and self.steps < HIGHEST
        if can_grow and (self.blocks or not self._fits):
            self._reach_higher()
        elif not (self._fits or self._is_briefest or self.is_above):
            self._abbreviate()
        else:
            self._go_above()
        return True

    @property
    def said(self) -> str:
        """What the legend says above its entries in its form."""
        return (self.head, self.brief, "")[names.FORMS[self.form][0]]

    @property
    def _is_briefest(self) -> bool:
        return self.form == len(names.FORMS) - 1

    @property
    def _fits(self) -> bool:
        """Whether a legend above has the rows that it needs."""
        return self._height() <= self.room.rows + self._rows

    def _go_above(self) -> None:
        self._abbreviate()
        if self._fits or len(self.stack) < 2:
            self._put_above()
        else:
            self.stack[0]._gather(self)

    def _gather(self, last: Words) -> None:
        """One legend for all axes of the stack whose own are above them, and for the last that would need one."""
        for other in self.stack[1:]:
            if other is last or other.is_above:
                self.keys = [*self.keys, *other.keys]
                self.head, self.brief = (
                    "\n".join(filter(None, both)) for both in ((self.head, other.head), (self.brief, other.brief))
                )
                other._give_up()
        self.is_done, self.form = False, 0
        self._abbreviate()
        if self.is_above or last is self:
            self._put_above()

    def _give_up(self) -> None:
        if self.is_above and (legend := self.ax.get_legend()):
            self._known.discard(id(legend))
            legend.remove()
        self._reach(0)
        self._take(0)
        self.keys, self.head, self.brief, self.is_above, self.is_done = (), "", "", False, False
        self._lift_title()

    def _put_above(self) -> None:
        """The legend goes above the axes, instead of the one that stands there; the last resort is a higher figure."""
        if legend := self.ax.get_legend():
            self._known.discard(id(legend))
        self._reach(0)
        self._take(self._height())
        legend_above(self.ax, self.keys, self._packing(), head=self._head(), lift=self.lift)
        self.is_above = True
        self._known.add(id(self.ax.get_legend()))
        self._lift_title()
        if self._packing().columns > 1 and (share := self._width / self._drawn_width()) < 1.0:
            self.__dict__["_width"] = NARROWER * share * self._width  # Letters may be wider than the average.
            self._go_above()

    def _drawn_width(self) -> float:
        """Inches of the legend above; nothing for none."""
        legend = self.ax.get_legend()
        return legend.get_window_extent().width / cast(Figure, self.ax.figure).dpi if legend else 1e-9

    def _take(self, rows: int) -> None:
        """So many rows of the room, and a figure that is as much higher as they are more than were planned."""
        self.room.rows -= rows - self._rows
        self._rows = rows
        if (more := max(rows - PLANNED, 0) - self._higher) > 0:
            self._higher += more
            figure = cast(Figure, self.ax.figure)
            figure.set_figheight(figure.get_figheight() + more * LINE * small_letters() / 72)

    def _lift_title(self) -> None:
        """What stands over the axes stands over the legend, whose height alone the layout sees: no axes get narrow."""
        legend = self.ax.get_legend()
        height = 0.0
        if legend is not None and self.is_above:
            legend.set_in_layout(False)
            height = legend.get_window_extent().height * 72 / cast(Figure, self.ax.figure).dpi
        title, pad = self.ax.get_title(loc="left"), height + self.lift + ABOVE
        self.ax.set_title(title, loc="left", fontsize=small_letters(), x=0.0, pad=pad, linespacing=1.1)
        self.ax.set_title(" " * bool(height), fontsize=1.0, pad=pad)  # where there is none, this takes its place

    @cached_property
    def _width(self) -> float:
        """Inches of a legend above, from where the labels of the axis begin to the next axes or the end of the page.

        First asked for once it is laid out and kept, since a legend that is too wide leaves the axes no room.
        """
        figure, box = cast(Figure, self.ax.figure), self.ax.bbox
        beside = [ax.bbox for ax in figure.axes if ax.bbox.x0 > box.x1 and ax.get_subplotspec()]  # no bar of colours
        others = [other.x0 - 2 * ALIGNED * figure.dpi for other in beside]
        return (min([figure.bbox.x1, *others]) - box.x0) / figure.dpi + ALIGNED - BORDER

    def _head(self) -> str:
        return broken(self.said, characters(self._width)) if self.said else ""

    def _height(self) -> int:
        """Rows of a legend above."""
        return self._packing().lines + len(self._head().splitlines())

    def _packing(self) -> Packing:
        return packed([str(key.get_label()) for key in self.keys], width=characters(self._width))

    def _shorten(self) -> None:
        self.is_short = True
        for artist in (*self.keys, *self.direct):
            artist.set_label(shortened(str(artist.get_label())))

    def _abbreviate(self) -> None:
        """The longest form that has room above; where none has, values and then letters are tried among the marks."""
        before = self.form
        while not (self._fits or self._is_briefest):
            self._take_form(self.form + 1)
        if not (self._fits or self.is_above):
            if before < names.BY_VALUE:
                self._take_form(names.BY_VALUE)
                self._reach(0)
            elif self._pairs:
                self.use_letters()

    def _take_form(self, form: int) -> None:
        self.form = form
        names.call(self.keys, names.FORMS[form][1])

    def use_letters(self) -> None:
        """Letters for the names of groups, at the end of their lines where these can have them."""
        self.form = len(names.FORMS) - 1
        self.keys = [key for key in self.keys if key not in [entry for _, entry in self._pairs]]
        self.together, self._pairs = self._pairs, []
        for line, entry in self.together:
            line.set_label(names.letter_of(entry))
        for entries in (self.keys, [entry for _, entry in self.together]):
            names.call(entries, "letter")
        self._reach(0)

    def caption(self) -> list[str]:
        """What the caption must say: of a head that is left out, and of letters."""
        which, how = names.FORMS[self.form]
        left_out = (self.brief if how == "letter" else self.head).splitlines() if which == 2 else []
        entries = [*self.keys, *(entry for _, entry in self.together)]
        return [*left_out, *(names.explained(entries) if how == "letter" else [])]

    def _reach(self, step: int) -> None:
        """The axes reach so many steps higher than their marks."""
        self.steps = step
        self.ax.set_ylim(top=self._top)
        top = self.ax.transAxes.transform((0, (1 + HIGHER) ** step))
        self.ax.set_ylim(top=float(self.ax.transData.inverted().transform(top)[1]))

    def _reach_higher(self) -> None:
        sizes = legend_sizes(self.keys, head=self.said, ax=self.ax)
        for step in range(self.steps + 1, HIGHEST + 1):
            self._reach(step)
            space = Space(self.ax)
            if any(free_place(size, space, self.ax) is not None for size in sizes):
                break
