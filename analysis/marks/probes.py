"""The marks of accuracy over rate, each on one axes, from rows of `analysis.rows.probes` of one number of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.defaults import axes_of, colours_of, groups_of, shown_beta
from analysis.marks.groups import POINT_SIZE, group_mark
from analysis.marks.labels import place_labels
from analysis.marks.plane import MOST_LABELS, UNDEFINED, on_axis
from analysis.marks.space import Space
from analysis.rows.groups import Groups
from analysis.rows.runs import as_rows
from analysis.style import GREY, INK, PALE, Colours, Mark, beta_words, key
from vae_rd.theory.fano import largest_accuracy

LINEAR = 1.0  # of a rate about which the axis goes from linear to logarithmic
TICKS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
FILLINGS = {"draw": "full", "mean": "none"}
WORDS = {"draw": "draw of $z$ (bars: 2 s.e.)", "mean": "$E[z|x]$, no bound"}
LINES: dict[str, Mark] = {
    "pixels": {"linestyle": "-", "linewidth": 0.8},
    "pca": {"linestyle": (0, (4, 2)), "linewidth": 0.8},
}


def frame_rates(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """An axis of rates that shows 0 and is logarithmic where rates are large, and one of shares."""
    highest = 1.3 * max(rows["rate"].dropna().max(), 3 * LINEAR) if rows["rate"].notna().any() else 3 * LINEAR
    ax.set_xscale("asinh", linear_width=LINEAR)
    ax.set_xlim(-0.15, highest)
    ax.set_xticks([tick for tick in TICKS if tick <= highest], minor=False)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set_ylim(-0.04, 1.06)
    return ax


def probe_points(
    rows: pd.DataFrame, *, colours: Colours | None = None, groups: Groups | None = None, ax: Axes | None = None
) -> Axes:
    """Each run at its rate and what is told from a draw, with bars of 2 s.e., and, open, from the mean.

    A run whose R is undefined stands at its accuracy on the axis, the left end of `ax`, whose limits must be final.

    Args:
        rows: of one number of labels, from `load_probes`.
        colours: of each beta; None: one for each of the rows.
        groups: None: one for all.
        ax: None: the current axes.
    """
    ax, colours, groups = axes_of(ax), colours_of(rows, colours), groups_of(rows, groups)
    for features, filling in FILLINGS.items():
        part = rows[rows["features"] == features]
        ink = [colours[beta] for beta in shown_beta(part)]
        for row, colour in zip(as_rows(on_axis(part, ax=ax)), ink, strict=True):
            x, y = row["rate"], row["accuracy"]
            if features == "draw":
                bars: Mark = {"xerr": 2 * np.nan_to_num(row["rate_stderr"]), "yerr": 2 * row["accuracy_stderr"]}
                ax.errorbar(x, y, **bars, color=colour, elinewidth=0.8, zorder=3)
            mark = group_mark(groups.place_of[row["folder"]], colour, size=POINT_SIZE)
            edge: Mark = {"markeredgewidth": 0.8} if filling == "none" else {"markeredgecolor": "white"}
            ax.plot(x, y, **mark | edge | {"fillstyle": filling, "zorder": 4}, clip_on=False)
    return ax


def point_keys(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """The legend's entries of `probe_points`."""
    for features, filling in FILLINGS.items():
        if (rows["features"] == features).any():
            edge = GREY if filling == "none" else "white"
            key(ax, WORDS[features], marker="o", markersize=POINT_SIZE, fillstyle=filling, markeredgecolor=edge)
    return ax


def reference_lines(rows: pd.DataFrame, *, ax: Axes) -> Axes:
    """What is told from pixels, and from as many principal components as z has units, at the mean over the runs."""
    for features, style in LINES.items():
        for dims, found in rows[rows["features"] == features].groupby("dims"):
            label = f"pixels ({dims})" if features == "pixels" else f"PCA ({dims})"
            ax.axhline(found["accuracy"].mean(), color=GREY, label=label, zorder=1.5, **style)
    return ax


def fano_limit(rows: pd.DataFrame, *, per_nat: float, ax: Axes) -> Axes:
    """Where no probe of a draw can lie: I(Z; Y) <= R, and Fano's inequality. The limits of `ax` must be final.

    Args:
        rows: with H(Y) in the units of the axis.
        per_nat: units a nat.
        ax: the axes.
    """
    first = rows.iloc[0]
    rates = np.append(
        first["label_entropy"] * np.linspace(0, 1, 80) ** 2, max(ax.get_xlim()[1], first["label_entropy"])
    )
    entropy, classes = first["label_entropy"] / per_nat, int(first["classes"])
    limits = [largest_accuracy(rate / per_nat, label_entropy=entropy, classes=classes) for rate in rates]
    ax.fill_between(rates, limits, ax.get_ylim()[1], color=PALE, linewidth=0, zorder=0)
    ax.plot(rates, limits, color=INK, linewidth=0.9, zorder=1, label="no draw tells more (Fano)")
    return ax


def undefined_label(rows: pd.DataFrame, *, space: Space | None = None, ax: Axes) -> Axes:
    """A label at the marks on the axis. The axes must be final."""
    undefined = rows[rows["rate"].isna() & (rows["features"] == "draw")]
    if not undefined.empty:
        place_labels({UNDEFINED: (ax.get_xlim()[0], undefined["accuracy"].mean())}, space=space, ax=ax)
    return ax


def beta_labels(rows: pd.DataFrame, *, space: Space | None = None, ax: Axes) -> Axes:
    """Each beta beside the mean of its runs, where it finds a place. The axes must be final."""
    means = rows[(rows["features"] == "draw") & rows["rate"].notna()].groupby("beta")[["rate", "accuracy"]].mean()
    words = beta_words(means.index)
    labels = {beta: rf"$\beta$ = {word}" if beta == max(words) else word for beta, word in words.items()}
    points = means.itertuples(name=None)
    anchors = {labels[beta]: (rate, accuracy) for beta, rate, accuracy in points}
    if 0 < len(anchors) <= MOST_LABELS:
        place_labels(anchors, only_free=True, space=space, ax=ax)
    return ax
