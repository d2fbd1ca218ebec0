"""A config's words to data, model, objective and module."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from vae_rd.config.fields import FitConfig
from vae_rd.data.atoms import learned_scale_problem
from vae_rd.data.base import DataCard, Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.experiment.recipe import whitens
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.nn.trunk import EncoderTrunk, Shape
from vae_rd.model.nn.whitening import Colour, Offset, Standard, Whiten
from vae_rd.model.posteriors.base import PosteriorHead
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.vae import VAE
from vae_rd.process.memory import is_out_of_memory
from vae_rd.training.vae import VAEModule


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
    )


def build_model(config: FitConfig, card: DataCard) -> VAE:
    """A freshly initialised VAE for images of the card's shape; initialisation depends on `seed` alone.

    Raises:
        InputError: when the likelihood cannot score the data's values, parts do not fit each other, or memory is short.
    """
    likelihood = tables.LIKELIHOODS[config.likelihood](config, card)
    check_likelihood(likelihood, config, card)
    try:
        return _initialised(config, card)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        asked = f"--hidden {config.hidden} --latent_dim {config.latent_dim}"
        raise InputError(f"{asked}: too large for memory; give smaller ones") from None


def _initialised(config: FitConfig, card: DataCard) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        likelihood = tables.LIKELIHOODS[config.likelihood](config, card)
        trunk, decoder = _in_coordinates(*_trunks(config, card, likelihood), config, card, likelihood)
        posterior = tables.POSTERIORS[config.posterior](config, card, trunk)
        encoder = Encoder(trunk, posterior)
        prior = tables.PRIORS[config.prior](config, card, encoder)
        _check_parts(config, card, posterior, prior, likelihood)
        return VAE(
            encoder,
            Decoder(decoder, likelihood),
            prior,
            latent_dim=config.latent_dim,
            noise_dim=posterior.noise_dim,
        )


def _trunks(config: FitConfig, card: DataCard, likelihood: Likelihood) -> tuple[EncoderTrunk, nn.Module]:
    """Freshly initialised networks from x to features and from z to parameters of p(x|z)."""
    activation = tables.ACTIVATIONS[config.activation]
    encoder = tables.TRUNKS[config.encoder].encoder(card.shape, _hidden(config, config.encoder), activation)
    decoder = tables.TRUNKS[config.decoder].decoder(
        _parameters(likelihood, card), _hidden(config, config.decoder), config.latent_dim, activation
    )
    return encoder, decoder


def _in_coordinates(
    encoder: EncoderTrunk, decoder: nn.Module, config: FitConfig, card: DataCard, likelihood: Likelihood
) -> tuple[EncoderTrunk, nn.Module]:
    """The networks between fixed maps, to which `vae_rd.experiment.preparing` gives their moments."""
    if whitens(config, card, likelihood):
        values = math.prod(card.shape)
        return EncoderTrunk(Whiten(values), *encoder, features=encoder.features), nn.Sequential(decoder, Colour(values))
    if config.standardize:
        offset = Offset(_parameters(likelihood, card))
        return EncoderTrunk(Standard(card.shape), *encoder, features=encoder.features), nn.Sequential(decoder, offset)
    return encoder, decoder


def _parameters(likelihood: Likelihood, card: DataCard) -> Shape:
    """The shape of the parameters of p(x|z)."""
    channels, height, width = card.shape
    return likelihood.params_per_value * channels, height, width


def _check_parts(
    config: FitConfig, card: DataCard, posterior: PosteriorHead, prior: PriorHead, likelihood: Likelihood
) -> None:
    """Refuse parts that do not fit each other."""
    if posterior.is_continuous != prior.is_continuous:
        z = "real" if posterior.is_continuous else "one of finitely many states"
        raise InputError(
            f"--posterior {config.posterior} --prior {config.prior}: z of the posterior is {z}, that of the prior is "
            "not; choose two of one kind"
        )
    if not posterior.has_density and tables.OBJECTIVES[config.objective](config, card).slope() != 0:
        raise InputError(
            f"--posterior {config.posterior}: its z is a function of x, so that R is undefined and cannot be weighed; "
            "add --beta 0"
        )
    if not posterior.has_density and any(True for _ in prior.parameters()):
        raise InputError(
            f"--prior {config.prior}: nothing trains it with --posterior {config.posterior}, whose R is undefined; "
            "leave it out"
        )
    if likelihood.takes_draws and not posterior.has_rsample:
        raise InputError(
            f"--likelihood {config.likelihood} takes its scale from draws of z, whose gradient "
            f"--posterior {config.posterior} does not have; choose another likelihood"
        )


# What an x of each support is, in words.
_SUPPORTS = {
    "binary": "binary, where a density means nothing",
    "one_hot": "rows of one 1",
    "grey": "grey, of repeating values, on which a learned scale shrinks without end",
    "real": "real-valued",
}


def check_likelihood(likelihood: Likelihood, config: FitConfig, card: DataCard) -> None:
    """Refuse a likelihood whose distortion would not be one: a wrong support, or a density that diverges.

    Raises:
        InputError: naming what x is, and the words of --likelihood that fit it.
    """
    if card.support not in likelihood.supports:
        fitting = [w for w, row in tables.LIKELIHOODS.items() if card.support in row(config, card).supports]
        more = _ways_out(likelihood, card) if card.support == "grey" else ""
        raise InputError(
            f"--likelihood {config.likelihood}: x of --data {card.name} is {_SUPPORTS[card.support]}; "
            f"choose {' or '.join(fitting)}{more}"
        )
    if config.whiten and not likelihood.writes_means:
        raise InputError(
            f"--whiten: the decoder of --likelihood {config.likelihood} does not write means of pixels; leave it out"
        )


def _ways_out(likelihood: Likelihood, card: DataCard) -> str:
    """What else than another likelihood helps where x is grey: what makes it of a support that this one has."""
    flags = {"binary": "--binarization dynamic, static or threshold", "real": "--dequantize uniform"}
    fitting = [flag for support, flag in flags.items() if support in likelihood.supports]
    counts = "" if card.levels is not None else "store the values as whole numbers from 0, and "
    return f", or {counts}add {' or '.join(fitting)}" if fitting else ""


def check_values(config: FitConfig, model: VAE, data: DataSet) -> None:
    """Refuse real values on which the learned scale of a likelihood would shrink without end.

    Runs that read their files as version 1 of the defaults did go on as they were begun.

    Raises:
        InputError: naming what repeats, and the words of --likelihood that stand it.
    """
    likelihood, card = getattr(model.decoder, "likelihood", None), data.card
    if not isinstance(likelihood, Likelihood) or "grey" in likelihood.supports or card.support != "real":
        return
    if data.transform.is_random or config.file_rules == "1":
        return
    distinct = card.n["train"] - card.params["duplicates"].get("train", 0)
    each = likelihood.scales_each_pixel
    if problem := learned_scale_problem(data.pixels["train"], distinct, each_pixel=each):
        rows = {word: row(config, card) for word, row in tables.LIKELIHOODS.items() if word != config.likelihood}
        still = learned_scale_problem(data.pixels["train"], distinct, each_pixel=False)
        fitting = [w for w, p in rows.items() if "grey" in p.supports or (not still and "real" in p.supports)]
        raise InputError(
            f"--likelihood {config.likelihood}: of --data {card.name} {problem}, and a learned scale shrinks onto them "
            f"without end; choose {' or '.join(fitting)}"
        )


def build_module(
    config: FitConfig, model: VAE, card: DataCard, *, steps: int, after_step: Callable[[], None] = lambda: None
) -> VAEModule:
    """The LightningModule that trains a model for `steps` steps under the config's objective."""
    return VAEModule(
        model,
        tables.OBJECTIVES[config.objective](config, card),
        batch_size=config.batch_size,
        samples=config.samples,
        seed=config.seed,
        lr=config.lr,
        steps=steps,
        schedule=tables.SCHEDULES[config.lr_schedule],
        weight_decay=config.weight_decay,
        grad_clip=config.grad_clip,
        after_step=after_step,
    )


def steps_of(config: FitConfig, card: DataCard) -> int:
    """How many optimiser steps a fit takes unless patience ends it.

    Raises:
        InputError: when one batch is more than the training split, or no validation would come after warm-up.
    """
    an_epoch = card.steps_per_epoch(config.batch_size)
    if an_epoch == 0:
        has = f"the training split has {card.n['train']} examples"
        raise InputError(f"--batch_size {config.batch_size}: {has}; give at most as many")
    steps = min(config.max_epochs * an_epoch, config.max_steps or math.inf)
    validated_epochs = math.ceil(steps / an_epoch) // config.val_every * config.val_every
    if not 0 < max(1, config.beta_warmup or 0) <= min(validated_epochs * an_epoch, steps):
        raise InputError(
            f"--beta_warmup {config.beta_warmup} --val_every {config.val_every}: of {int(steps)} steps in all, "
            f"{an_epoch} an epoch, no validation comes after warm-up, so no checkpoint could be kept; "
            "lower them, or take more steps (--max_epochs, --max_steps)"
        )
    return int(steps)


def _hidden(config: FitConfig, trunk: str) -> list[int]:
    return list(tables.TRUNKS[trunk].hidden if config.hidden is None else config.hidden)
