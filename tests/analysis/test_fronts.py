"""Fronts, hulls and the distance of two curves: against brute force, scipy, and curves whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator

from analysis.statistics.fronts import (
    Curve,
    common,
    distortion_difference,
    lower_hull,
    monotone,
    pareto_front,
    rate_difference,
)
from analysis.statistics.pchip import Pchip

CLOUDS = [np.random.default_rng(seed).exponential(1.0, (2, 30)) for seed in range(10)]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_front_is_what_nothing_beats(cloud):
    rate, distortion = cloud
    beaten = [((rate < r) & (distortion < d)).any() for r, d in zip(rate, distortion, strict=True)]
    found = pareto_front(rate, distortion)
    assert sorted(found) == np.flatnonzero(~np.array(beaten)).tolist()
    assert (np.diff(rate[found]) > 0).all()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_hull_is_what_some_beta_chooses(cloud):
    rate, distortion = cloud
    betas = np.geomspace(1e-4, 1e4, 40001)
    chosen = {int(np.argmin(distortion + beta * rate)) for beta in betas}
    found = lower_hull(rate, distortion)
    assert chosen == set(found.tolist())


def test_equal_points_are_one_of_the_front():
    assert pareto_front(np.array([1.0, 1.0]), np.array([2.0, 2.0])).tolist() == [0]
    assert lower_hull(np.array([1.0]), np.array([2.0])).tolist() == [0]


@pytest.mark.parametrize("size", [2, 3, 4, 9])
def test_interpolation_and_its_integral_are_those_of_scipy(size):
    rng = np.random.default_rng(size)
    for _ in range(20):
        x, y = (np.cumsum(rng.exponential(1.0, size) ** 2 + 1e-3) for _ in range(2))
        own, known, inside = Pchip(x, -y), PchipInterpolator(x, -y), rng.uniform(x[0], x[-1], 20)
        np.testing.assert_allclose(own(inside), known(inside), rtol=1e-9, atol=1e-12)
        low, high = np.sort(inside[:2])
        assert own.integral(low, high) == pytest.approx(known.integrate(low, high), rel=1e-9, abs=1e-12)


def test_points_that_break_the_order_are_averaged_until_none_does():
    rate, distortion = monotone(np.array([0.0, 1.0, 0.5, 0.7, 3.0]), np.array([9.0, 7.0, 8.0, 7.5, 1.0]))
    np.testing.assert_allclose(rate, [0.0, 2.2 / 3, 3.0])
    np.testing.assert_allclose(distortion, [9.0, 7.5, 1.0])
    assert Curve.through(np.array([1.0, 0.0]), np.array([2.0, 3.0])) is None


RATE = np.array([0.0, 1.0, 2.5, 5.0, 9.0])
CURVE = Curve(RATE, 40.0 * np.exp(-RATE / 4))


def test_a_curve_moved_in_one_axis_differs_by_that_much():
    moved, raised = Curve(CURVE.rate + 0.7, CURVE.distortion), Curve(CURVE.rate, CURVE.distortion + 3.0)
    assert rate_difference(CURVE, moved) == pytest.approx(0.7, abs=1e-12)
    assert distortion_difference(CURVE, raised) == pytest.approx(3.0, abs=1e-12)
    assert rate_difference(moved, CURVE) == pytest.approx(-0.7, abs=1e-12)


def test_differences_are_the_means_over_what_the_curves_have_in_common():
    other = Curve(np.array([0.5, 2.0, 4.0, 12.0]), np.array([50.0, 20.0, 12.0, 2.0]))
    low, high = max(CURVE.distortion[-1], 2.0), 40.0
    inverse = [PchipInterpolator(c.distortion[::-1], c.rate[::-1]) for c in (other, CURVE)]
    knots = sorted({*CURVE.distortion, *other.distortion} - {50.0, 2.0})
    mean = quad(lambda d: inverse[0](d) - inverse[1](d), low, high, points=knots, limit=200)[0] / (high - low)
    assert rate_difference(CURVE, other) == pytest.approx(mean, rel=1e-8)
    forward = [PchipInterpolator(c.rate, c.distortion) for c in (other, CURVE)]
    mean = quad(lambda r: forward[0](r) - forward[1](r), 0.5, 9.0, points=[1, 2, 2.5, 4, 5], limit=200)[0] / 8.5
    assert distortion_difference(CURVE, other) == pytest.approx(mean, rel=1e-8)


def test_curves_without_a_distortion_in_common_have_no_difference():
    assert np.isnan(rate_difference(CURVE, Curve(CURVE.rate, CURVE.distortion + 100.0)))
    assert common((0.0, 2.0), (1.0, 5.0), (1.5, 9.0)) == (1.5, 2.0)


def test_the_area_under_a_straight_line_is_that_of_a_trapezium():
    line = Curve(np.array([0.0, 1.0, 4.0]), np.array([8.0, 6.0, 0.0]))
    assert line.area(1.0, 3.0) == pytest.approx((6.0 + 2.0) / 2 * 2.0)
