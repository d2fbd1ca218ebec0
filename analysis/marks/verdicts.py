"""The verdict on training as marks on the axes of curves, from the rows of `analysis.rows.verdicts.fit_marks`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.style import GREY, INK, WARNING, Colours, Mark

SPIKES: Mark = {"marker": "v", "markersize": 3.5, "color": WARNING, "linestyle": "none", "markeredgewidth": 0}
OVERFITTING: Mark = {"linestyle": (0, (1, 1.2)), "linewidth": 0.9}
TAILS: dict[str, Mark] = {
    "exponential": {"linestyle": (0, (4, 1, 1, 1)), "linewidth": 0.8},
    "power law": {"linestyle": (0, (1, 1)), "linewidth": 0.8},
}
LABELS = {"overfitting": "overfits from here", "spike": "spikes"}


def verdict_marks(marks: pd.DataFrame, history: pd.DataFrame, quantity: str, *, colours: Colours, ax: Axes) -> Axes:
    """A dotted line where a run begins to overfit, triangles over its spikes, and the curve of a tail that falls.

    Spikes span more than all the rest: the axes do without them, and those beyond their edge are marked there.

    Args:
        marks: of the same runs as the history.
        history: from `load_histories`.
        quantity: of the axes, which have its lines already.
        colours: of each beta.
        ax: the axes.
    """
    for _, mark in marks[marks["mark"] == "overfitting"].iterrows():
        ax.axvline(mark["epoch"], color=colours[mark["beta"]], zorder=1, **OVERFITTING)
    here = marks[marks["quantity"] == quantity]
    for (_, of), tail in here[here["mark"] == "tail"].groupby(["folder", "of"]):
        ax.plot(tail["epoch"], tail["value"], color=INK, zorder=5, **TAILS[str(of)])
    if "spike" in set(marks["mark"]):
        _draw_spikes(here[here["mark"] == "spike"], marks[marks["mark"] == "spike"], history, quantity, ax=ax)
    return ax


def _draw_spikes(here: pd.DataFrame, spikes: pd.DataFrame, history: pd.DataFrame, quantity: str, *, ax: Axes) -> None:
    calm = history.merge(spikes[["folder", "epoch"]].drop_duplicates(), how="left", indicator=True)
    calm = calm[(calm["_merge"] == "left_only") & (calm["epoch"] >= calm["epoch"].max() // 10)]
    if (values := calm[quantity].dropna()).empty:
        return
    low, high = (float(value) for value in np.quantile(values, (0.02, 0.98)))
    margin = 0.1 * (high - low or 1.0)
    ax.set_ylim(low - margin, high + margin)
    found = here.drop(columns="value").merge(history, on=["folder", "epoch", "split"])
    ax.plot(found["epoch"], found[quantity].clip(low - 0.5 * margin, high + 0.5 * margin), zorder=6, **SPIKES)


def verdict_keys(marks: pd.DataFrame) -> list[Line2D]:
    """Legend entries for the kinds of marks that there are."""
    kinds = set(marks["mark"])
    keys = [Line2D([], [], color=GREY, label=LABELS["overfitting"], **OVERFITTING)] if "overfitting" in kinds else []
    keys += [Line2D([], [], label=LABELS["spike"], **SPIKES)] if "spike" in kinds else []
    tails = [of for of in TAILS if of in set(marks["of"].dropna())]
    return keys + [Line2D([], [], color=INK, label=f"tail: {of}", **TAILS[of]) for of in tails]
