"""The marks of the bounds on I(X; Z), one row a run, from one split's rows of `analysis.statistics.bounds`."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.marks.groups import group_mark
from analysis.rows.aims import aim_words
from analysis.rows.groups import Groups
from analysis.rows.runs import Row, as_rows
from analysis.statistics.bounds import information_interval
from analysis.style import GREY, INK, Colour, Colours, Mark, cap_label, key

DASHES = (0, (3, 1.5))  # of what follows from an estimated H
DOT: Mark = {"marker": "o", "markersize": 3.2, "linestyle": "-", "linewidth": 1.2}
BAR: Mark = {"linestyle": "-", "linewidth": 3.5, "alpha": 0.5, "solid_capstyle": "butt"}
DENSE = 0.085  # inches from row to row that marks of full size need
LABEL_HEIGHT = 0.115  # inches from one label of beta to the next
HEAD = 0.14  # inches from the last label to their head
BELOW = 0.9  # rows below the first
INFORMATION_KEYS = {
    "exact": ("$I$, exact (2 s.e.)", DOT),
    "empirical": ("$I$ of these $n$ examples (2 s.e.)", DOT),
    "bound": ("$I$, from InfoNCE to the smallest upper bound", BAR),
}


def information_intervals(data: pd.DataFrame, *, colours: Colours, groups: Groups, row_height: float, ax: Axes) -> Axes:
    """One row a run, in the order given: the bounds H - D and R as an interval, and what is known of I inside it.

    An exact I is a dot with whiskers of 2 s.e., two-sided bounds on I a thick bar. Where H is a model's estimate, the
    lower end is no bound: that interval is dashed and its end open. Where R is undefined, the lower end stands alone.
    Before each row stands the shape of its group.

    Args:
        data: rows of one split.
        colours: of each beta.
        groups: of all runs of the figure.
        row_height: inches from one beta to the next; where there is less than a row needs, its marks are smaller.
        ax: the axes.
    """
    heights = interval_rows(data)
    size = min(1.0, row_height * min([1.0, *np.diff(heights)]) / DENSE)
    for height, row in zip(heights, as_rows(data), strict=True):
        colour = colours[row["beta"]]
        _bound_interval(row, height, colour, size, ax=ax)
        _information(row, height, colour, size, ax=ax)
        if groups.distinguished:
            mark = group_mark(groups.place_of[row["folder"]], colour, size=3.4 * size)
            ax.plot(-0.015, height, transform=ax.get_yaxis_transform(), clip_on=False, **mark)
    _aim_ticks(pd.Series(heights).groupby(aim_words(data).to_numpy(), sort=False).mean(), row_height, ax=ax)
    head = max(heights) + max(0.85, HEAD / row_height)
    ax.set_yticks([head], [r"$\beta$"], minor=True)
    ax.set_ylim(-BELOW, head + HEAD / 2 / row_height)
    ax.tick_params(axis="y", which="both", length=0, **({"pad": 9} if groups.distinguished else {}))
    ax.spines["left"].set_visible(False)
    return _interval_keys(data, ax=ax)


def intervals_height(data: pd.DataFrame, row_height: float) -> float:
    """Inches that these rows take with the head of their labels."""
    return row_height * (max(interval_rows(data)) + BELOW) + max(0.85 * row_height, HEAD) + HEAD / 2


def _aim_ticks(heights: pd.Series, row_height: float, *, ax: Axes) -> None:
    """A label at each of the aims' heights, less those too close to the one below."""
    shown = dict[float, str]()
    for word, height in heights.items():
        if not shown or (height - max(shown)) * row_height >= LABEL_HEIGHT:
            shown[height] = str(word)
    ax.set_yticks([*shown], [*shown.values()])


def interval_rows(data: pd.DataFrame) -> list[float]:
    """Heights of the rows, bottom up: 1 apart between aims, less between runs that share one.

    Example:
        >>> interval_rows(pd.DataFrame({"beta": [1.0, 1.0, 4.0], "target_rate": math.nan}))
        [0.0, 0.5, 1.5]
    """
    words = aim_words(data).to_numpy()
    steps = np.where(words[1:] == words[:-1], 0.5, 1.0)
    return [0.0, *np.cumsum(steps).tolist()]


def _bound_interval(row: Row, height: float, colour: Colour, size: float, *, ax: Axes) -> None:
    estimated = row["h_kind"] == "estimate"
    cap: Mark = {"marker": "|", "markersize": 5 * size, "color": colour, "markeredgewidth": 1.0}
    ax.plot(row["rate"], height, **cap)
    if not math.isnan(row["h_minus_d"]):
        ends, style = [max(0.0, row["h_minus_d"]), row["rate"]], DASHES if estimated else "-"
        ax.plot(ends, [height, height], color=colour, linestyle=style, linewidth=0.9 * size, zorder=2)
        ax.plot(ends[0], height, **(_open_end(colour, size) if estimated else cap))


def _open_end(colour: Colour | str, size: float = 1.0) -> Mark:
    return {"marker": "o", "markersize": 3 * size, "color": colour, "markerfacecolor": "white", "markeredgewidth": 0.8}


def _information(row: Row, height: float, colour: Colour, size: float, *, ax: Axes) -> None:
    low, high = information_interval(row)
    if row["mutual_information_lower_kind"] == "bound":
        ax.plot([low, high], [height, height], color=colour, zorder=3, **_sized(BAR, size))
    else:
        error = 2 * row["mutual_information_lower_stderr"]
        ax.errorbar(low, height, xerr=error, color=colour, zorder=4, **_sized(DOT, size))


def _sized(mark: Mark, size: float) -> Mark:
    return mark | {name: size * mark[name] for name in ("linewidth", "markersize") if name in mark}


def _interval_keys(data: pd.DataFrame, *, ax: Axes) -> Axes:
    line: Mark = {"linestyle": "-", "linewidth": 0.9, "markersize": 5}
    ends, no_rate, estimated = data["h_minus_d"].notna(), data["rate"].isna(), data["h_kind"] == "estimate"
    if (ends & ~no_rate & ~estimated).any():
        key(ax, r"$H - D \leq I \leq R$", marker="|", **line)
    if (ends & ~no_rate & estimated).any():
        dashed = line | _open_end(GREY) | {"linestyle": DASHES}
        key(ax, r"from $\hat{H} - D$ (an estimate, no bound) to $R$", **dashed)
    if (ends & no_rate).any():
        lower = _open_end(GREY) if (ends & no_rate & estimated).any() else {"marker": "|", "markersize": 5}
        key(ax, "the lower end alone: $R$ undefined", **lower)
    measured = data[data["mutual_information_lower"].notna()]
    for kind, (label, mark) in INFORMATION_KEYS.items():
        if kind in set(measured["mutual_information_lower_kind"]):
            key(ax, label, **mark)
    return ax


def collapse_height(data: pd.DataFrame) -> float | None:
    """The height between the rows below and above the beta where a linear VAE of the data collapses.

    None where the runs of a beta have no forecast or several, or all lie on one side of it.

    Example:
        >>> betas = {"beta": [1.0, 4.0, 40.0], "target_rate": math.nan}
        >>> collapse_height(pd.DataFrame({**betas, "collapse_beta": [23.9] * 3}))
        1.5
    """
    data = data.dropna(subset="beta")  # The others are above.
    above = (data["beta"] >= data["collapse_beta"]).to_numpy()
    one = data["collapse_beta"].notna().all() and data["collapse_beta"].nunique() == 1
    if not one or above.all() or not above.any():
        return None
    heights = np.array(interval_rows(data))
    return float(heights[~above].max() + heights[above].min()) / 2


def forecast_collapse(data: pd.DataFrame, *, ax: Axes) -> Axes:
    """A thin line at `collapse_height`, if there is one: what was known of the betas before training."""
    if (height := collapse_height(data)) is not None:
        beta = float(f"{data['collapse_beta'].iloc[0]:.3g}")
        label = rf"a linear VAE collapses from $\beta$ = {beta:g} (forecast)"
        ax.axhline(height, color=GREY, linestyle=(0, (6, 2)), linewidth=0.6, zorder=1, label=label)
    return ax


def information_caps(data: pd.DataFrame, *, ax: Axes) -> Axes:
    """InfoNCE's cap ln N as a dotted line, where InfoNCE is a bound and the limits of `ax` reach that far."""
    bounded = data[data["mutual_information_lower_kind"] == "bound"].dropna(subset="mutual_information_lower")
    for row in as_rows(bounded.drop_duplicates("mutual_information_lower_cap")):
        cap = row["mutual_information_lower_cap"]
        if cap < ax.get_xlim()[1]:
            label = f"InfoNCE {cap_label(cap, units=row['units'], dims=row['dims'])}"
            ax.axvline(cap, color=INK, linestyle=(0, (1, 1.5)), linewidth=0.9, zorder=1, label=label)
    return ax
