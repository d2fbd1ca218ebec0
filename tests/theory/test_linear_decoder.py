"""The curve of a fixed linear decoder against dense matrices, point by point, and against its own slope."""

import math

import numpy as np
import pytest
from scipy import stats

from vae_rd.errors import InputError
from vae_rd.theory import ppca
from vae_rd.theory.gaussian import at_level
from vae_rd.theory.linear_decoder import likelihood_curve, squared_error_curve
from vae_rd.theory.linear_vae import optimal_weights

from helpers.reference import linear_decoder_point, points_with_moments

SHAPES = [(5, 3), (5, 5), (3, 7), (4, 1)]


def example(n, k):
    """Weights, offset, covariance and mean; the last column of W is 0, so that the rank is below min(n, k)."""
    rng = np.random.default_rng(10 * n + k)
    w = rng.normal(size=(n, k))
    w[:, -1] *= k == 1
    root = rng.normal(size=(n, n))
    return w, rng.normal(size=n), root @ root.T, rng.normal(size=n)


@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_dense_matrices_point_by_point(n, k):
    w, b0, covariance, mean = example(n, k)
    slopes = np.geomspace(1e-3, 1e3, 13)
    curve = squared_error_curve(w, b0, covariance=covariance, mean=mean, b=slopes)
    points = points_with_moments(covariance, mean)
    slow = np.array([linear_decoder_point(points, w, b0, b) for b in slopes])
    np.testing.assert_allclose(np.stack(curve, axis=1), slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_identities(n, k):
    """-ln Z = R + b D, dR/dD = -b and d(-ln Z)/db = D."""
    w, b0, covariance, mean = example(n, k)
    for b in (0.01, 1.0, 20.0):
        h = 1e-5 * b
        curve = squared_error_curve(w, b0, covariance=covariance, mean=mean, b=[b - h, b, b + h])
        assert curve.minus_log_z[1] == pytest.approx(curve.rate[1] + b * curve.distortion[1], rel=1e-12)
        d_rate, d_distortion, d_free = (values[2] - values[0] for values in curve)
        assert d_rate / d_distortion == pytest.approx(-b, rel=1e-5)
        assert d_free / (2 * h) == pytest.approx(curve.distortion[1], rel=1e-6)


def test_at_b_0_the_posterior_is_the_prior():
    w, b0, covariance, mean = example(5, 3)
    curve = squared_error_curve(w, b0, covariance=covariance, mean=mean, b=[0.0])
    expected = 0.5 * (np.trace(covariance) + np.sum((mean - b0) ** 2) + np.sum(w**2))
    assert (curve.rate[0], curve.minus_log_z[0]) == (0, 0)
    assert curve.distortion[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_at_b_1_the_likelihood_curve_is_the_nll(n, k):
    w, b0, covariance, mean = example(n, k)
    curve = likelihood_curve(w, b0, covariance=covariance, mean=mean, s2=0.2, b=[0.5, 1.0])
    nll = -ppca.log_likelihood(points_with_moments(covariance, mean), weights=w, offset=b0, s2=0.2).mean()
    assert curve.minus_log_z[1] == pytest.approx(nll, rel=1e-10)
    np.testing.assert_allclose(curve.minus_log_z, curve.rate + [0.5, 1.0] * curve.distortion, rtol=1e-12)


def test_likelihood_distortion_is_that_of_draws():
    """D_b at b = 2 by drawing z from the exact posterior: 4 s.e., at most 0.02 of a D of some nats."""
    rng, (w, b0, covariance, mean) = np.random.default_rng(0), example(3, 7)
    s2, b, n = 0.5, 2.0, 100_000
    posterior = np.linalg.inv(np.eye(7) + b / s2 * w.T @ w)
    x = rng.multivariate_normal(mean, covariance, n)
    z = (x - b0) @ (b / s2 * posterior @ w.T).T + rng.multivariate_normal(np.zeros(7), posterior, n)
    values = -stats.norm.logpdf(x, z @ w.T + b0, math.sqrt(s2)).sum(1)
    stderr = values.std(ddof=1) / math.sqrt(n)
    exact = likelihood_curve(w, b0, covariance=covariance, mean=mean, s2=s2, b=[b]).distortion[0]
    assert stderr < 0.005
    assert abs(values.mean() - exact) < min(4 * stderr, 0.02)


def test_never_below_shannons_curve_and_on_it_where_the_decoder_is_optimal():
    eigenvalues, s2, beta = np.array([8.0, 4.0, 1.0, 0.5]), 0.1, 3.0
    w, b0, *_ = optimal_weights(np.diag(eigenvalues), np.ones(4), s2=s2, beta=beta, latent_dim=6)
    slopes = np.array([0.5, 1.0, 1 / (beta * s2), 10.0])
    curve = squared_error_curve(w, b0, covariance=np.diag(eigenvalues), mean=np.ones(4), b=slopes)
    best = [at_level(eigenvalues, level=1 / b) for b in slopes]
    excess = curve.minus_log_z - [
        point.rate + 0.5 * b * point.squared_error for b, point in zip(slopes, best, strict=True)
    ]
    assert excess[2] == pytest.approx(0, abs=1e-12)
    assert (excess[[0, 1, 3]] > 1e-3).all()


def test_refuses_bad_shapes_and_slopes():
    w, b0, covariance, mean = example(5, 3)
    with pytest.raises(InputError, match="disagree on n"):
        squared_error_curve(w.T, b0, covariance=covariance, mean=mean, b=[1.0])
    with pytest.raises(InputError, match="b starts at -1"):
        squared_error_curve(w, b0, covariance=covariance, mean=mean, b=[-1.0])
    with pytest.raises(InputError, match="s2 is 0"):
        likelihood_curve(w, b0, covariance=covariance, mean=mean, s2=0.0, b=[1.0])
