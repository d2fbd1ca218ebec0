"""A config's words to data, model, objective and module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import is_read
from vae_rd.data.base import DataCard, Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.experiment.over_betas import over_betas
from vae_rd.experiment.recipe import in_steps, whitens
from vae_rd.experiment.supports import check_support
from vae_rd.model.autoregressive import AutoregressiveDecoder, Coordinates
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.gan import GAN, Discriminator
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.base import IMAGE_DIMS, Likelihood
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.trunk import EncoderTrunk, Shape
from vae_rd.model.nn.whitening import Colour, Offset, Standard, Whiten
from vae_rd.model.posteriors.base import PosteriorHead
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.objectives.schedules import in_parts
from vae_rd.process.memory import is_out_of_memory
from vae_rd.training.base import Descent, TrainedModule
from vae_rd.training.gan import GANModule
from vae_rd.training.vae import VAEBlocks

# The fields that are weights in a loss.
WEIGHTS = (
    *("beta", "beta_start", "beta_range", "trajectory", "rate_weight"),
    *("tc_weight", "mmd_weight", "lambda_od", "lambda_d"),
)
# Adam's decay of squared gradients in parts of a training: a beta's should not be a thousand steps behind its part.
SHORT = 0.99


def build_data(config: FitConfig) -> DataSet:
    """The data set that the flags ask for.

    Raises:
        InputError: when it is missing, damaged, or the flags do not fit it.
    """
    return data_set(tables.SOURCES[config.data](config), config)


def data_set(source: Source | UnlimitedSource, config: FitConfig) -> DataSet:
    """A source as the flags ask for it."""
    return DataSet(
        source,
        data_seed=config.data_seed,
        binarization=config.binarization,
        dequantize=config.dequantize,
        n_train=config.n_train,
        n_test=config.n_test,
        target=config.target,
    )


def build_model(config: FitConfig, card: DataCard) -> GenerativeModel:
    """A freshly initialised model for images of the card's shape; initialisation depends on `seed` alone.

    Raises:
        InputError: when the likelihood cannot score the data's values, parts do not fit each other, or memory is short.
    """
    check_support(config, card.scored)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return MODELS[config.model](config, card)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        asked = f"--hidden {config.hidden} --latent_dim {config.latent_dim}"
        raise InputError(f"{asked}: too large for memory; give smaller ones") from None


def _vae(config: FitConfig, card: DataCard) -> VAE:
    likelihood = tables.LIKELIHOODS[config.likelihood](config, card.scored).over(len(card.scored.shape))
    trunk, decoder = _encoder_trunk(config, card, likelihood), _decoder(config, card.scored, likelihood)
    posterior = tables.POSTERIORS[config.posterior](config, card, trunk)
    encoder = Encoder(trunk, posterior)
    prior = tables.PRIORS[config.prior](config, card, encoder)
    _check_parts(config, card, posterior, prior)
    model = VAE(encoder, decoder, prior, latent_dim=config.latent_dim, noise_dim=posterior.noise_dim)
    betas = tables.OBJECTIVES[config.objective](config, card).betas
    return model if betas is None else over_betas(config, model, betas)


def _gan(config: FitConfig, card: DataCard) -> GAN:
    """A freshly initialised GAN of a VAE's trunks, likelihood and prior.

    Raises:
        InputError: for a decoder, a likelihood or a prior with what a discriminator does not train.
    """
    likelihood = tables.LIKELIHOODS[config.likelihood](config, card).over(len(card.shape))
    if likelihood.params_per_value > 1 or likelihood.learns_scale or likelihood.together != "value":
        raise InputError(
            f"--likelihood {config.likelihood}: a discriminator sees means or draws of single values, and trains no "
            "scale; with --model gan choose bernoulli, gaussian, laplace or continuous_bernoulli"
        )
    if config.prior != "normal":
        raise InputError(f"--prior {config.prior}: nothing trains it with --model gan; leave it out")
    trunk, decoder = _encoder_trunk(config, card, likelihood), _decoder(config, card, likelihood)
    if not isinstance(decoder, Decoder):
        raise InputError(
            f"--decoder {config.decoder} draws the values of x in turn, which no gradient passes; choose another with "
            "--model gan"
        )
    return GAN(decoder, Discriminator(trunk), StandardNormalPrior(config.latent_dim), latent_dim=config.latent_dim)


# The words of --model.
MODELS: dict[str, Callable[[FitConfig, DataCard], GenerativeModel]] = {"vae": _vae, "gan": _gan}


def _encoder_trunk(config: FitConfig, card: DataCard, likelihood: Likelihood) -> EncoderTrunk:
    """A freshly initialised network from x to features, behind a fixed map that `preparing` gives its moments.

    Raises:
        InputError: for whitened pixels where the decoder writes none.
    """
    if config.whiten and not likelihood.writes_means:
        raise InputError(
            f"--whiten: the decoder of --likelihood {config.likelihood} does not write means of pixels; leave it out"
        )
    row = tables.TRUNKS[config.encoder]
    assert row.encoder is not None, "the words of --encoder are those that have one"
    trunk = row.encoder(card.shape, _hidden(config, config.encoder), tables.ACTIVATIONS[config.activation])
    if whitens(config, card, likelihood):
        return EncoderTrunk(Whiten(math.prod(card.shape)), *trunk, features=trunk.features)
    if config.standardize:
        return EncoderTrunk(Standard(card.shape), *trunk, features=trunk.features)
    return trunk


def _decoder(config: FitConfig, card: DataCard, likelihood: Likelihood) -> LazyDistribution:
    """A freshly initialised p(x|z), its parameters behind a fixed map, likewise."""
    row, parameters = tables.TRUNKS[config.decoder], _parameters(likelihood, card)
    if row.decoder is None:
        return _autoregressive(config, card, likelihood)
    activation = tables.ACTIVATIONS[config.activation]
    trunk = row.decoder(parameters, _hidden(config, config.decoder), config.latent_dim, activation)
    if whitens(config, card, likelihood):
        trunk = nn.Sequential(trunk, Colour(math.prod(card.shape)))
    elif config.standardize:
        trunk = nn.Sequential(trunk, Offset(parameters))
    return Decoder(trunk, likelihood)


def _autoregressive(config: FitConfig, card: DataCard, likelihood: Likelihood) -> AutoregressiveDecoder:
    """A freshly initialised p(x|z) that reads x, which it sees through a fixed map of single values."""
    if whitens(config, card, likelihood):
        raise InputError(
            f"--whiten mixes the values of x, which --decoder {config.decoder} takes in turn; leave it out"
        )
    if len(card.shape) != IMAGE_DIMS:
        raise InputError(
            f"--decoder {config.decoder} takes values in the order of an image's rows, and x of --data {card.name} has "
            f"{len(card.shape) - 1} axes after its channels; choose linear, mlp, conv or resnet"
        )
    row = tables.TRUNKS[config.decoder]
    assert row.autoregressive is not None, "a decoder that does not read z alone"
    raster = Raster(card.shape, params_per_value=likelihood.params_per_value, together=likelihood.together)
    activation = tables.ACTIVATIONS[config.activation]
    trunk = row.autoregressive(raster, _hidden(config, config.decoder), config.latent_dim, activation)
    coordinates = Coordinates(Standard(card.shape), Offset(raster.parameter_shape)) if config.standardize else None
    return AutoregressiveDecoder(trunk, likelihood, coordinates=coordinates)


def _parameters(likelihood: Likelihood, card: DataCard) -> Shape:
    """The shape of the parameters of p(x|z)."""
    channels, *sizes = card.shape
    return (likelihood.params_per_value * channels, *sizes)


def _check_parts(config: FitConfig, card: DataCard, posterior: PosteriorHead, prior: PriorHead) -> None:
    """Refuse parts that do not fit each other."""
    if posterior.is_continuous != prior.is_continuous:
        z = "real" if posterior.is_continuous else "one of finitely many states"
        raise InputError(
            f"--posterior {config.posterior} --prior {config.prior}: z of the posterior is {z}, that of the prior is "
            "not; choose two of one kind"
        )
    slope = tables.OBJECTIVES[config.objective](config, card).slope()
    if not posterior.has_density and slope != 0:
        other = "" if slope is not None else f"leave out --objective {config.objective} with its flags, and "
        raise InputError(
            f"--posterior {config.posterior}: its z is a function of x, so that R is undefined and cannot be weighed; "
            f"{other}add --beta 0"
        )
    if not posterior.has_density and any(True for _ in prior.parameters()):
        raise InputError(
            f"--prior {config.prior}: nothing trains it with --posterior {config.posterior}, whose R is undefined; "
            "leave it out"
        )


def build_module(
    config: FitConfig,
    model: GenerativeModel,
    card: DataCard,
    *,
    steps: int,
    after_step: Callable[[], None] = lambda: None,
) -> TrainedModule:
    """The LightningModule that trains a model for `steps` steps under the config's objective."""
    schedule, ends = tables.SCHEDULES[config.lr_schedule], tables.OBJECTIVES[config.objective](config, card).ends
    descent = Descent(
        lr=config.lr,
        steps=steps,
        schedule=in_parts(schedule, ends) if ends else schedule,
        weight_decay=config.weight_decay,
        grad_clip=config.grad_clip,
        **({"second_moment": SHORT} if ends else {}),
    )
    own = {"descent": descent, "batch_size": config.batch_size, "seed": config.seed, "after_step": after_step}
    module = MODULES[config.model](config, model, card, own)
    module.weights = weights_of(config)
    return module


def weights_of(config: FitConfig) -> str:
    """The flags of the weights in a config's loss, in words; empty where no flag has any.

    Example:
        >>> [weights_of(FitConfig(objective=word)) for word in ("beta", "capacity", "iwae")]
        ['--beta (and --beta_start)', '--rate_weight', '']
    """
    first, *others = [f"--{name}" for name in WEIGHTS if is_read(name, vars(config))] or [""]
    return f"{first} (and {', '.join(others)})" if others else first


def _vae_module(config: FitConfig, model: GenerativeModel, card: DataCard, own: dict[str, Any]) -> VAEBlocks:
    objective, gradient = tables.OBJECTIVES[config.objective](config, card), tables.GRADIENTS[config.gradient]()
    return VAEBlocks(cast(VAE, model), objective, gradient=gradient, samples=config.samples, **own)


def _gan_module(config: FitConfig, model: GenerativeModel, card: DataCard, own: dict[str, Any]) -> GANModule:
    return GANModule(cast(GAN, model), r1=config.r1, ema=config.ema, **own)


# What trains each of `MODELS`; the last argument is what all of them take.
MODULES: dict[str, Callable[[FitConfig, GenerativeModel, DataCard, dict[str, Any]], TrainedModule]] = {
    "vae": _vae_module,
    "gan": _gan_module,
}


def steps_of(config: FitConfig, card: DataCard) -> int:
    """How many optimiser steps a fit takes unless patience ends it.

    Raises:
        InputError: when one batch is more than the training split, or no step would come after warm-up.
    """
    an_epoch = card.steps_per_epoch(config.batch_size)
    if an_epoch == 0:
        has = f"the training split has {card.n['train']} examples"
        raise InputError(f"--batch_size {config.batch_size}: {has}; give at most as many")
    steps = tables.steps_asked(config, card)
    warmup = in_steps(config, steps=steps).beta_warmup or 0
    _check_parts_of_training(config, card, steps=steps)
    if warmup > steps:
        raise InputError(
            f"--beta_warmup {config.beta_warmup}: of {steps} steps in all, {an_epoch} an epoch, none comes after "
            "warm-up, so no checkpoint could be kept; lower it, or take more steps (--max_epochs, --max_steps)"
        )
    return steps


def _check_parts_of_training(config: FitConfig, card: DataCard, *, steps: int) -> None:
    """Refuse a trajectory with a beta that has no step of all."""
    ends = tables.OBJECTIVES[config.objective](config, card).ends
    if len({0, *ends}) <= len(ends):
        raise InputError(
            f"--trajectory of {len(ends)} betas: of {steps} steps in all there are none for each of them; take more "
            "(--max_epochs, --max_steps), or give fewer betas"
        )


def _hidden(config: FitConfig, trunk: str) -> list[int]:
    return list(tables.TRUNKS[trunk].hidden if config.hidden is None else config.hidden)
