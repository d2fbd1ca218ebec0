"""The geometry of rate-distortion frontiers: which points no other beats, a curve through them, how two curves differ.

Pure functions of arrays, in any one unit. R and D are both better where they are smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.statistics.pchip import Pchip

Places = np.ndarray  # of points among all, [M] integers
Quality = Callable[[np.ndarray], np.ndarray]  # the PSNR of D


def pareto_front(rate: np.ndarray, distortion: np.ndarray) -> Places:
    """Places of the points that no other beats in R and D at once, by rising R.

    Args:
        rate: R, [N].
        distortion: D, [N].

    Example:
        >>> pareto_front(np.array([2.0, 0.0, 1.0, 1.0]), np.array([3.0, 9.0, 4.0, 5.0])).tolist()
        [1, 2, 0]
    """
    order = np.lexsort((distortion, rate))
    before = np.minimum.accumulate(np.concatenate([[math.inf], distortion[order]]))[:-1]
    return np.asarray(order[distortion[order] < before])


def lower_hull(rate: np.ndarray, distortion: np.ndarray) -> Places:
    """Places of the points that minimise D + beta R for some beta > 0: the corners of the lower convex hull, by R.

    Example:
        >>> lower_hull(np.array([0.0, 1.0, 2.0]), np.array([4.0, 3.5, 0.0])).tolist()
        [0, 2]
    """
    corners: list[int] = []
    for place in pareto_front(rate, distortion).tolist():
        while len(corners) > 1 and _turn(rate, distortion, (*corners[-2:], place)) <= 0:
            corners.pop()
        corners.append(place)
    return np.array(corners, dtype=int)


def _turn(rate: np.ndarray, distortion: np.ndarray, places: tuple[int, ...]) -> float:
    """Positive where the way through three points bends upward."""
    (r0, r1, r2), (d0, d1, d2) = rate[[*places]], distortion[[*places]]
    return float((r1 - r0) * (d2 - d0) - (r2 - r0) * (d1 - d0))


def monotone(rate: np.ndarray, distortion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points in their order, neighbours that break it averaged until R rises and D falls.

    A front that was chosen on other examples need not be one here, and to choose again would favour luck.

    Args:
        rate: R, [N], in the order of the front.
        distortion: D, [N].

    Example:
        >>> monotone(np.array([0.0, 2.0, 1.0, 4.0]), np.array([9.0, 5.0, 4.0, 1.0]))
        (array([0. , 1.5, 4. ]), array([9. , 4.5, 1. ]))
    """
    blocks: list[tuple[float, float, int]] = []
    for r, d in zip(rate.tolist(), distortion.tolist(), strict=True):
        block = (r, d, 1)
        while blocks and not (blocks[-1][0] < block[0] and blocks[-1][1] > block[1]):
            (one_r, one_d, one_n), (r, d, n) = blocks.pop(), block
            total = one_n + n
            block = ((one_n * one_r + n * r) / total, (one_n * one_d + n * d) / total, total)
        blocks.append(block)
    return np.array([r for r, _, _ in blocks]), np.array([d for _, d, _ in blocks])


@dataclass(frozen=True)
class Curve:
    """A falling curve through two points or more: piecewise cubic and monotone (PCHIP), D of R and R of D alike.

    Attributes:
        rate: R, [N], rising.
        distortion: D, [N], falling.
    """

    rate: np.ndarray
    distortion: np.ndarray

    @classmethod
    def through(cls, rate: np.ndarray, distortion: np.ndarray) -> Curve | None:
        """The curve through points in the order of their front, `monotone` first; None through a single one."""
        rate, distortion = monotone(rate, distortion)
        return cls(rate, distortion) if len(rate) > 1 else None

    @cached_property
    def of_rate(self) -> Pchip:
        """D of R."""
        return Pchip(self.rate, self.distortion)

    @cached_property
    def of_distortion(self) -> Pchip:
        """R of D."""
        return Pchip(self.distortion[::-1], self.rate[::-1])

    @property
    def rates(self) -> tuple[float, float]:
        """The least and the largest R."""
        return float(self.rate[0]), float(self.rate[-1])

    @property
    def distortions(self) -> tuple[float, float]:
        """The least and the largest D."""
        return float(self.distortion[-1]), float(self.distortion[0])

    def area(self, low: float, high: float) -> float:
        """The integral of D over R from `low` to `high`."""
        return self.of_rate.integral(low, high)


def common(one: tuple[float, float], *others: tuple[float, float]) -> tuple[float, float] | None:
    """The interval that all have in common; None where that is empty or a point.

    Example:
        >>> common((0.0, 4.0), (1.0, 9.0)), common((0.0, 1.0), (1.0, 2.0))
        ((1.0, 4.0), None)
    """
    low, high = max(low for low, _ in (one, *others)), min(high for _, high in (one, *others))
    return (low, high) if low < high else None


def rate_difference(one: Curve, other: Curve) -> float:
    """The mean over their common interval of D of the R of `other` less that of `one`; NaN where they have none.

    1/(b - a) integral_a^b (R_other(D) - R_one(D)) dD: what Bjontegaard does with ln R and polynomials (VCEG-M33, 2001),
    here with R itself, which may be 0.

    Example:
        >>> line = Curve(np.array([1.0, 3.0]), np.array([4.0, 0.0]))
        >>> rate_difference(line, Curve(line.rate + 0.5, line.distortion))
        0.5
    """
    over = common(one.distortions, other.distortions)
    if over is None:
        return math.nan
    return (other.of_distortion.integral(*over) - one.of_distortion.integral(*over)) / (over[1] - over[0])


def distortion_difference(one: Curve, other: Curve) -> float:
    """The mean over their common interval of R of the D of `other` less that of `one`; NaN where they have none."""
    over = common(one.rates, other.rates)
    return math.nan if over is None else (other.area(*over) - one.area(*over)) / (over[1] - over[0])


def quality_range(curve: Curve, psnr: Quality) -> tuple[float, float]:
    """The least and the largest PSNR of a curve."""
    low, high = psnr(np.array(curve.distortions[::-1]))
    return float(low), float(high)


def bd_rate(one: Curve, other: Curve, psnr: Quality) -> float:
    """By how many per cent the R of `other` is above that of `one` at equal PSNR: Bjontegaard's delta rate.

    100 (exp(1/(b - a) integral_a^b (ln R_other(Q) - ln R_one(Q)) dQ) - 1) over the PSNR Q that both reach, with ln R of
    Q piecewise cubic and monotone (VCEG-M33, 2001, took one cubic). NaN where they have no Q in common, and with a
    point of R = 0 or of no squared error.

    Args:
        one: what the per cent are of.
        other: what is held against it.
        psnr: PSNR of D, falling.

    Example:
        >>> line = Curve(np.array([1.0, 2.0, 4.0]), np.array([4.0, 2.0, 1.0]))
        >>> round(bd_rate(line, Curve(1.1 * line.rate, line.distortion), lambda d: -10 * np.log10(d)), 9)
        10.0
    """
    if any(curve.rate[0] <= 0 or np.isnan(psnr(curve.distortion)).any() for curve in (one, other)):
        return math.nan
    over = common(quality_range(one, psnr), quality_range(other, psnr))
    if over is None:
        return math.nan
    areas = [Pchip(psnr(curve.distortion), np.log(curve.rate)).integral(*over) for curve in (one, other)]
    return 100 * math.expm1((areas[1] - areas[0]) / (over[1] - over[0]))
