"""The limits and scales of the plane's axes, so that all points are seen and none of them squeezes the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, MaxNLocator

from analysis.rows.estimates import UPPER
from analysis.statistics.bounds import Entropy, has_limits
from analysis.statistics.lines import heights_to_show
from analysis.style import number
from analysis.view import View
from vae_rd.errors import InputError

FEWEST = 5  # points of which some may be far out
FAR_SHARE = 0.25  # of the points, which may be far out at most
SQUEEZED = 0.3  # of the axis, in which the others lie at most where some are far out
BEYOND = 0.25  # of the axis, that is logarithmic and holds those that are
LEDGE = 1.15  # the axis is linear this many times as far as the others reach
BARS = 5.0  # standard errors of D that the axis holds at least, of which a bar has four
NICE = np.array([1, 2, 5])


@dataclass(frozen=True)
class Bend:
    """A scale that is linear up to a value and logarithmic beyond, with one slope where the two meet.

    Attributes:
        start: where the linear part begins to be shown.
        at: where it ends.
        width: by how much beyond `at` the logarithm has fallen to half the slope.
    """

    start: float
    at: float
    width: float

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Places on the axis."""
        beyond = np.maximum(np.asarray(values, dtype=float) - self.at, 0.0)
        return np.minimum(values, self.at) + self.width * np.log1p(beyond / self.width)

    def inverse(self, places: np.ndarray) -> np.ndarray:
        """Values at places on the axis."""
        beyond = np.maximum(np.asarray(places, dtype=float) - self.at, 0.0)
        return np.minimum(places, self.at) + self.width * np.expm1(np.minimum(beyond / self.width, 700.0))


def bend_of(values: Iterable[float], *, low: float) -> Bend | None:
    """The scale of an axis on which a few values are far out; None where it can be linear.

    Far out are those above the widest gap, where they are no more than a quarter of at least five values, and the
    others would lie in less than 0.3 of the axis. The axis is then linear to 1.15 times as far as the others reach,
    and logarithmic over its last quarter.

    Args:
        values: of the points.
        low: where the axis begins.

    Example:
        >>> bend_of([0.0, 1.0, 2.0, 3.0, 4.0], low=0.0) is None
        True
        >>> round(bend_of([0.0, 1.0, 2.0, 3.0, 400.0], low=0.0).at, 2)
        3.45
    """
    found = np.unique(np.asarray([v for v in values if np.isfinite(v)], dtype=float))
    if len(found) < FEWEST:
        return None
    place = int(np.argmax(np.diff(found)))
    near, far = found[place], found[-1]
    if len(found) - 1 - place > FAR_SHARE * len(found) or near - low > SQUEEZED * (far - low) or near <= low:
        return None
    at = low + LEDGE * (near - low)
    room = (at - low) * BEYOND / (1 - BEYOND)
    return Bend(low, float(at), _width(far - at, room))


def _width(beyond: float, room: float) -> float:
    """The width w with w ln(1 + beyond / w) = room, by bisection of its logarithm; room < beyond."""
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        width = beyond * np.exp(middle)
        low, high = (middle, high) if width * np.log1p(beyond / width) < room else (low, middle)
    return float(beyond * np.exp(middle))


def frame_plane(
    rows: pd.DataFrame, entropy: Entropy | None, *, lines: pd.DataFrame, view: View | None = None, ax: Axes
) -> Axes:
    """Set limits that hold every point and some of each line: its ends, or where it is nearest to a point.

    A decoder's own curve may leave them: towards R = 0 it runs far above all points. Where a few points are far out,
    their axis is that of `bend_of`, and its label says so, unless the view states limits, a scale or an inset.

    Args:
        rows: from `placeable`; where R is undefined, D alone is held.
        entropy: H, where it is known or estimated.
        lines: all lines of the plane.
        view: limits and scales that are asked for.
        ax: the axes.

    Raises:
        InputError: for a logarithmic axis of numbers that are not all positive.
    """
    view = view or View()
    data = rows.dropna(subset="rate")
    rates = [0.0, *data["rate"], *lines["rate"][lines["line"] == UPPER].dropna()]
    distortions = [*rows["distortion"], *heights_to_show(lines, data)]
    if entropy is not None and has_limits(entropy):
        rates.append(entropy.value)
        distortions += [0.0, entropy.value]
    elif entropy is not None and not data.empty:
        distortions.append(entropy.value - data["rate"].iloc[int((data["distortion"] + data["rate"]).argmin())])
    width = max(rates) or 1.0
    bends_x = bend_of(data["rate"], low=0.0) if not (view.xlim or "x" in view.log or view.inset) else None
    bends_y = bend_of(distortions, low=min(distortions)) if not (view.ylim or "y" in view.log or view.inset) else None
    seen = bends_x.at if bends_x else width
    noise = BARS * np.nanmax([0.0, *rows["distortion_stderr"]])
    height = max(max(distortions) - min(distortions), 0.4 * seen, noise)  # a lone point still shows slopes as slopes
    middle = (max(distortions) + min(distortions)) / 2
    _set(ax.xaxis, (0.0, width), bends_x, 0.06)
    low = min(distortions) if bends_y else middle - height / 2
    _set(ax.yaxis, (low, max(distortions) if bends_y else middle + height / 2), bends_y, 0.06)
    obey(view, rates=data["rate"], distortions=rows["distortion"], ax=ax)
    return ax


def _set(axis: Axis, ends: tuple[float, float], bend: Bend | None, margin: float) -> None:
    """Limits a little beyond the ends, on a bent scale where there is one."""
    name = "x" if axis is axis.axes.xaxis else "y"
    setter = getattr(axis.axes, f"set_{name}lim")
    if bend is None:
        room = margin * (ends[1] - ends[0])
        setter(ends[0] - room, ends[1] + room)
        return
    getattr(axis.axes, f"set_{name}scale")("function", functions=(bend.forward, bend.inverse))
    low, high = (float(bend.forward(np.array(end))) for end in ends)
    room = margin * (high - low)
    setter(*(float(bend.inverse(np.array(place))) for place in (low - room, high + room)))
    axis.set_major_locator(FixedLocator(_ticks(bend, ends[1])))
    axis.set_major_formatter("{x:g}")
    said, between = f"log beyond {float(f'{bend.at:.2g}'):g}", "\n" if name == "y" else ", "
    axis.get_label().set_text(f"{axis.get_label().get_text()}{between}{said}")


def _ticks(bend: Bend, high: float) -> list[float]:
    """Even ticks where the axis is linear, and beyond them those of 1, 2 and 5 that stand far enough apart."""
    even = [tick for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(bend.start, bend.at) if tick <= bend.at]
    decades = 10.0 ** np.arange(np.floor(np.log10(max(bend.at, 1e-12))), np.ceil(np.log10(high)) + 1)
    apart = 0.11 * float(bend.forward(np.array(high)) - bend.start)
    for tick in sorted((decades[:, None] * NICE).ravel(), reverse=True):
        place = float(bend.forward(np.array(tick)))
        if bend.at < tick <= high and all(abs(place - float(bend.forward(np.array(e)))) >= apart for e in even):
            even.append(float(tick))
    return sorted(even)


def obey(view: View, *, rates: Iterable[float], distortions: Iterable[float], ax: Axes) -> None:
    """The limits and logarithmic axes that a view asks for."""
    for name, values, ends in (("x", rates, view.xlim), ("y", distortions, view.ylim)):
        if name in view.log:
            _logarithmic(name, [value for value in values if np.isfinite(value)], ax)
        if ends:
            getattr(ax, f"set_{name}lim")(*ends)


def _logarithmic(name: str, values: list[float], ax: Axes) -> None:
    if not values or min(values) <= 0:
        what = f"the least is {number(min(values))}" if values else "there is none"
        raise InputError(f"--log {name}: all numbers on that axis must be above 0, {what}; leave it linear")
    getattr(ax, f"set_{name}scale")("log")
    getattr(ax, f"set_{name}lim")(0.7 * min(values), 1.4 * max(values))
