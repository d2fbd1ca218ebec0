"""What the defaults of a fit come to where they depend on the networks, the data or the length of training."""

from __future__ import annotations

import math
from dataclasses import replace

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import is_read
from vae_rd.data.base import DataCard
from vae_rd.experiment.tables import TRUNKS
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.objectives.controller import PROPORTIONAL
from vae_rd.theory.forecast import ABOVE_COLLAPSE, Forecast

MOST_WHITENED = 1024  # Values of x: the moments take the square of them in memory, and the cube in time.
DESCENT = 0.5  # Of all steps, those over which a beta between linear networks comes down from the collapse.
FOUND_DESCENT = 1.0  # Of all steps, the fewest in which a multiplier comes down to the least that there is.


def is_linear(config: FitConfig) -> bool:
    """Whether both networks are linear, as the flags say."""
    return TRUNKS[config.encoder].is_linear and TRUNKS[config.decoder].is_linear


def whitens(config: FitConfig, card: DataCard, likelihood: Likelihood) -> bool:
    """Whether networks see whitened pixels: as `--whiten` says, else where it lets linear ones reach their optimum."""
    if config.whiten is not None:
        return config.whiten
    return is_linear(config) and likelihood.writes_means and math.prod(card.shape) <= MOST_WHITENED


def in_steps(config: FitConfig, *, steps: int) -> FitConfig:
    """The config with a warm-up of so many steps, where it says a part of all of them.

    Example:
        >>> in_steps(FitConfig(beta_warmup=30, warmup_unit="percent"), steps=200).beta_warmup
        60
    """
    if config.warmup_unit == "steps" or config.beta_warmup is None:
        return config
    return replace(config, beta_warmup=round(config.beta_warmup / 100 * steps), warmup_unit="steps")


def settled(config: FitConfig, *, steps: int, forecast: Forecast | None) -> FitConfig:
    """The config with the warm-up of beta, or the descent of a multiplier, that is meant where it says none.

    Between linear networks beta comes down from where all units collapse, so that they become active one after
    another, the direction of most variance first: all at once, they settle in mixtures that descent takes long to turn,
    and units are lost. A multiplier that is found comes down likewise between networks of any kind, so that R grows to
    its target: one that is pressed down to it keeps codes of too many units. It begins as far above the collapse that
    its weight, which is below it by the controller's whole proportional part until the constraint is near, is there.

    Args:
        config: as given.
        steps: of the whole fit.
        forecast: of the data under the config's likelihood; None where there is none.

    Example:
        >>> linear = FitConfig(encoder="linear", decoder="linear", beta=2.0)
        >>> found = settled(linear, steps=100, forecast=Forecast((30.0, 4.0)))
        >>> found.beta_warmup, found.beta_start
        (50, 33.0)
        >>> held = settled(FitConfig(objective="target_rate"), steps=100, forecast=Forecast((30.0, 4.0)))
        >>> held.beta_warmup, round(held.beta_start / 33)  # exp(4) times as far above
        (100, 55)
        >>> found = settled(FitConfig(beta=2.0), steps=100, forecast=Forecast((30.0, 4.0)))
        >>> found.beta_warmup, found.beta_start
        (0, 0.0)
    """
    config = in_steps(config, steps=steps)
    way = None if forecast is None else _way_down(config, collapse=ABOVE_COLLAPSE * forecast.collapse_beta)
    if way is None or config.beta_warmup is not None or config.beta_start is not None:
        return replace(config, beta_warmup=config.beta_warmup or 0, beta_start=config.beta_start or 0.0)
    start, share = way
    return replace(config, beta_warmup=round(share * steps), beta_start=start)


def _way_down(config: FitConfig, *, collapse: float) -> tuple[float, float] | None:
    """The weight from which to come down, and in which share of all steps; None where there is no way down."""
    flags = vars(config)
    if config.start_from is not None or not is_read("beta_start", flags):  # Its units are what it takes over.
        return None
    if is_read("beta", flags):
        return (collapse, DESCENT) if is_linear(config) and 0 < config.beta < collapse / ABOVE_COLLAPSE else None
    return (collapse * math.exp(PROPORTIONAL), FOUND_DESCENT) if config.rate_weight is None else None
