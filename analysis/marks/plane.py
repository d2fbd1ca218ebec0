"""The marks of the rate-distortion plane, each on one axes.

Every function takes tidy rows with the columns of `analysis.statistics.bounds.add_bounds` (or an `Entropy`), draws on
`ax` and returns it. What a mark means is added to the axes' legend by the function that draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis.marks.defaults import axes_of, colours_of, groups_of, inked
from analysis.marks.groups import POINT_SIZE, scatter_shape
from analysis.marks.labels import place_labels
from analysis.marks.space import Space
from analysis.rows.aims import aim_words
from analysis.rows.groups import Groups
from analysis.statistics.bounds import Entropy, has_limits
from analysis.style import INK, PALE, WARNING, Colour, Colours, Mark, beta_words, key, number, pale, plain
from vae_rd.run.record import SPLITS

TICK_POINTS = 15.0  # visual length of a slope tick
MOST_LABELS, FEW = 13, 7  # betas that all find a place, and how many are labelled where these are more
UNDEFINED = "rate undefined"
OTHERS = {
    "train": "open: train",
    "val": "pale: val",
    "test": "full: test",
}  # splits that are drawn beside the one asked for
KEY: Mark = {"marker": "o", "markersize": POINT_SIZE}


def rd_points(
    rows: pd.DataFrame,
    *,
    split: str = "test",
    colours: Colours | None = None,
    groups: Groups | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Each run at (R, D) of `split` with bars of 2 s.e., joined to its splits before it; a shape is a group.

    Marks of train are open, those of val pale, those of test full. A run whose R is undefined stands at its D on the
    axis, the left end of `ax`, whose limits must then be final.

    Args:
        rows: with `folder`, `split`, `beta`, `rate`, `distortion`, their `_stderr`, and `impossible` of `add_bounds`
            or without it.
        split: whose points have bars.
        colours: of each beta; None: one for each of the rows.
        groups: None: those that the rows' configs make.
        ax: None: the current axes.
    """
    ax, colours, groups = axes_of(ax), colours_of(rows, colours), groups_of(rows, groups)
    placed = on_axis(inked(rows, colours), ax=ax)
    names = [name for name in SPLITS if name in set(rows["split"])]
    _join_splits(placed, names, ax=ax)
    chosen = placed[placed["split"] == split]
    for x, y in ((2.0, 0.0), (0.0, 2.0)):
        half = chosen[["rate_stderr", "distortion_stderr"]].fillna(0.0).to_numpy() * (x, y)
        centre = chosen[["rate", "distortion"]].to_numpy(dtype=float)
        bars = np.stack([centre - half, centre + half], axis=1)
        ax.add_collection(LineCollection(list(bars), colors=list(chosen["ink"]), linewidths=0.8, zorder=3))
    for name in names:
        own = placed[placed["split"] == name]
        for place, part in own.groupby(groups.places(own)):
            style = _split_style(name, list(part["ink"]))
            points = ax.scatter(part["rate"], part["distortion"], **style, **scatter_shape(int(place)), clip_on=False)
            points.set_gid(f"{name} {place}")
    key(ax, "; ".join([*(OTHERS[name] for name in names if name != split), f"{split} (bars: 2 s.e.)"]), **KEY)
    return _impossible_points(rows, ax=ax) if "impossible" in rows else ax


def _join_splits(placed: pd.DataFrame, names: list[str], *, ax: Axes) -> None:
    """A line through the points of each run, of those that have several."""
    if len(names) < 2:
        return
    wide = placed.pivot(index="folder", columns="split", values=["rate", "distortion"]).reindex(columns=names, level=1)
    paths = np.stack([wide[name].to_numpy(dtype=float) for name in ("rate", "distortion")], axis=2)
    ink = placed.drop_duplicates("folder").set_index("folder")["ink"].loc[wide.index]
    ax.add_collection(LineCollection(list(paths), colors=list(ink), linewidths=0.6, zorder=2))


def on_axis(data: pd.DataFrame, *, ax: Axes) -> pd.DataFrame:
    """The rows with the left end of the axes for an undefined R, without error."""
    left = ax.get_xlim()[0]
    undefined = data["rate"].isna()
    return data.assign(rate=data["rate"].fillna(left), rate_stderr=data["rate_stderr"].mask(undefined, 0.0))


def _split_style(split: str, ink: list[Colour]) -> Mark:
    faces = {"train": ["white"] * len(ink), "val": [pale(colour) for colour in ink], "test": ink}[split]
    edges = ["white"] * len(ink) if split == "test" else ink
    width, zorder = {"train": (0.8, 3.4), "val": (0.6, 3.6), "test": (0.4, 4.0)}[split]
    return {"facecolors": faces, "edgecolors": edges, "linewidths": width, "zorder": zorder}


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
    rates = rates_across(ax)
    ax.plot(rates, entropy.value - rates, color=INK, linewidth=0.9, zorder=1, **style)


def rates_across(ax: Axes) -> np.ndarray:
    """Rates from one end of the axes to the other: both alone where a straight line is one on the page too."""
    if ax.get_xscale() == ax.get_yscale() == "linear":
        return np.array(ax.get_xlim())
    ends = ax.transData.transform([(x, ax.get_ylim()[0]) for x in ax.get_xlim()])
    places = np.stack([np.linspace(ends[0, 0], ends[1, 0], 400), np.full(400, ends[0, 1])], axis=1)
    return np.asarray(ax.transData.inverted().transform(places)[:, 0])


def _entropy_label(entropy: Entropy, unit: str) -> str:
    size = f"{number(entropy.value)} {unit}"
    if entropy.kind == "estimate":
        return rf"$D + R = \hat{{H}}$ = {size} (an estimate: {plain(entropy.source)})"
    noise = f" ± {number(entropy.stderr)}" if entropy.stderr else ""
    return f"$D + R = H$ = {size}{noise} ({entropy.kind.replace('_', ' ')}, {plain(entropy.source)})"


def _infeasible_region(h: float, *, ax: Axes) -> None:
    rates = rates_across(ax)
    floor = ax.get_ylim()[0] if ax.get_yscale() == "log" else min(ax.get_ylim()[0], h - rates[-1])
    ax.fill_between(
        rates, floor, np.maximum(h - rates, floor), color=PALE, linewidth=0, zorder=0, label="infeasible: $D + R < H$"
    )


def _source_limits(entropy: Entropy, *, ax: Axes) -> None:
    if has_limits(entropy):
        mark: Mark = {"linestyle": "none", "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.7}
        ax.plot(entropy.value, 0.0, color=INK, marker="D", zorder=4, label="auto-encoding limit $(H, 0)$", **mark)
        ax.plot(0.0, entropy.value, color=INK, marker="^", zorder=4, label="auto-decoding limit $(0, H)$", **mark)


def slope_ticks(data: pd.DataFrame, *, colours: Colours, ax: Axes) -> Axes:
    """A short tangent of slope dD/dR = -beta through every row, all of one visual length; as for `tangents`.

    Of a run that asked for R or D, beta is what its multiplier had come to, and the tangent grey.
    """
    data = data.assign(slope=data["beta"].fillna(data["achieved_slope"])).dropna(subset=["slope", "rate"])
    ink = [colours[beta] for beta in data["beta"]]
    style: Mark = {"colors": ink, "linewidths": 0.7, "zorder": 3, "gid": "tangents"}
    return tangents(data, data["slope"].to_numpy(), length=TICK_POINTS, **style, ax=ax)


def slope_key(data: pd.DataFrame, *, ax: Axes) -> Axes:
    """The legend entries of `slope_ticks` and of `aim_labels`, where some run has a slope."""
    if (data["beta"].isna() & data["achieved_slope"].notna() & data["rate"].notna()).any():
        key(ax, "tangent found: $R$ or $D$ was asked", linestyle="-", linewidth=0.8)
    data = data.dropna(subset=["beta", "rate"])
    if data.empty:
        return ax
    key(ax, r"tangent: slope $-\beta$", linestyle="-", linewidth=0.8)
    return ax


def tangents(data: pd.DataFrame, betas: np.ndarray, *, length: float, ax: Axes, **style: Any) -> Axes:
    """A segment of slope -beta through every row, `length` points long.

    Limits, size and layout of the axes must be final.
    """
    points = data[["rate", "distortion"]].to_numpy(dtype=float)
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    step = 1e-6 * min(abs(x1 - x0), abs(y1 - y0)) / np.maximum(1.0, np.abs(betas))
    ahead = points + np.stack([step, -step * betas], axis=1)
    centres = ax.transData.transform(points)
    directions = ax.transData.transform(ahead) - centres  # the slope at the point itself, whatever the scales
    half = directions / np.linalg.norm(directions, axis=1, keepdims=True) * length / 2 * ax.figure.dpi / 72
    ends = np.stack([centres - half, centres + half], axis=1)
    segments = ax.transData.inverted().transform(ends.reshape(-1, 2)).reshape(-1, 2, 2)
    ax.add_collection(LineCollection(list(segments), **style), autolim=False)
    return ax


def aim_labels(data: pd.DataFrame, *, space: Space | None = None, ax: Axes) -> Axes:
    """Each beta or asked rate once, clear of every mark, beside the middle of its runs of equal config.

    Of several such middles it is the one of the largest D + R, outermost in the plane. Where they are too many,
    those that find a place are written, the ends and the middle first; a bar has all colours. The first says beta.
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
    shown = _spread(len(points), FEW) if crowded else range(len(points))
    said = _said([labels[place] for place in shown])
    anchors = {words: (points[place, 0], points[place, 1]) for words, place in zip(said, shown, strict=True)}
    if anchors:
        place_labels(anchors, only_free=crowded, space=space, ax=ax)
    return ax


def _said(labels: Sequence[str]) -> list[str]:
    """Labels with as many digits as tell these apart; the largest beta says that it is one."""
    betas = {label: float(label) for label in labels if _is_number(label)}
    words = beta_words(betas.values())
    most = max(betas.values(), default=None)
    shown = {label: rf"$\beta$ = {words[beta]}" if beta == most else words[beta] for label, beta in betas.items()}
    return [shown.get(label, label) for label in labels]


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


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
