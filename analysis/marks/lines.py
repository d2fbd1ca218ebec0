"""The marks of known answers and estimates on the plane, from the rows of `analysis.statistics.lines.plane_lines`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.plane import tangents
from analysis.rows.estimates import DECODER, LOWER, UPPER
from analysis.statistics.lines import ENTROPY, MARGINAL, NLL, SHANNON, lower_envelope
from analysis.style import INK, PALER, Colours, Mark, key, sourced

HEADS = {
    SHANNON: "Shannon's $R(D)$, exact",
    LOWER: "{} lower bound on $R(D)$",
    UPPER: "{} upper bound on $R(D)$",
    DECODER: "estimate: decoder's $R$-$D$ curve",
    NLL: "estimate: $D + R$ = NLL",
    MARGINAL: "with a prior fitted afterwards",
}
MARKS: dict[str, Mark] = {
    SHANNON: {"color": INK, "linestyle": "-", "linewidth": 1.5},
    LOWER: {"color": INK, "linestyle": (0, (5, 1.5, 1, 1.5)), "linewidth": 0.9},
    UPPER: {"color": INK, "linestyle": "none", "marker": "v", "markersize": 4.5, "markerfacecolor": "white"},
    DECODER: {"linestyle": "-", "linewidth": 0.6, "marker": "o", "markersize": 1.5},
    NLL: {"linestyle": "-", "linewidth": 1.5},
    MARGINAL: {"linestyle": ":", "linewidth": 0.8, "marker": "<", "markersize": 4, "markerfacecolor": "white"},
}
BELOW = "infeasible: below $R(D)$"
NLL_POINTS = 9.0  # visual length of an NLL tick


def line_labels(lines: pd.DataFrame) -> dict[str, str]:
    """The legend's words for each line that is there: what it is worth, what it is, and what it rests on."""
    present = {line: lines[lines["line"] == line] for line in HEADS}
    return {line: _label(line, rows) for line, rows in present.items() if not rows.empty}


def legend_rows(lines: pd.DataFrame) -> int:
    """How many lines of text the legend needs for all of this module's entries."""
    labels = line_labels(lines)
    return sum(label.count("\n") + 1 for label in labels.values()) + (SHANNON in labels)


def _label(line: str, rows: pd.DataFrame) -> str:
    worth = "certified" if (rows["kind"] == "certified bound").all() else "estimated"
    return sourced(HEADS[line].format(worth), "; ".join(dict.fromkeys(rows["source"])))


def known_curves(lines: pd.DataFrame, *, ax: Axes) -> Axes:
    """Shannon's curve above its infeasible side, and the bounds on it from below and above.

    What lies below D + R = H is shaded already: H is known wherever the curve is. The limits of `ax` must be final.
    """
    labels = line_labels(lines)
    if SHANNON in labels:
        curve = lines[lines["line"] == SHANNON]
        ax.plot(curve["rate"], curve["distortion"], label=labels[SHANNON], zorder=1.5, **MARKS[SHANNON])
        floor = lines["value"][lines["line"] == ENTROPY].min() - curve["rate"]
        shade: Mark = {"color": PALER, "linewidth": 0, "zorder": 0, "label": BELOW}
        ax.fill_between(curve["rate"], floor, curve["distortion"], **shade)
    if LOWER in labels:
        rates = np.linspace(0.0, ax.get_xlim()[1], 500)
        ax.plot(rates, lower_envelope(lines, rates), label=labels[LOWER], zorder=1.5, **MARKS[LOWER])
    if UPPER in labels:
        points = lines[lines["line"] == UPPER]
        ax.plot(points["rate"], points["distortion"], label=labels[UPPER], zorder=3.2, **MARKS[UPPER])
    return ax


def decoder_curves(lines: pd.DataFrame, *, colours: Colours, ax: Axes) -> Axes:
    """The rate-distortion curve of each run's decoder, thin, a dot at each b, in the run's colour."""
    curves = lines[lines["line"] == DECODER]
    for _, curve in curves.groupby("folder", sort=False):
        colour = colours[curve["beta"].iloc[0]]
        ax.plot(curve["rate"], curve["distortion"], color=colour, zorder=2, **MARKS[DECODER])
    if not curves.empty:
        key(ax, line_labels(lines)[DECODER], **MARKS[DECODER])
    return ax


def fitted_priors(lines: pd.DataFrame, data: pd.DataFrame, *, colours: Colours, ax: Axes) -> Axes:
    """Each run under a prior fitted afterwards, joined to the point of the run, whose D it keeps."""
    points, rates = lines[lines["line"] == MARGINAL], data.set_index("folder")["rate"]
    for folder, beta, rate, distortion in points[["folder", "beta", "rate", "distortion"]].itertuples(index=False):
        ends = [rate, rates[folder]], [distortion, distortion]
        ax.plot(*ends, color=colours[beta], markevery=[0], zorder=2.5, **MARKS[MARGINAL])
    if not points.empty:
        key(ax, line_labels(lines)[MARGINAL], **MARKS[MARGINAL])
    return ax


def nll_ticks(lines: pd.DataFrame, data: pd.DataFrame, *, colours: Colours, ax: Axes) -> Axes:
    """A tick of slope -1 on each run's line D + R = NLL, tied by a dotted line to the point of the run above it.

    On a decoder's own curve it stands where that has slope -1. At a run's rate it is no point but a level: what lies
    between it and the run is the KL from the encoder to the decoder's own posterior. Limits, size and layout of the
    axes must be final.

    Args:
        lines: all lines of the plane.
        data: the runs' points.
        colours: of each beta.
        ax: the axes.
    """
    ticks = lines[lines["line"] == NLL]
    if ticks.empty:
        return ax
    ink = [colours[beta] for beta in ticks["beta"]]
    points = data.set_index("folder").loc[ticks["folder"]]
    tops = points["distortion"].where(points["rate"].to_numpy() == ticks["rate"].to_numpy())
    ax.vlines(ticks["rate"], ticks["distortion"], tops, colors=ink, linestyles=":", linewidths=0.7, zorder=2)
    return tangents(ticks, np.ones(len(ticks)), length=NLL_POINTS, colors=ink, linewidths=1.5, zorder=3, ax=ax)


def nll_key(lines: pd.DataFrame, *, ax: Axes) -> Axes:
    """The legend entry of `nll_ticks`, which are drawn when the legend stands already."""
    if (label := line_labels(lines).get(NLL)) is not None:
        key(ax, label, **MARKS[NLL])
    return ax
