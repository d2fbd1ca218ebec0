"""The marks of training curves, each on one axes, from the tidy rows of `analysis.rows.histories.load_histories`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.marks.groups import POINT_SIZE, brief_head, group_head, shape
from analysis.rows.groups import Groups
from analysis.statistics.bounds import Entropy
from analysis.style import GREY, INK, TINTS, Colours, Mark, number, pale, sourced, unit_label

SYMBOLS = {"distortion": "$D$", "rate": "$R$", "elbo": "ELBO"}
SPLIT_LINES: dict[str, Mark] = {
    "train": {"linestyle": (0, (3, 1.2)), "linewidth": 0.6},
    "val": {"linestyle": "-", "linewidth": 1.0},
}
BEST = r"clear: least $D + \beta R$ on val of each $\beta$"
LONE: Mark = {"marker": "o", "markersize": 4.5, "markerfacecolor": "white", "markeredgewidth": 0.7, "clip_on": False}
KEPT: Mark = {"clip_on": False, "marker": "o", "markersize": 3.0, "markeredgecolor": "white", "markeredgewidth": 0.4}


def epoch_lines(data: pd.DataFrame, quantity: str, *, colours: Colours, groups: Groups, ax: Axes) -> Axes:
    """One quantity per epoch, a line per run and split: train thin and dashed, val solid, its kept epoch a mark.

    The mark is the shape of the run's group, a dot where there are none. Where more differs than groups tell, all runs
    but the best of each beta are faint.

    The first tenth of a run's epochs may leave the axes: it spans far more than all that follows. A line of one epoch
    is a mark.
    """
    clear = set(best_runs(data) if groups.undistinguished else data["folder"])
    for (folder, split), rows in data.groupby(["folder", "split"], sort=False):
        colour, front = colours[rows["beta"].iloc[0]], int(bool(groups.undistinguished) and folder in clear)
        ink: Mark = {"color": colour if folder in clear else pale(colour, TINTS[1])}
        ax.plot(rows["epoch"], rows[quantity], zorder=2 + front, **ink, **_line(rows))
        if split == "val":
            kept, mark = rows[rows["kept"]], ink | _kept(groups, str(folder))
            ax.plot(kept["epoch"], kept[quantity], linestyle="none", zorder=4 + front, **mark)
    lengths = data.groupby("folder")["epoch"].transform("max") + 1
    settled = data[quantity][data["epoch"] >= lengths // 10].dropna()
    if not settled.empty:  # R may be undefined.
        margin = 0.06 * (float(np.ptp(settled)) or 1.0)
        ax.set_ylim(settled.min() - margin, settled.max() + margin)
    ax.set_ylabel(f"{SYMBOLS[quantity]} [{unit_label(data['units'].iloc[0])}]")
    return ax


def _line(rows: pd.DataFrame) -> Mark:
    """The line of a run on a split; one epoch has no line, and only the kept one of val a mark of its own."""
    split, kept = str(rows["split"].iloc[0]), bool(rows["kept"].any())
    return SPLIT_LINES[split] | (LONE if len(rows) == 1 and not (split == "val" and kept) else {})


def best_runs(data: pd.DataFrame) -> list[str]:
    """The folder of each beta's run of the least D + beta R on val, at the kept epochs.

    Args:
        data: from `load_histories`.
    """
    kept = data[data["kept"] & (data["split"] == "val")]
    objective = kept["distortion"] + kept["beta"] * kept["rate"]
    return [str(folder) for folder in kept["folder"].loc[objective.groupby(kept["beta"]).idxmin()]]


def _kept(groups: Groups, folder: str) -> Mark:
    return KEPT | shape(groups.place_of[folder], size=POINT_SIZE) if groups.distinguished else KEPT


def elbo_bounds(h_by_split: Mapping[str, Entropy], *, ax: Axes) -> Axes:
    """The largest ELBO there can be, -H: of val, and of train where that differs and the curves come near it.

    Args:
        h_by_split: the known H by split.
        ax: the axes, with the curves drawn.
    """
    for split in (s for s in ("val", "train") if s in h_by_split):
        h, (low, high) = h_by_split[split], ax.get_ylim()
        if split == "train" and (not low <= -h.value <= high or h_by_split.get("val") == h):
            continue
        style = "-" if split == "val" else SPLIT_LINES["train"]["linestyle"]
        label = sourced(f"$-H$ of {split} = {number(-h.value)}", f"{h.kind.replace('_', ' ')}, {h.source}")
        ax.axhline(-h.value, color=INK, linewidth=0.8, linestyle=style, zorder=1, label=label)
        ax.set_ylim(top=max(high, -h.value + 0.06 * (high - low)))
    return ax


def heads(groups: Groups) -> str:
    """What the legend says above its entries of groups, and of faint lines."""
    return "\n".join(filter(None, (group_head(groups), BEST * bool(groups.undistinguished))))


def brief_heads(groups: Groups) -> str:
    """What it says where groups have numbers."""
    return "\n".join(filter(None, (brief_head(groups), BEST * bool(groups.undistinguished))))


def line_keys(data: pd.DataFrame, groups: Groups) -> list[Line2D]:
    """Legend entries for the line styles, and for the dot where some run has one and no group has shapes."""
    parts = [rows for _, rows in data.groupby(["folder", "split"], sort=False)]
    styles = {split: style | _marked(split, parts) for split, style in SPLIT_LINES.items()}
    lines = [Line2D([], [], color=GREY, label=split, **style) for split, style in styles.items()]
    dot = Line2D([], [], color=GREY, linestyle="none", label="kept checkpoint", **KEPT)
    return [*lines, dot] if data["kept"].any() and not groups.distinguished else lines


def _marked(split: str, parts: Sequence[pd.DataFrame]) -> Mark:
    """The mark of a run of one epoch on the split, if there is one."""
    return next((mark for rows in parts if rows["split"].iloc[0] == split and "marker" in (mark := _line(rows))), {})
