"""The marks of the rate-distortion plane, each on one axes.

Every function takes tidy rows with the columns of `analysis.statistics.bounds.add_bounds` (or an `Entropy`), draws on
`ax` and returns it. What a mark means is added to the axes' legend by the function that draws it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis.marks.groups import POINT_SIZE, group_mark
from analysis.marks.labels import place_labels
from analysis.rows.aims import aim_words
from analysis.rows.estimates import UPPER
from analysis.rows.groups import Groups
from analysis.statistics.bounds import Entropy
from analysis.statistics.lines import heights_to_show
from analysis.style import GREY, INK, PALE, WARNING, Colour, Colours, Mark, folded, key, number, plain
from vae_rd.run.record import SPLITS

TICK_POINTS = 15.0  # visual length of a slope tick
MOST_LABELS = 13  # of betas, all of which find a place
UNDEFINED = "rate undefined"
FILLINGS = {"train": "none", "val": "left", "test": "full"}  # of the shape of a group


def frame_plane(rows: pd.DataFrame, entropy: Entropy | None, *, lines: pd.DataFrame, ax: Axes) -> Axes:
    """Set limits that hold every point and some of each line: its ends, or where it is nearest to a point.

    A decoder's own curve may leave them: towards R = 0 it runs far above all points.

    Args:
        rows: from `placeable`; where R is undefined, D alone is held.
        entropy: H, where it is known or estimated.
        lines: all lines of the plane.
        ax: the axes.
    """
    data = rows.dropna(subset="rate")
    rates = [0.0, *data["rate"], *lines["rate"][lines["line"] == UPPER].dropna()]
    distortions = [*rows["distortion"], *heights_to_show(lines, data)]
    if entropy is not None and _has_limits(entropy):
        rates.append(entropy.value)
        distortions += [0.0, entropy.value]
    elif entropy is not None and not data.empty:
        distortions.append(entropy.value - data["rate"].iloc[int((data["distortion"] + data["rate"]).argmin())])
    width = max(rates) or 1.0
    height = max(max(distortions) - min(distortions), 0.4 * width)  # a lone point still shows slopes as slopes
    middle = (max(distortions) + min(distortions)) / 2
    ax.set_xlim(-0.06 * width, 1.06 * width)
    ax.set_ylim(middle - 0.56 * height, middle + 0.56 * height)
    return ax


def rd_points(data: pd.DataFrame, *, split: str, colours: Colours, groups: Groups, ax: Axes) -> Axes:
    """Each run at (R, D) of `split` with bars of 2 s.e., joined to its other splits; train open, the others filled.

    Where there are groups, a shape is a group and the filling alone is the split: open, half or full. A run whose R is
    undefined stands at its D on the axis, the left end of `ax`, whose limits must be final.
    """
    for folder, run in on_axis(data, ax=ax).groupby("folder", sort=False):
        run = run.set_index("split").reindex([s for s in SPLITS if s in set(run["split"])])
        colour, chosen = colours[run["beta"].iloc[0]], run.loc[split]
        ax.plot(run["rate"], run["distortion"], color=colour, linewidth=0.6, zorder=2)
        bars: Mark = {"xerr": 2 * chosen["rate_stderr"], "yerr": 2 * chosen["distortion_stderr"]}
        ax.errorbar(chosen["rate"], chosen["distortion"], **bars, color=colour, elinewidth=0.8, zorder=3)
        for name, point in run.iterrows():
            mark = _split_mark(str(name), colour, groups, str(folder))
            ax.plot(point["rate"], point["distortion"], clip_on=False, **mark)  # On the axis, it is whole.
    for name in (s for s in SPLITS if s in set(data["split"])):
        key(ax, f"{name} (bars: 2 s.e.)" if name == split else name, **_split_mark(name, GREY, groups))
    return _impossible_points(data, ax=ax)


def on_axis(data: pd.DataFrame, *, ax: Axes) -> pd.DataFrame:
    """The rows with the left end of the axes for an undefined R, without error."""
    left = ax.get_xlim()[0]
    undefined = data["rate"].isna()
    return data.assign(rate=data["rate"].fillna(left), rate_stderr=data["rate_stderr"].mask(undefined, 0.0))


def _split_mark(split: str, colour: Colour | str, groups: Groups, folder: str | None = None) -> Mark:
    """Open for train; val is a square whose corners show where it lies under the mark of test, or half of a shape."""
    if groups.distinguished:
        mark = group_mark(groups.place_of[folder] if folder else 0, colour, size=POINT_SIZE)
        edge = "white" if split == "test" else colour
        return mark | {"fillstyle": FILLINGS[split], "markeredgecolor": edge, "zorder": 4}
    face, edge = {"train": ("white", colour), "val": (colour, colour), "test": (colour, "white")}[split]
    style = {"markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.8 if split == "train" else 0.4}
    marker = {"marker": "s" if split == "val" else "o", "zorder": 4 if split == "test" else 3.5}
    return {"linestyle": "none", "color": colour, "markersize": POINT_SIZE, **style, **marker}


def _impossible_points(data: pd.DataFrame, *, ax: Axes) -> Axes:
    wrong = data[data["impossible"] != ""]
    if not wrong.empty:
        mark: Mark = {"linestyle": "none", "marker": "X", "markersize": 7, "markeredgecolor": "white", "zorder": 5}
        ax.plot(wrong["rate"], wrong["distortion"], color=WARNING, markeredgewidth=0.6, label="impossible", **mark)
    return ax


def entropy_lines(h_by_split: Mapping[str, Entropy], *, split: str, unit: str, ax: Axes) -> Axes:
    """The line D + R = H of `split`: solid where H is known, with all that follows; dashed where a model estimates it.

    Another split's known H, where it differs, is dotted: its points are to be compared with that line.

    Args:
        h_by_split: H by split.
        split: whose points were chosen for.
        unit: of H, as labels write it.
        ax: the axes, with final limits.
    """
    chosen = h_by_split.get(split)
    for name, entropy in h_by_split.items():
        if name == split:
            _line(entropy, ax, linestyle="-" if entropy.known else (0, (4, 2)), label=_entropy_label(entropy, unit))
        elif (chosen is None or entropy.value != chosen.value) and _reaches(entropy, ax):
            label = f"{_entropy_label(entropy, unit)}: {name}"
            _line(entropy, ax, linestyle=(0, (1, 1.5)), label=label)
    if chosen is not None and chosen.known:
        _infeasible_region(min(h.value for h in h_by_split.values()), ax=ax)
        _source_limits(chosen, ax=ax)
    return ax


def _reaches(entropy: Entropy, ax: Axes) -> bool:
    return entropy.value > ax.get_xlim()[0] + ax.get_ylim()[0]


def _line(entropy: Entropy, ax: Axes, **style: Any) -> None:
    rates = np.array(ax.get_xlim())
    ax.plot(rates, entropy.value - rates, color=INK, linewidth=0.9, zorder=1, **style)


def _entropy_label(entropy: Entropy, unit: str) -> str:
    size = f"{number(entropy.value)} {unit}"
    if entropy.kind == "estimate":
        return rf"$D + R = \hat{{H}}$ = {size}, an estimate:" + f"\n{textwrap.fill(plain(entropy.source), 56)}"
    noise = f" ± {number(entropy.stderr)}" if entropy.stderr else ""
    return folded(f"$D + R = H$ = {size}{noise}", f"{entropy.kind.replace('_', ' ')}, {entropy.source}")


def _infeasible_region(h: float, *, ax: Axes) -> None:
    rates = np.array(ax.get_xlim())
    floor = min(ax.get_ylim()[0], h - rates[1])
    ax.fill_between(rates, floor, h - rates, color=PALE, linewidth=0, zorder=0, label="infeasible: $D + R < H$")


def _source_limits(entropy: Entropy, *, ax: Axes) -> None:
    if _has_limits(entropy):
        mark: Mark = {"linestyle": "none", "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.7}
        ax.plot(entropy.value, 0.0, color=INK, marker="D", zorder=4, label="auto-encoding limit $(H, 0)$", **mark)
        ax.plot(0.0, entropy.value, color=INK, marker="^", zorder=4, label="auto-decoding limit $(0, H)$", **mark)


def _has_limits(entropy: Entropy) -> bool:
    """A density has no such limits: D may be negative and R grows without bound."""
    return entropy.known and entropy.measure == "discrete"


def slope_ticks(data: pd.DataFrame, *, colours: Colours, ax: Axes) -> Axes:
    """A short tangent of slope dD/dR = -beta through every row, all of one visual length; as for `tangents`.

    Of a run that asked for R or D, beta is what its multiplier had come to, and the tangent grey.
    """
    data = data.assign(slope=data["beta"].fillna(data["achieved_slope"])).dropna(subset=["slope", "rate"])
    ink = [GREY if math.isnan(beta) else colours[beta] for beta in data["beta"]]
    return tangents(data, data["slope"].to_numpy(), length=TICK_POINTS, colors=ink, linewidths=0.7, zorder=3, ax=ax)


def slope_key(data: pd.DataFrame, *, ax: Axes) -> Axes:
    """The legend entries of `slope_ticks` and of `aim_labels`, where some run has a slope."""
    if (data["beta"].isna() & data["achieved_slope"].notna() & data["rate"].notna()).any():
        key(ax, "tangent found where $R$ or $D$ was asked", linestyle="-", linewidth=0.8)
    data = data.dropna(subset=["beta", "rate"])
    if data.empty:
        return ax
    whose = "labelled" if data["beta"].nunique() <= MOST_LABELS else "some of them labelled"
    key(ax, rf"tangent of slope $-\beta$, {whose} by $\beta$", linestyle="-", linewidth=0.8)
    return ax


def tangents(data: pd.DataFrame, betas: np.ndarray, *, length: float, ax: Axes, **style: Any) -> Axes:
    """A segment of slope -beta through every row, `length` points long.

    Limits, size and layout of the axes must be final.
    """
    per_unit = np.diff(ax.transData.transform([(0.0, 0.0), (1.0, 1.0)]), axis=0)
    directions = np.stack([np.ones(len(data)), -betas], axis=1) * per_unit
    half = directions / np.linalg.norm(directions, axis=1, keepdims=True) * length / 2 * ax.figure.dpi / 72
    points = data[["rate", "distortion"]].to_numpy(dtype=float)
    segments = np.stack([points - half / per_unit, points + half / per_unit], axis=1)
    ax.add_collection(LineCollection(list(segments), **style), autolim=False)
    return ax


def aim_labels(data: pd.DataFrame, *, ax: Axes) -> Axes:
    """Each beta or asked rate once, clear of every mark, beside the middle of its runs of equal config.

    Of several such middles it is the one of the largest D + R, outermost in the plane. Where they are too many,
    those that find a place are written, the ends and the middle first; the bounds below have them all in their colours.
    Runs whose R is undefined have one label that says so, whatever their beta. The axes must be final.
    """
    undefined = data["rate"].isna()
    is_asked = data[["target_rate", "target_distortion"]].notna().any(axis=1)
    words = aim_words(data) + is_asked.map({True: " asked", False: ""})
    data = on_axis(data, ax=ax).assign(aim=words.mask(undefined, UNDEFINED))
    data = data[data["aim"] != ""]
    centres = data.groupby(["aim", "config"], sort=False)[["rate", "distortion"]].mean()
    centres = centres.loc[centres.sum(axis=1).groupby("aim", sort=False).idxmax()].droplevel("config")
    points, labels = centres.to_numpy(dtype=float), list(centres.index)
    crowded = len(points) > MOST_LABELS
    shown = _spread(len(points), MOST_LABELS) if crowded else range(len(points))
    anchors = {labels[place]: (points[place, 0], points[place, 1]) for place in shown}
    if anchors:
        place_labels(anchors, only_free=crowded, ax=ax)
    return ax


def _spread(size: int, most: int) -> list[int]:
    """Places of `most` of so many rows at even distances: the ends, then the middle of what is between, and so on."""
    places = np.unique(np.linspace(0, size - 1, most).round().astype(int)).tolist()
    order, gaps = [places[0], places[-1]], [(0, len(places) - 1)]
    for low, high in gaps:  # which grows
        if high - low > 1:
            middle = (low + high) // 2
            order.append(places[middle])
            gaps += [(low, middle), (middle, high)]
    return order
