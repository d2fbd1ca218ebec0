"""The linear beta-VAE optimum against numerical minimisation of its loss, and weights against the terms they give."""

import math

import numpy as np
import pytest

from vae_rd.errors import InputError
from vae_rd.theory import linear_vae, ppca

from helpers.reference import EIGENVALUES, S2, linear_vae_by_minimisation, linear_vae_terms, water_filling

SPECTRA = [EIGENVALUES, (3.0, 3.0, 0.5), (0.2, 5.0, 0.0, 1.0)]


def random_source(eigenvalues):
    """A rotated covariance and a mean."""
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    return axes @ np.diag(eigenvalues) @ axes.T, rng.normal(size=len(eigenvalues))


@pytest.mark.parametrize("latent_dim", [6, 9])
@pytest.mark.parametrize(
    ("beta", "rate", "squared_error", "active"),
    [(0.5, 10.026918, 0.30, 6), (1.0, 7.947476, 0.60, 6), (3.0, 4.742800, 1.75, 5), (10.0, 2.079442, 4.75, 3)],
)
def test_the_published_table(beta, rate, squared_error, active, latent_dim):
    best = linear_vae.optimum(EIGENVALUES, s2=S2, beta=beta, latent_dim=latent_dim)
    assert best.rate == pytest.approx(rate, abs=5.1e-7)
    assert best.squared_error == pytest.approx(squared_error, abs=1e-12)
    assert best.active_modes == best.active_units == active
    assert best.distortion == pytest.approx(water_filling(EIGENVALUES, s2=S2, beta=beta)["distortion"], abs=1e-12)


@pytest.mark.parametrize("eigenvalues", SPECTRA)
@pytest.mark.parametrize(("beta", "latent_dim"), [(0.3, 2), (1.0, 7), (4.0, 3), (30.0, 6)])
def test_minimising_the_loss_over_every_mode_finds_nothing_better(eigenvalues, beta, latent_dim):
    best = linear_vae.optimum(eigenvalues, s2=S2, beta=beta, latent_dim=latent_dim)
    loss = linear_vae_by_minimisation(eigenvalues, s2=S2, beta=beta, latent_dim=latent_dim)
    assert best.distortion + beta * best.rate == pytest.approx(loss, abs=1e-7)


@pytest.mark.parametrize("eigenvalues", SPECTRA)
@pytest.mark.parametrize(("beta", "latent_dim"), [(0.3, 2), (1.0, 7), (4.0, 3), (60.0, 6)])
def test_weights_reach_the_optimum(eigenvalues, beta, latent_dim):
    covariance, mean = random_source(eigenvalues)
    weights = linear_vae.optimal_weights(covariance, mean, s2=S2, beta=beta, latent_dim=latent_dim)
    best = linear_vae.optimum(eigenvalues, s2=S2, beta=beta, latent_dim=latent_dim)
    terms = linear_vae_terms(*weights, covariance, mean, s2=S2)
    assert terms["distortion"] == pytest.approx(best.distortion, abs=1e-10)
    assert terms["rate"] == pytest.approx(best.rate, abs=1e-10)
    np.testing.assert_allclose(terms["rate_per_unit"], best.rate_per_unit, atol=1e-10)
    assert int((terms["variance_of_means"] > 0.01).sum()) == best.active_units
    np.testing.assert_allclose(weights.posterior_variance, best.posterior_variance, atol=1e-12)
    # Marginal KL = 0, so that I = R: the aggregate posterior has mean 0 and covariance I.
    np.testing.assert_allclose(terms["aggregate_mean"], 0, atol=1e-12)
    np.testing.assert_allclose(terms["aggregate_covariance"], np.eye(latent_dim), atol=1e-10)


def test_collapsed_units_have_zero_weights_and_variance_1():
    weights = linear_vae.optimal_weights(np.diag(EIGENVALUES), np.zeros(6), s2=S2, beta=10.0, latent_dim=8)
    assert not weights.decoder[:, 3:].any()
    assert not weights.encoder[3:].any()
    assert (weights.posterior_variance[3:] == 1).all()
    assert weights.decoder[:, :3].any(0).all()


def test_all_units_collapse_from_the_threshold_on():
    threshold = linear_vae.collapse_beta(EIGENVALUES, s2=S2)
    assert threshold == pytest.approx(80.0, rel=1e-12)
    above, below = (
        linear_vae.optimum(EIGENVALUES, s2=S2, beta=threshold * f, latent_dim=6) for f in (1 + 1e-9, 1 - 1e-9)
    )
    assert (above.rate, above.active_modes, below.active_modes) == (0.0, 0, 1)
    assert above.squared_error == pytest.approx(sum(EIGENVALUES), rel=1e-12)


def test_a_unit_counts_as_active_from_one_hundredth_on():
    """Var_x(E z) = 1 - c/l > 0.01 iff l > c/0.99."""
    best = linear_vae.optimum([1.02, 1.005], s2=1.0, beta=1.0, latent_dim=2)
    assert (best.active_modes, best.active_units) == (2, 1)


@pytest.mark.parametrize(("beta", "latent_dim"), [(0.5, 3), (1.0, 1), (1.0, 5), (2.0, 3), (2.0, 6), (5.0, 9)])
def test_learned_s2_is_the_root_and_the_minimum(beta, latent_dim):
    s2 = linear_vae.learned_s2(EIGENVALUES, beta=beta, latent_dim=latent_dim)
    terms = [min(x / s2, beta) if i < latent_dim else x / s2 for i, x in enumerate(EIGENVALUES)]
    assert sum(terms) == pytest.approx(6, rel=1e-12)

    def loss(variance):
        best = linear_vae.optimum(EIGENVALUES, s2=variance, beta=beta, latent_dim=latent_dim)
        return best.distortion + beta * best.rate

    assert loss(s2) < min(loss(s2 * f) for f in (0.5, 0.9, 0.999, 1.001, 1.1, 2.0))


def test_learned_s2_at_beta_1_is_that_of_ppca():
    covariance, mean = random_source(EIGENVALUES)
    model = ppca.fit(covariance, mean, latent_dim=2)
    assert linear_vae.learned_s2(EIGENVALUES, beta=1.0, latent_dim=2) == pytest.approx(model.s2, rel=1e-12)
    best = linear_vae.optimum(EIGENVALUES, s2=model.s2, beta=1.0, latent_dim=2)
    assert -best.distortion - best.rate == pytest.approx(model.log_likelihood, abs=1e-10)


@pytest.mark.parametrize(
    ("eigenvalues", "beta", "latent_dim"),
    [(EIGENVALUES, 0.9, 6), (EIGENVALUES, 1.0, 8), ([1.0, 1.0, 0.0], 1.0, 2), ([1.0, 0.0], 2.0, 1)],
)
def test_learned_s2_refuses_where_none_is_best(eigenvalues, beta, latent_dim):
    with pytest.raises(InputError, match="no s2 above 0 is best"):
        linear_vae.learned_s2(eigenvalues, beta=beta, latent_dim=latent_dim)


@pytest.mark.parametrize("wrong", [{"s2": 0.0}, {"beta": -1.0}, {"beta": math.nan}, {"latent_dim": 0}])
def test_refuses_what_is_out_of_range(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        linear_vae.optimum(EIGENVALUES, **{"s2": S2, "beta": 1.0, "latent_dim": 2, **wrong})


def test_refuses_moments_that_are_none():
    settings = {"s2": 1.0, "beta": 1.0, "latent_dim": 1}
    with pytest.raises(InputError, match="disagree"):
        linear_vae.optimal_weights(np.eye(3), np.zeros(2), **settings)
    with pytest.raises(InputError, match="symmetric"):
        linear_vae.optimal_weights([[1.0, 0.5], [0.0, 1.0]], np.zeros(2), **settings)
    with pytest.raises(InputError, match="semi-definite"):
        linear_vae.optimal_weights(np.diag([1.0, -0.5]), np.zeros(2), **settings)
