"""What the colours of beta mean: a legend of all of them, or a bar where these are too many to read."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.marks.legends import free_place
from analysis.marks.packing import Packing, packed
from analysis.marks.space import Space
from analysis.style import COLUMN, Colours, beta_words, characters, small_letters

MOST_ROWS = 1  # of a legend of betas
BAR_HEIGHT = 0.07  # inches
BAR_WIDTH = 0.8  # of a column, so that the words of its ends stay on the page
BAR_INSIDE = 1.3  # inches, of a bar within axes with its words
BAR_PAD = 0.05  # inches
BAR_LABEL = 0.55  # inches between two labels at least


def beta_keys(colours: Colours) -> list[Line2D]:
    """A legend entry for the colour of each beta."""
    words = beta_words(colours)
    first = next(iter(colours), None)
    labels = {beta: rf"$\beta$ = {word}" if beta == first else word for beta, word in words.items()}
    return [Line2D([], [], color=colour, label=labels[beta], linewidth=2) for beta, colour in colours.items()]


def beta_rows(colours: Colours, *, width: float) -> tuple[list[Line2D], Packing] | None:
    """The entries and how they stand in a legend of `width` inches; None where a bar must do."""
    keys = beta_keys(colours)
    packing = packed([str(key.get_label()) for key in keys], width=characters(width))
    return (keys, packing) if packing.lines <= MOST_ROWS else None


def bar_within(colours: Colours, *, space: Space, ax: Axes) -> bool:
    """A bar of the colours in the free part of the axes nearest to their upper right; False where there is none.

    Args:
        colours: of each beta, in order.
        space: what of the axes is taken, which the bar adds to.
        ax: the axes, whose place is final.
    """
    letter = small_letters() / 72
    dpi = ax.figure.dpi
    size = np.array([BAR_INSIDE, BAR_HEIGHT + 2.9 * letter]) * dpi
    box = free_place(size, space, ax)
    if box is None:
        return False
    space.take(box[None])
    side = 1.3 * letter * dpi  # the words of the ends reach beyond the bar
    low, high = (box[0] + side, box[3] - BAR_HEIGHT * dpi), (box[2] - side, box[3])
    corners = ax.transAxes.inverted().transform([low, high])
    bar = ax.inset_axes((*corners[0], *(corners[1] - corners[0])))
    values = list(colours)
    bar.imshow(np.array([list(colours.values())]), aspect="auto", extent=(0, len(values), 0, 1), interpolation="none")
    shown = [0, len(values) // 2, len(values) - 1]
    words = beta_words(values[place] for place in shown)
    bar.set_xticks([place + 0.5 for place in shown], [words[values[place]] for place in shown])
    bar.set_yticks([])
    bar.tick_params(length=1.5, pad=1.5)
    bar.spines[:].set_visible(False)
    bar.set_xlabel(rf"$\beta$: {len(values)} in order", fontsize=mpl.rcParams["legend.fontsize"], labelpad=1)
    return True


def beta_bar(colours: Colours, figure: Figure, axes: list[Axes]) -> None:
    """A bar of the colours over the axes, as wide as one column: a field a beta in their order, some of them labelled.

    Args:
        colours: of each beta, in order.
        figure: the figure, with a layout engine.
        axes: all that it stands above.
    """
    found, size, width = list(colours), len(colours), BAR_WIDTH * COLUMN
    fields = ScalarMappable(BoundaryNorm(np.arange(size + 1), size), ListedColormap(list(colours.values())))
    bar = figure.colorbar(
        fields,
        ax=axes,
        location="top",
        anchor=(0.0, 0.0),
        shrink=width / figure.get_figwidth(),
        aspect=width / BAR_HEIGHT,
        pad=BAR_PAD / figure.get_figheight(),
    )
    shown = np.unique(np.linspace(0, size - 1, int(width / BAR_LABEL) + 1).round().astype(int))
    words = beta_words(found[place] for place in shown)
    bar.set_ticks((shown + 0.5).tolist(), labels=[words[found[place]] for place in shown])
    bar.ax.tick_params(length=2)
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(rf"$\beta$, {size} values in order")
