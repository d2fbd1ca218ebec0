"""The marks of training as a way through the rate-distortion plane, from the rows of `load_histories`."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.marks.defaults import axes_of
from analysis.marks.epochs import SPLIT_LINES
from analysis.rows.runs import as_rows
from analysis.style import GREY, INK, WARNING, Colours, Mark, beta_colours

SETTLED = 0.1  # of the epochs, after which a way counts for the limits: before, it spans far more than all the rest
# The verdict on training, at the end of a run's way on val.
VERDICTS: dict[str, Mark] = {
    "converged": {"marker": "o", "markersize": 3.6, "markeredgecolor": "white", "markeredgewidth": 0.4},
    "still falling": {"marker": "v", "markersize": 4.6, "markeredgecolor": INK, "markeredgewidth": 0.5},
    "underfitting": {"marker": "s", "markersize": 3.8, "markeredgecolor": INK, "markeredgewidth": 0.5},
    "overfitting": {"marker": "^", "markersize": 4.8, "markeredgecolor": WARNING, "markeredgewidth": 0.9},
    "KL unstable": {"marker": "X", "markersize": 5.2, "markeredgecolor": WARNING, "markeredgewidth": 0.7},
    "no verdict": {"marker": "o", "markersize": 3.4, "markerfacecolor": "white", "markeredgewidth": 0.7},
}


def training_paths(history: pd.DataFrame, *, colours: Colours | None = None, ax: Axes | None = None) -> Axes:
    """The way of each run through the plane, epoch by epoch: train thin and dashed, val solid, joined at each epoch.

    The thin grey lines from train to val, at every eighth of the epochs that val has, are the gap between both at one
    time. Where a run begins may leave the axes.

    Args:
        history: from `load_histories`.
        colours: of each beta.
        ax: the axes; by default the current ones.
    """
    ax, colours = axes_of(ax), beta_colours(history["beta"]) if colours is None else colours
    known = history.dropna(subset=["rate", "distortion"])
    for (_, split), rows in known.groupby(["folder", "split"], sort=False):
        ax.plot(
            rows["rate"], rows["distortion"], color=colours[rows["beta"].iloc[0]], zorder=2, **SPLIT_LINES[str(split)]
        )
    for _, rows in known.groupby("folder", sort=False):
        _gaps(rows, ax=ax)
    return _frame(known, ax=ax)


def _gaps(rows: pd.DataFrame, *, ax: Axes) -> None:
    both = rows.pivot_table(index="epoch", columns="split", values=["rate", "distortion"]).dropna()
    if "train" in rows["split"].to_numpy() and len(both):
        for epoch in both.index[:: max(1, len(both) // 8)]:
            r, d = both.loc[epoch, "rate"], both.loc[epoch, "distortion"]
            ax.plot(r[["train", "val"]], d[["train", "val"]], color=GREY, linewidth=0.35, zorder=1.8)


def _frame(known: pd.DataFrame, *, ax: Axes) -> Axes:
    last = known.groupby("folder")["epoch"].transform("max")
    settled = known[known["epoch"] >= SETTLED * last]
    for name, quantity in (("x", "rate"), ("y", "distortion")):
        low, high = float(settled[quantity].min()), float(settled[quantity].max())
        margin = 0.06 * ((high - low) or 1.0)
        if not math.isnan(low):
            ax.set(**{f"{name}lim": (low - margin, high + margin)})
    return ax


def verdict_ends(
    history: pd.DataFrame, verdicts: pd.DataFrame, *, colours: Colours | None = None, ax: Axes | None = None
) -> Axes:
    """The verdict on training as a mark where the kept checkpoint of each run stands on val.

    Args:
        history: from `load_histories`.
        verdicts: from `analysis.rows.latents.load_verdicts`; `fit` is None where there is none.
        colours: of each beta.
        ax: the axes; by default the current ones.
    """
    ax, colours = axes_of(ax), beta_colours(history["beta"]) if colours is None else colours
    words = verdicts.set_index("folder")["fit"].fillna("no verdict")
    for row in as_rows(history[history["kept"] & (history["split"] == "val")]):
        style: Mark = {"linestyle": "none", "color": colours[row["beta"]], "zorder": 4, "label": "_"}
        ax.plot(row["rate"], row["distortion"], **style | VERDICTS[words.get(row["folder"], "no verdict")])
    return ax


def path_keys(verdicts: pd.DataFrame) -> list[Line2D]:
    """The legend's entries of the lines, of the gaps, and of the verdicts that there are."""
    lines = [Line2D([], [], color=GREY, label=split, **style) for split, style in SPLIT_LINES.items()]
    gap = Line2D([], [], color=GREY, linewidth=0.35, label="train to val, one epoch")
    shown = [word for word in VERDICTS if word in set(verdicts["fit"].fillna("no verdict"))]
    marks = [Line2D([], [], color=GREY, linestyle="none", label=word, **VERDICTS[word]) for word in shown]
    return [*lines, gap, *marks]
