"""What a linear VAE of the data would do, told and recorded before training begins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import is_read
from vae_rd.data.dataset import DataSet
from vae_rd.data.spectrum import noise_spectrum
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.run.record import Json
from vae_rd.theory.forecast import Forecast


def forecast_of(model: GenerativeModel, data: DataSet) -> Forecast | None:
    """The forecast for as many units as the model has; None where its likelihood or its z has no such analysis."""
    likelihood = getattr(model.decoder, "likelihood", None)
    if not isinstance(likelihood, Likelihood) or not getattr(model.prior, "is_continuous", False):
        return None
    found = noise_spectrum(data, likelihood.noise_variance, most=model.latent_dim)
    if found is None:
        return None
    values = math.prod(data.card.shape) if likelihood.learns_scale else None
    return Forecast(found.eigenvalues, values=values, n=found.n, source=found.source)


def forecast_entry(forecast: Forecast | None) -> Json | None:
    """The forecast as `model.forecast` of a record."""
    if forecast is None:
        return None
    return {
        "collapse_beta": forecast.collapse_beta,
        "eigenvalues": list(forecast.eigenvalues),
        "values": forecast.values,
        "n": forecast.n,
        "source": forecast.source,
    }


def betas_of(config: FitConfig) -> list[float]:
    """The betas that a fit is about: one, those of a trajectory, or none.

    Example:
        >>> betas_of(FitConfig(beta=4.0)), betas_of(FitConfig(objective="target_rate", target_rate=2.0))
        ([4.0], [])
    """
    if config.trajectory is not None and is_read("trajectory", vars(config)):
        return config.trajectory
    return [config.beta] if is_read("beta", vars(config)) else []


def forecast_words(forecast: Forecast, betas: Sequence[float], *, latent_dim: int) -> str:
    """The forecast at one beta, or along several, as a line.

    Example:
        >>> forecast_words(Forecast((32.08, 23.41, 3.5)), [4.0], latent_dim=3)
        'forecast: a linear VAE of this data has 2 of 3 units on at beta 4 and collapses from beta 32.1'
        >>> forecast_words(Forecast((32.08, 23.41, 3.5)), [40.0], latent_dim=3)
        'forecast: beta 40 is above 32.1, where a linear VAE of this data collapses'
        >>> forecast_words(Forecast((32.08, 23.41, 3.5)), [0.1, 1.0, 10.0], latent_dim=3)
        'forecast: a linear VAE of this data has 3 to 2 of 3 units on at beta 0.1 to 10 and collapses from beta 32.1'
    """
    limit = f"{float(f'{forecast.collapse_beta:.3g}'):g}"
    ends = list(dict.fromkeys([betas[0], betas[-1]]))
    along = " to ".join(f"{beta:g}" for beta in ends)
    if min(ends) >= forecast.collapse_beta:
        return f"forecast: beta {along} is above {limit}, where a linear VAE of this data collapses"
    on = " to ".join(dict.fromkeys(str(forecast.units(beta)) for beta in ends))
    units = f"{on} of {latent_dim} units on at beta {along}"
    return f"forecast: a linear VAE of this data has {units} and collapses from beta {limit}"
