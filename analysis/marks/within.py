"""The bounds H - D <= I <= R of each run within the plane: on the level of its D, from the line D + R = H to its R.

There the run would lie if its prior were q(z), whose rate is I: what lies between that place and the run is
KL(q(z) || m(z)).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis.marks.defaults import axes_of, colours_of, inked
from analysis.rows.runs import as_rows
from analysis.statistics.bounds import information_interval
from analysis.style import INK, Colours, Mark, cap_label, key

DASHES = (0, (2.5, 1.5))  # of what follows from an estimated H
ENDS: Mark = {"marker": "o", "s": 7.0, "facecolors": "white", "linewidths": 0.6, "zorder": 2.7}
DOTS: Mark = {"marker": "o", "s": 7.0, "linewidths": 0.0, "zorder": 2.8}
MANY = 40  # runs whose intervals are drawn thinner, so that their points are seen
KEYS: dict[str, tuple[str, Mark]] = {
    "exact": ("$I$, exact (2 s.e.)", {"marker": "o", "markersize": 2.7}),
    "empirical": ("$I$ of these $n$ examples (2 s.e.)", {"marker": "o", "markersize": 2.7}),
    "bound": ("$I$: InfoNCE to upper bound", {"linestyle": "-", "linewidth": 3.0, "alpha": 0.4}),
}


def information_within(rows: pd.DataFrame, *, colours: Colours | None = None, ax: Axes | None = None) -> Axes:
    """Each run's H - D <= I <= R at the height of its D, and what is known of I inside it.

    An exact I is a dot with bars of 2 s.e., two-sided bounds on I a thick bar. Where H is a model's estimate, the
    lower end is no bound: the line is dashed and its end open. Where R is undefined, the lower end stands alone.

    Args:
        rows: of one split, from `add_bounds`.
        colours: of each beta; None: one for each of the rows.
        ax: None: the current axes.
    """
    ax, colours = axes_of(ax), colours_of(rows, colours)
    rows = inked(rows, colours)
    thin = 0.5 if len(rows) > MANY else 1.0
    _bounds(rows, thin, ax)
    spans = np.array([information_interval(row) for row in as_rows(rows)]).reshape(-1, 2)
    rows = rows.assign(low=spans[:, 0], high=spans[:, 1])
    is_bound = (rows["mutual_information_lower_kind"] == "bound").to_numpy()
    bars = rows[is_bound].dropna(subset=["low", "high"])
    _level(bars, bars["low"], bars["high"], ax, linewidths=3.0 * thin, alpha=0.4, zorder=2.4)
    dots = rows[~is_bound].dropna(subset="low")
    error = 2 * dots["mutual_information_lower_stderr"].fillna(0.0)
    _level(dots, dots["low"] - error, dots["low"] + error, ax, linewidths=0.8, zorder=2.8)
    ax.scatter(dots["low"], dots["distortion"], color=list(dots["ink"]), **DOTS)
    return _keys(rows, ax)


def _bounds(rows: pd.DataFrame, thin: float, ax: Axes) -> None:
    known = rows.dropna(subset="h_minus_d")
    low = known["h_minus_d"].clip(lower=0.0)
    for estimated, style in ((False, "-"), (True, DASHES)):
        some = (known["h_kind"] == "estimate") == estimated
        part, ends = known[some], low[some]
        _level(part, ends, part["rate"], ax, linewidths=0.8 * thin, linestyles=style, alpha=0.75, zorder=2.2)
        if estimated:
            ax.scatter(ends, part["distortion"], edgecolors=list(part["ink"]), **ENDS)
        else:
            lone = part["rate"].isna()
            ax.scatter(ends[lone], part["distortion"][lone], c=list(part["ink"][lone]), marker="|", s=25, zorder=2.7)


def _level(rows: pd.DataFrame, low: pd.Series, high: pd.Series, ax: Axes, **style: object) -> None:
    """A segment at the height of each row's D."""
    height = rows["distortion"].to_numpy()
    ends = np.stack([np.stack([low, height], axis=1), np.stack([high, height], axis=1)], axis=1)
    ends = np.asarray(ends, dtype=float)
    held = np.isfinite(ends).all((1, 2))
    ink = [colour for colour, is_held in zip(rows["ink"], held, strict=True) if is_held]
    if held.any():
        ax.add_collection(LineCollection(list(ends[held]), colors=ink, **style), autolim=False)  # type: ignore[arg-type]


def _keys(rows: pd.DataFrame, ax: Axes) -> Axes:
    line: Mark = {"linestyle": "-", "linewidth": 0.8}
    ends, no_rate, estimated = rows["h_minus_d"].notna(), rows["rate"].isna(), rows["h_kind"] == "estimate"
    if (ends & ~no_rate & ~estimated).any():
        key(ax, r"$H - D \leq I \leq R$", **line)
    if (ends & ~no_rate & estimated).any():
        dashed: Mark = {"linestyle": DASHES, "marker": "o", "markersize": 2.7, "markerfacecolor": "white"}
        key(ax, r"$\hat{H} - D$ to $R$: an estimate", **line | dashed, markevery=[0])
    if (ends & no_rate).any():
        key(ax, "$H - D$ alone: $R$ undefined", marker="|", markersize=5)
    measured = rows[rows["mutual_information_lower"].notna()]
    for kind, (label, mark) in KEYS.items():
        if kind in set(measured["mutual_information_lower_kind"]):
            key(ax, label, **mark)
    return ax


def cap_lines(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """InfoNCE's cap ln N as a dotted line along the runs that reach it, where InfoNCE is a bound."""
    bounded = rows[rows["mutual_information_lower_kind"] == "bound"].dropna(subset="mutual_information_lower")
    for row in as_rows(bounded.drop_duplicates("mutual_information_lower_cap")):
        cap = row["mutual_information_lower_cap"]
        if (rows["rate"] >= cap).any():
            label = f"InfoNCE {cap_label(cap, units=row['units'], dims=row['dims'])}"
            heights = rows["distortion"][rows["rate"] >= cap]
            low, high = ax.transData.transform([(cap, heights.min()), (cap, heights.max())])[:, 1]
            margin = 0.05 * ax.bbox.height
            ends = ax.transData.inverted().transform([(0, low - margin), (0, high + margin)])[:, 1]
            ax.plot([cap, cap], ends, color=INK, linestyle=(0, (1, 1.5)), linewidth=0.7, zorder=2.9, label=label)
    return ax


def forecast_collapse(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """A cross half-way between the runs below and above the beta where a linear VAE of their data collapses.

    None where the runs of a beta have no forecast or several, or all lie on one side of it.
    """
    data = rows.dropna(subset=["beta", "rate"]).sort_values("beta")
    one = data["collapse_beta"].notna().all() and data["collapse_beta"].nunique() == 1
    above = data["beta"] >= data["collapse_beta"]
    if not one or above.all() or not above.any():
        return ax
    means = data.groupby("beta")[["rate", "distortion"]].mean()
    beta = float(data["collapse_beta"].iloc[0])
    sides = means[means.index < beta].iloc[-1], means[means.index >= beta].iloc[0]
    place = (sides[0] + sides[1]) / 2
    label = rf"a linear VAE collapses from $\beta$ = {float(f'{beta:.3g}'):g} (forecast)"
    mark: Mark = {"marker": "x", "markersize": 4, "markeredgewidth": 0.9, "linestyle": "none", "zorder": 3.3}
    ax.plot(*place, color=INK, label=label, **mark)
    return ax
