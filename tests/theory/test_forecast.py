"""The forecast against the closed form of the linear VAE, at fixed scales and at learned ones."""

from __future__ import annotations

import numpy as np
import pytest

from vae_rd.errors import InputError
from vae_rd.theory import linear_vae
from vae_rd.theory.forecast import Forecast

SPECTRA = {
    "distinct": [5.3, 3.1, 1.7, 0.9, 0.41, 0.13],
    "equal": [2.0, 2.0, 2.0],
    "one above the rest": [100.0, 1.0, 0.5, 0.5],
    "of dimension 40": np.geomspace(10.0, 0.01, 40).tolist(),
}


def fixed(eigenvalues: list[float], s2: float, units: int) -> Forecast:
    return Forecast(tuple(value / s2 for value in sorted(eigenvalues, reverse=True)[:units]))


def learned(eigenvalues: list[float], units: int) -> Forecast:
    """In units of the scale at the collapse, that of the mean variance."""
    n = len(eigenvalues)
    return Forecast(fixed(eigenvalues, float(np.mean(eigenvalues)), units).eigenvalues, values=n)


@pytest.mark.parametrize("units", [1, 3, 50])
@pytest.mark.parametrize("eigenvalues", SPECTRA.values(), ids=SPECTRA)
def test_at_a_fixed_scale_it_is_the_optimal_linear_vae(eigenvalues, units):
    forecast = fixed(eigenvalues, 0.16, units)
    for beta in (0.1, 0.4, 1.0, 3.0, 9.0, 30.0, 700.0):
        best = linear_vae.optimum(eigenvalues, s2=0.16, beta=beta, latent_dim=units)
        assert forecast.rate(beta) == pytest.approx(best.rate, rel=1e-12)
        assert forecast.units(beta) == best.active_modes
    assert forecast.collapse_beta == pytest.approx(linear_vae.collapse_beta(eigenvalues, s2=0.16), rel=1e-12)


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("eigenvalues", SPECTRA.values(), ids=SPECTRA)
def test_at_a_learned_scale_it_is_the_linear_vae_at_the_best_scale(eigenvalues, units):
    forecast = learned(eigenvalues, units)
    for beta in (0.3, 0.8, 1.0, 1.05, 1.5, 2.5, 5.0, 30.0):
        s2 = linear_vae.learned_s2(eigenvalues, beta=beta, latent_dim=units)
        best = linear_vae.optimum(eigenvalues, s2=s2, beta=beta, latent_dim=units)
        assert forecast.rate(beta) == pytest.approx(best.rate, rel=1e-9, abs=1e-12)


def test_a_learned_scale_collapses_where_the_best_one_does():
    eigenvalues = SPECTRA["distinct"]
    forecast = learned(eigenvalues, 4)
    for factor, collapsed in ((0.99, False), (1.01, True)):
        beta = factor * forecast.collapse_beta
        s2 = linear_vae.learned_s2(eigenvalues, beta=beta, latent_dim=4)
        assert (linear_vae.optimum(eigenvalues, s2=s2, beta=beta, latent_dim=4).rate == 0) is collapsed
        assert (forecast.units(beta) == 0) is collapsed


def test_without_noise_the_rate_has_no_end():
    assert fixed([3.0, 1.0], 1.0, 2).rate(0.0) == np.inf
    # As many units as values: below beta 1 a learned scale shrinks for ever (`linear_vae.learned_s2` refuses it).
    shrinking = learned([3.0, 1.0], 2)
    assert (shrinking.rate(0.5), shrinking.units(0.5)) == (np.inf, 2)


@pytest.mark.parametrize("eigenvalues", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("make", [lambda e: fixed(e, 0.16, 50), lambda e: learned(e, 2)], ids=["fixed", "learned"])
def test_betas_go_from_the_collapse_to_all_units_evenly_in_rate(eigenvalues, make):
    forecast = make(eigenvalues)
    betas = forecast.betas(9)
    rates = [forecast.rate(beta) for beta in betas]
    assert betas[0] > forecast.collapse_beta
    assert rates[0] == 0
    assert np.diff(betas).max() < 0
    assert np.diff(rates) == pytest.approx(rates[-1] / 8, rel=1e-6)
    assert forecast.units(betas[-1]) == len(forecast.eigenvalues)


def test_units_that_have_nothing_to_carry_end_no_range():
    forecast = Forecast((8.0, 4.0, 1e-15, 0.0))
    assert forecast.betas(5) == pytest.approx(Forecast((8.0, 4.0)).betas(5))


def test_one_beta_is_no_range():
    with pytest.raises(InputError, match="count is 1; give a whole number of at least 2"):
        Forecast((8.0,)).betas(1)
