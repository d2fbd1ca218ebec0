"""The marks of training curves, each on one axes, from the tidy rows of `analysis.load.load_histories`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.frontier import Entropy
from analysis.style import GREY, INK, Colours, Mark, number, plain, unit_label

SYMBOLS = {"distortion": "$D$", "rate": "$R$", "elbo": "ELBO"}
SPLIT_LINES: dict[str, Mark] = {
    "train": {"linestyle": (0, (3, 1.2)), "linewidth": 0.6},
    "val": {"linestyle": "-", "linewidth": 1.0},
}
KEPT: Mark = {"marker": "o", "markersize": 3.0, "markeredgecolor": "white", "markeredgewidth": 0.4}


def epoch_lines(data: pd.DataFrame, quantity: str, *, colours: Colours, ax: Axes) -> Axes:
    """One quantity per epoch, a line per run and split: train thin and dashed, val solid, its kept epoch a dot.

    The first tenth of the epochs may leave the axes: it spans far more than all that follows.
    """
    for (_, split), rows in data.groupby(["folder", "split"], sort=False):
        colour = colours[rows["beta"].iloc[0]]
        ax.plot(rows["epoch"], rows[quantity], color=colour, **SPLIT_LINES[str(split)])
        if split == "val":
            kept = rows[rows["kept"]]
            ax.plot(kept["epoch"], kept[quantity], color=colour, linestyle="none", zorder=4, **KEPT)
    settled = data[quantity][data["epoch"] >= 0.1 * data["epoch"].max()]
    margin = 0.06 * (float(np.ptp(settled)) or 1.0)
    ax.set_ylim(settled.min() - margin, settled.max() + margin)
    ax.set_ylabel(f"{SYMBOLS[quantity]} [{unit_label(data['units'].iloc[0])}]")
    return ax


def elbo_bounds(of: Mapping[str, Entropy], *, ax: Axes) -> Axes:
    """The largest ELBO there can be, -H: of val, and of train where that differs and the curves come near it.

    Args:
        of: the known H by split.
        ax: the axes, with the curves drawn.
    """
    for split in (s for s in ("val", "train") if s in of):
        h, (low, high) = of[split], ax.get_ylim()
        if split == "train" and (not low <= -h.value <= high or of.get("val") == h):
            continue
        style = "-" if split == "val" else SPLIT_LINES["train"]["linestyle"]
        label = f"$-H$ of {split} = {number(-h.value)} ({h.kind.replace('_', ' ')}, {plain(h.source)})"
        ax.axhline(-h.value, color=INK, linewidth=0.8, linestyle=style, zorder=1, label=label)
        ax.set_ylim(top=max(high, -h.value + 0.06 * (high - low)))
    return ax


def line_keys(data: pd.DataFrame) -> list[Line2D]:
    """Legend entries for the line styles, and for the dot where some run has one."""
    lines = [Line2D([], [], color=GREY, label=split, **style) for split, style in SPLIT_LINES.items()]
    dot = Line2D([], [], color=GREY, linestyle="none", label="kept checkpoint", **KEPT)
    return [*lines, dot] if data["kept"].any() else lines


def beta_keys(colours: Colours) -> list[Line2D]:
    """A legend entry for the colour of each beta."""
    return [Line2D([], [], color=colour, label=f"{beta:g}", linewidth=2) for beta, colour in colours.items()]
