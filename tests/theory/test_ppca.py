"""pPCA against dense normal densities, its published maximum on MNIST, and the monotone ascent of EM."""

import time

import numpy as np
import pytest
from scipy import stats

from vae_rd.data.readers import read_idx
from vae_rd.errors import InputError
from vae_rd.theory import ppca


def rotated_sample(n=400, dims=7):
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, dims)) @ rng.normal(size=(dims, dims)) + rng.normal(size=dims)


def sample_moments(x):
    return np.cov(x.T, ddof=0), x.mean(0)


@pytest.fixture
def mnist_1000(shared_data):
    """The first 1000 images of the canonical idx file / 255, [1000, 784]."""
    return read_idx(shared_data / "mnist" / "train-images-idx3-ubyte.gz")[:1000].reshape(1000, -1) / 255


@pytest.mark.parametrize("units", [2, 7, 9])
def test_log_likelihood_is_the_dense_normal_density(units):
    x, rng = rotated_sample(50), np.random.default_rng(0)
    w, b = rng.normal(size=(7, units)), rng.normal(size=7)
    dense = stats.multivariate_normal(b, w @ w.T + 0.3 * np.eye(7)).logpdf(x)
    np.testing.assert_allclose(ppca.log_likelihood(x, weights=w, offset=b, s2=0.3), dense, rtol=1e-11)


@pytest.mark.parametrize("units", [1, 3, 6])
def test_fit_is_the_formula_and_a_maximum(units):
    x = rotated_sample()
    covariance, mean = sample_moments(x)
    model = ppca.fit(covariance, mean, latent_dim=units)
    values = np.linalg.eigvalsh(covariance)[::-1]
    log_det = np.log(values[:units]).sum() + (7 - units) * np.log(values[units:].mean())
    assert model.log_likelihood == pytest.approx(-0.5 * (7 * np.log(2 * np.pi) + log_det + 7), abs=1e-11)
    at = ppca.log_likelihood(x, weights=model.weights, offset=model.offset, s2=model.s2)
    assert at.mean() == pytest.approx(model.log_likelihood, abs=1e-11)
    rng = np.random.default_rng(0)
    for _ in range(20):
        nudged = model.weights + 0.05 * rng.normal(size=model.weights.shape)
        other = ppca.log_likelihood(x, weights=nudged, offset=model.offset, s2=model.s2 * rng.uniform(0.9, 1.1))
        assert other.mean() < model.log_likelihood


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_em_never_falls_and_reaches_the_maximum(seed):
    covariance, mean = sample_moments(rotated_sample())
    best = ppca.fit(covariance, mean, latent_dim=3)
    run = ppca.em(covariance, mean, latent_dim=3, seed=seed, tolerance=1e-12)
    assert np.diff(run.log_likelihoods).min() > -1e-11
    assert run.model.log_likelihood == run.log_likelihoods[-1] == pytest.approx(best.log_likelihood, abs=1e-8)
    assert len(run.log_likelihoods) < 50  # plain EM, whose prior stays fixed, takes 74
    assert run.model.s2 == pytest.approx(best.s2, rel=1e-4)
    np.testing.assert_allclose(run.model.weights @ run.model.weights.T, best.weights @ best.weights.T, atol=1e-3)


def test_em_takes_no_more_iterations_than_asked():
    covariance, mean = sample_moments(rotated_sample())
    assert len(ppca.em(covariance, mean, latent_dim=3, seed=0, limit=4).log_likelihoods) == 5


def test_maximum_on_mnist(mnist_1000):
    model = ppca.fit(*sample_moments(mnist_1000), latent_dim=200)
    assert model.log_likelihood == pytest.approx(962.3835, abs=5.1e-5)
    assert model.s2 == pytest.approx(0.00204451, abs=5.1e-9)
    each = ppca.log_likelihood(mnist_1000, weights=model.weights, offset=model.offset, s2=model.s2)
    assert each.mean() == pytest.approx(model.log_likelihood, abs=1e-8)


def test_em_on_mnist_comes_within_a_twentieth_of_a_nat(mnist_1000):
    covariance, mean = sample_moments(mnist_1000)
    start = time.process_time()
    run = ppca.em(covariance, mean, latent_dim=200, seed=0, tolerance=1e-3)
    seconds = time.process_time() - start
    assert 0 < 962.3835 - run.model.log_likelihood < 0.05
    assert np.diff(run.log_likelihoods).min() > 0
    assert len(run.log_likelihoods) < 100
    assert seconds < 20  # 2 s on one core


def test_refuses_what_has_no_maximum():
    with pytest.raises(InputError, match="latent_dim is 3 of 3"):
        ppca.fit(np.eye(3), np.zeros(3), latent_dim=3)
    with pytest.raises(InputError, match="variance beyond 2 units"):
        ppca.fit(np.diag([2.0, 1.0, 0.0]), np.zeros(3), latent_dim=2)
    with pytest.raises(InputError, match="disagree on n"):
        ppca.log_likelihood(np.zeros((2, 3)), weights=np.ones((2, 1)), offset=np.zeros(3), s2=1.0)
