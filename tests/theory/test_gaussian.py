"""Reverse water-filling against published numbers, numerical minimisation, and the slope of its own curve."""

import math

import numpy as np
import pytest
from scipy import stats

from vae_rd.errors import InputError
from vae_rd.theory import gaussian

from helpers.reference import EIGENVALUES, gaussian_rate_by_minimisation

# truth.md section 2, at s2 = 0.1: level, R, SSE, active modes.
TABLE = [(0.05, 10.026918, 0.30, 6), (0.1, 7.947476, 0.60, 6), (0.3, 4.742800, 1.75, 5), (1.0, 2.079442, 4.75, 3)]


@pytest.mark.parametrize(("level", "rate", "squared_error", "active"), TABLE)
def test_the_table_at_a_level_and_at_its_squared_error(level, rate, squared_error, active):
    for point in (
        gaussian.at_level(EIGENVALUES, level=level),
        gaussian.at_squared_error(EIGENVALUES, squared_error=squared_error),
    ):
        assert point.rate == pytest.approx(rate, abs=5.1e-7)
        assert point.squared_error == pytest.approx(squared_error, abs=1e-12)
        assert point.level == pytest.approx(level, rel=1e-12)
    assert gaussian.at_level(EIGENVALUES, level=level).active == active


def test_two_dimensions_at_weight_3():
    """Loss R + 3 MSE, MSE the mean over 2 dimensions: R + 1.5 SSE, so the level is 1/3 (truth.md section 2)."""
    point = gaussian.at_level([1.20552675, 1.08976637], level=1 / 3)
    assert point.rate == pytest.approx(1.2350523, abs=5.1e-8)
    assert point.squared_error / 2 == pytest.approx(1 / 3, abs=1e-12)
    assert point.rate + 1.5 * point.squared_error == pytest.approx(2.2350523, abs=5.1e-8)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # Steps of an older scipy's own.
@pytest.mark.parametrize("squared_error", [0.2, 1.75, 6.0, 12.0, 15.75])
def test_no_split_of_the_squared_error_has_a_lower_rate(squared_error):
    point = gaussian.at_squared_error(EIGENVALUES, squared_error=squared_error)
    assert point.rate == pytest.approx(gaussian_rate_by_minimisation(EIGENVALUES, squared_error), abs=1e-6)
    assert point.squared_error_per_mode.sum() == pytest.approx(squared_error, rel=1e-12)
    assert point.rate_per_mode.sum() == pytest.approx(point.rate, abs=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.3, 1.5, 5.0])
def test_slope_is_minus_one_over_twice_the_level(level):
    below, above = (gaussian.at_level(EIGENVALUES, level=level * f) for f in (1 - 1e-5, 1 + 1e-5))
    slope = (above.rate - below.rate) / (above.squared_error - below.squared_error)
    assert slope == pytest.approx(-0.5 / level, rel=1e-8)


def test_equal_and_zero_eigenvalues():
    point = gaussian.at_squared_error([2.0, 0.0, 2.0, 2.0], squared_error=1.5)
    assert point.level == pytest.approx(0.5, rel=1e-12)
    assert point.rate_per_mode.tolist() == pytest.approx([math.log(2), 0, math.log(2), math.log(2)], abs=1e-12)


def test_curve_is_the_points():
    levels = np.geomspace(0.01, 20, 40)
    line = gaussian.curve(EIGENVALUES, levels)
    points = [gaussian.at_level(EIGENVALUES, level=level) for level in levels]
    np.testing.assert_allclose(line.rate, [point.rate for point in points], atol=1e-12)
    np.testing.assert_allclose(line.squared_error, [point.squared_error for point in points], atol=1e-12)


def test_differential_entropy_is_that_of_scipy():
    covariance = np.cov(np.random.default_rng(0).normal(size=(5, 50)))
    expected = stats.multivariate_normal(cov=covariance).entropy()
    assert gaussian.differential_entropy(np.linalg.eigvalsh(covariance)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("squared_error", [0.0, -1.0, 15.8, math.nan])
def test_refuses_a_squared_error_the_source_does_not_have(squared_error):
    with pytest.raises(InputError, match=r"up to the trace, 15\.75"):
        gaussian.at_squared_error(EIGENVALUES, squared_error=squared_error)


@pytest.mark.parametrize("eigenvalues", [[], [[1.0]], [1.0, -0.1], [0.0], [math.inf]])
def test_refuses_what_is_no_spectrum(eigenvalues):
    with pytest.raises(InputError, match="eigenvalues"):
        gaussian.at_level(eigenvalues, level=1.0)


def test_refuses_levels_and_variances_of_0():
    with pytest.raises(InputError, match="level is 0"):
        gaussian.at_level(EIGENVALUES, level=0.0)
    with pytest.raises(InputError, match="lowest level"):
        gaussian.curve(EIGENVALUES, [1.0, 0.0])
    with pytest.raises(InputError, match="smallest eigenvalue"):
        gaussian.differential_entropy([1.0, 0.0])
