"""The noisy sphere against published optima, quadrature over the angle, a normal mixture, and Monte Carlo."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from vae_rd.errors import InputError
from vae_rd.theory import sphere

from helpers.reference import noisy_sphere_log_density

PUBLISHED = [(2, 2.540630), (5, 5.178030), (10, 8.448071)]  # min I + 10 D at v = 0.1, truth.md section 3.


@pytest.mark.parametrize(("dimension", "objective"), PUBLISHED)
def test_published_optima(dimension, objective):
    point = sphere.at_weight(dimension=dimension, variance=0.1, weight=10.0)
    assert point.rate + 10 * point.distortion == pytest.approx(objective, abs=5.1e-7)
    assert point.distortion == dimension / 20


@pytest.mark.parametrize("dimension", [2, 3, 5, 10])
@pytest.mark.parametrize("variance", [0.002, 0.1, 2.0])
def test_log_density_is_the_integral_over_the_angle(dimension, variance):
    for radius in (0.0, 0.05, 0.9, 1.0, 1.7):
        exact = noisy_sphere_log_density(radius, dimension=dimension, variance=variance)
        found = sphere.log_density(radius, dimension=dimension, variance=variance)
        assert float(found) == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("dimension", [2, 9, 100, 1000])
def test_both_forms_of_the_bessel_function_meet(dimension):
    """The same k above and below LARGE: ln p is smooth there, so second differences vanish."""
    variance = 1 / sphere.LARGE
    radii = 1 + 1e-5 * np.arange(-2.0, 3.0)
    values = sphere.log_density(radii, dimension=dimension, variance=variance) + (radii - 1) ** 2 / (2 * variance)
    assert np.abs(np.diff(values, 2)).max() < 1e-8


def test_one_dimension_is_a_mixture_of_two_normals():
    for variance in (0.01, 0.3):
        x, s = np.linspace(0, 3, 31), math.sqrt(variance)
        density = 0.5 * stats.norm.pdf(x, 1, s) + 0.5 * stats.norm.pdf(x, -1, s)
        np.testing.assert_allclose(sphere.log_density(x, dimension=1, variance=variance), np.log(density), rtol=1e-11)
    separate = 0.5 * math.log(2 * math.pi * math.e * 1e-4) + math.log(2)
    assert sphere.differential_entropy(dimension=1, variance=1e-4) == pytest.approx(separate, abs=1e-9)


@pytest.mark.parametrize(("dimension", "variance"), [(2, 0.1), (5, 1e-4), (10, 5.0), (200, 0.01)])
def test_density_integrates_to_1(dimension, variance):
    log_area = math.log(2) + dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2)
    top = 1 + math.sqrt(variance) * (math.sqrt(dimension) + 10)

    def shell(r):
        log_p = float(sphere.log_density(r, dimension=dimension, variance=variance))
        return math.exp(log_area + log_p + (dimension - 1) * math.log(r))

    peak = math.sqrt(1 + dimension * variance)
    total = integrate.quad(shell, 1e-12, top, points=[peak], epsabs=1e-12, limit=500)[0]
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("dimension", "variance"), [(2, 0.1), (5, 0.1), (10, 0.1), (3, 1e-3), (50, 2.0)])
def test_entropy_is_that_of_draws(dimension, variance):
    """h(x) = -E ln p(x) over 200,000 draws: 4 s.e., and at most 0.02 nats."""
    rng, n = np.random.default_rng(0), 200_000
    y = rng.normal(size=(n, dimension))
    x = y / np.linalg.norm(y, axis=1, keepdims=True) + math.sqrt(variance) * rng.normal(size=(n, dimension))
    values = -sphere.log_density(np.linalg.norm(x, axis=1), dimension=dimension, variance=variance)
    stderr = values.std(ddof=1) / math.sqrt(n)
    exact = sphere.differential_entropy(dimension=dimension, variance=variance)
    assert stderr < 0.015
    assert abs(values.mean() - exact) < min(4 * stderr, 0.02)


@pytest.mark.parametrize("weight", [10.0, 12.0, 100.0])
def test_shannons_bound_is_met_by_the_backward_channel(weight):
    """x = y + N(0, I/lam), y a noisy sphere of variance v - 1/lam: then I = h(x) - h(noise), E d = d/(2 lam)."""
    dimension, variance = 3, 0.1
    point = sphere.at_weight(dimension=dimension, variance=variance, weight=weight)
    noise = stats.multivariate_normal(cov=np.eye(dimension) / weight).entropy()
    entropy = sphere.differential_entropy(dimension=dimension, variance=variance)
    assert point.rate == pytest.approx(entropy - noise, abs=1e-12)
    below, above = (sphere.at_weight(dimension=3, variance=0.1, weight=weight * f) for f in (1.0, 1.0001))
    assert (above.rate - below.rate) / (above.distortion - below.distortion) == pytest.approx(-weight, rel=1e-4)


def test_refuses_weights_where_the_curve_is_unknown():
    with pytest.raises(InputError, match="at least 1/variance = 10"):
        sphere.at_weight(dimension=2, variance=0.1, weight=9.9)


def test_refuses_what_is_out_of_range():
    with pytest.raises(InputError, match="radius"):
        sphere.log_density([-1.0], dimension=2, variance=0.1)
    with pytest.raises(InputError, match="dimension is 0"):
        sphere.log_density([1.0], dimension=0, variance=0.1)
    with pytest.raises(InputError, match="at most 1000"):
        sphere.differential_entropy(dimension=1001, variance=0.1)
    with pytest.raises(InputError, match="variance is 0"):
        sphere.at_weight(dimension=2, variance=0.0, weight=10.0)
