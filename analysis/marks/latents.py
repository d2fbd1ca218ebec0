"""Where examples lie in the space of z, and how often, each on one axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from analysis.style import GREY, INK, PALE

GLYPHS = 300  # Examples that are shown by their labels; of more, these would hide each other.
LONGEST, CLASSES = 2, 10  # Characters of a label that is a mark, and kinds of marks.
WITHIN = (0.5, 99.5)  # per cent of z that axes show
BINS = 30


def latent_points(z: np.ndarray, labels: np.ndarray | None = None, *, ax: Axes | None = None) -> Axes:
    """Draws of two units, coloured by label; a short label is its own mark, which tells it without the colour.

    Args:
        z: [n, 2].
        labels: [n]; None for none.
        ax: None for pyplot's current axes.
    """
    ax = _axes(ax)
    for limits, values in ((ax.set_xlim, z[:, 0]), (ax.set_ylim, z[:, 1])):
        limits(*_range(values))
    if labels is None:
        ax.plot(*z.T, "o", markersize=1.2, markeredgewidth=0, color=GREY, alpha=0.6)
        return ax
    import matplotlib as mpl

    kinds = np.unique(labels)
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(kinds)))
    are_glyphs = len(kinds) <= CLASSES and max(len(str(kind)) for kind in kinds) <= LONGEST
    shown = slice(GLYPHS if are_glyphs else None)
    for kind, colour in zip(kinds, colours, strict=True):
        mark, size = (f"${kind}$", 4.0) if are_glyphs else ("o", 1.2)
        some = z[shown][labels[shown] == kind]
        ax.plot(
            *some.T, linestyle="none", marker=mark, markersize=size, markeredgewidth=0, color=colour, label=str(kind)
        )
    return ax


def unit_histogram(z: np.ndarray, prior: np.ndarray | None = None, *, ax: Axes | None = None) -> Axes:
    """How often one unit has which values under q(z), filled, and under m(z), a line.

    Args:
        z: draws of q(z), [n].
        prior: draws of m(z), [n]; None where no run was trained towards one.
        ax: None for pyplot's current axes.
    """
    ax = _axes(ax)
    low, high = _range(z if prior is None else np.concatenate([z, prior]))
    edges = np.linspace(low, high, BINS + 1)
    if high > low:
        ax.hist(z, bins=edges.tolist(), density=True, color=PALE, edgecolor=GREY, linewidth=0.4, label="$q(z)$")
    if prior is not None:
        ax.hist(prior, bins=edges.tolist(), density=True, histtype="step", color=INK, linewidth=0.8, label="$m(z)$")
    ax.set(xlim=(low, high), yticks=[])
    ax.spines["left"].set_visible(False)
    return ax


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, WITHIN)
    room = 0.05 * (high - low) or 1.0
    return float(low - room), float(high + room)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()
