"""Shannon's R(D) of the sources that have one in closed form, in the D of the plane, and a run's distance from it.

R(D) belongs to a fixed distortion. At a fixed Gaussian scale s that is the squared error, D = SSE/(2 s^2) +
(n/2) ln(2 pi s^2), so the curve holds for every encoder and decoder of that scale; a learned scale has no such curve.
Its point of slope dD/dR = -beta minimises D + beta R, hence lies at the water level beta s^2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.rows.reading import Damaged, Part
from analysis.rows.runs import Row, as_rows
from vae_rd.theory import gaussian
from vae_rd.units import per_nat

CURVE_POINTS = 150
Point = tuple[float, float]


@dataclass(frozen=True)
class ShannonCurve:
    """R(D) of one source at one fixed scale, in nats.

    Attributes:
        how: the way it is computed, for legends.
        steepest: the largest beta at which the curve still moves: beyond, R is 0 or the curve is not known.
        highest: the largest beta that `at` takes.
        at: beta > 0 to (R, D) at slope dD/dR = -beta.
    """

    how: str
    steepest: float
    highest: float
    at: Callable[[float], Point]

    def points(self, *, rate: float) -> list[tuple[float, float, float]]:
        """(beta, R, D) along the curve, from its steepest point until R reaches `rate`."""
        last = self.steepest / 2
        while self.at(last)[0] < rate:
            last /= 2
        return [(beta, *self.at(beta)) for beta in np.geomspace(self.steepest, last, CURVE_POINTS).tolist()]


def shannon_curve(row: Row) -> ShannonCurve | None:
    """The curve that bounds a row of `load_runs`; None where the source, its R(D) or a fixed scale is not known."""
    source = json.loads(row["card"])
    make = _CURVES.get(source["name"])
    drawn_fresh = row["entropy_kind"] == "exact" and row["entropy_measure"] == "differential"
    if make is None or not drawn_fresh or math.isnan(row["likelihood_scale"]):
        return None
    try:
        return make(Part(source["params"], "data params"), row["likelihood_scale"] ** 2)
    except Damaged:  # Then it is another source than the one whose R(D) is known.
        return None


def common_curve(rows: pd.DataFrame) -> ShannonCurve | None:
    """The one curve of all rows of a split; None where their scales differ or one of them has none."""
    same = rows["likelihood_scale"].nunique(dropna=False) == 1
    return shannon_curve(as_rows(rows)[0]) if same else None


def add_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `optimum`, the least D + beta R on Shannon's curve, and `gap`, the run's own above it.

    `gap_stderr` is that of the run's objective; all are NaN where the curve is not known at the run's beta.
    """
    optimum = np.array([_optimum(row) for row in as_rows(rows)])
    gap = rows["objective"] - optimum
    return rows.assign(optimum=optimum, gap=gap, gap_stderr=rows["objective_stderr"].where(gap.notna()))


def _optimum(row: Row) -> float:
    curve, beta = shannon_curve(row), row["beta"]
    if curve is None or not 0 < beta <= curve.highest:
        return math.nan
    rate, distortion = curve.at(beta)
    return per_nat(row["units"], dims=row["dims"]) * (distortion + beta * rate)


def _gaussian(params: Part, variance: float) -> ShannonCurve:
    eigenvalues = np.array(params.numbers("eigenvalues"))
    if not (eigenvalues.size and (eigenvalues > 0).all()):
        raise Damaged("data params eigenvalues are no variances")

    def at(beta: float) -> Point:
        point = gaussian.at_level(eigenvalues, level=beta * variance)
        return point.rate, _distortion(point.squared_error, len(eigenvalues), variance)

    return ShannonCurve("reverse water-filling", float(eigenvalues.max()) / variance, math.inf, at)


def _sphere(params: Part, variance: float) -> ShannonCurve:
    from vae_rd.theory import sphere  # Its quadrature takes scipy a while to import.

    dim, noise = params.whole("dim"), params.number("noise_variance")

    def at(beta: float) -> Point:
        point = sphere.at_weight(dimension=dim, variance=noise, weight=1 / (beta * variance))
        return point.rate, _distortion(2 * point.distortion, dim, variance)

    return ShannonCurve("Shannon's lower bound, met here", noise / variance, noise / variance, at)


def _distortion(squared_error: float, dims: int, variance: float) -> float:
    """-E ln N(x; mean, variance I) of a summed squared error, every constant kept."""
    return squared_error / (2 * variance) + 0.5 * dims * math.log(2 * math.pi * variance)


_CURVES: Mapping[str, Callable[[Part, float], ShannonCurve]] = {"gaussian": _gaussian, "sphere": _sphere}
