"""What the colours of beta mean: a legend of all of them, or a bar where these are too many to read."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.marks.groups import by_columns, legend_rows
from analysis.style import COLUMN, Colours, beta_words

MOST_ROWS = 3  # of a legend of betas
HANDLE = 6  # characters that an entry needs beside its label
BAR_HEIGHT = 0.07  # inches
BAR_WIDTH = 0.8  # of a column, so that the words of its ends stay on the page
BAR_PAD = 0.05  # inches
BAR_LABEL = 0.55  # inches between two labels at least


def beta_keys(colours: Colours) -> list[Line2D]:
    """A legend entry for the colour of each beta."""
    words = beta_words(colours)
    return [Line2D([], [], color=colour, label=words[beta], linewidth=2) for beta, colour in colours.items()]


def beta_rows(colours: Colours, *, width: float) -> tuple[list[Artist], int]:
    """The entries in the order of a legend of `width` inches, and its columns; none where a bar must do."""
    keys = beta_keys(colours)
    rows, columns = legend_rows(keys, width=width, handle=HANDLE) if keys else ([], 1)
    return (by_columns(rows), columns) if len(rows) <= MOST_ROWS else ([], 1)


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
