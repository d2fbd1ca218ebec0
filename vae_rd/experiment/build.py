"""A config's words to data, model, objective and module."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment.tables import (
    DECODERS,
    ENCODERS,
    HIDDEN,
    LIKELIHOODS,
    OBJECTIVES,
    POSTERIORS,
    PRIORS,
    SOURCES,
    WHITENABLE,
)
from vae_rd.model.nn.trunk import EncoderTrunk
from vae_rd.model.nn.whitening import Colour, Whiten
from vae_rd.model.vae import VAE, Decoder, Encoder
from vae_rd.training.vae import VAEModule


def build_data(config: FitConfig) -> DataSet:
    """The data set that the flags ask for.

    Raises:
        InputError: when it is missing, damaged, or the flags do not fit it.
    """
    return DataSet(SOURCES[config.data](config), config)


def build_model(config: FitConfig, card: DataCard) -> VAE:
    """A freshly initialised VAE for images of the card's shape; initialisation depends on `seed` alone.

    Raises:
        InputError: when the likelihood cannot score the data's values.
    """
    check_likelihood(config, card)
    try:
        return _initialised(config, card)
    except (RuntimeError, MemoryError):
        raise InputError(f"--hidden {config.hidden} --latent_dim {config.latent_dim}: too large for memory") from None


def _initialised(config: FitConfig, card: DataCard) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        likelihood = LIKELIHOODS[config.likelihood](config)
        encoder = ENCODERS[config.encoder](card.shape, _hidden(config, config.encoder))
        decoder = DECODERS[config.decoder](
            (likelihood.params_per_value * card.shape[0], *card.shape[1:]),
            _hidden(config, config.decoder),
            latent_dim=config.latent_dim,
        )
        if config.whiten:
            values = math.prod(card.shape)
            encoder = EncoderTrunk(Whiten(values), *encoder, features=encoder.features)
            decoder = nn.Sequential(decoder, Colour(values))
        return VAE(
            encoder=Encoder(encoder, POSTERIORS[config.posterior](encoder.features, config.latent_dim)),
            decoder=Decoder(decoder, likelihood),
            prior=PRIORS[config.prior](config.latent_dim),
            latent_dim=config.latent_dim,
        )


def check_likelihood(config: FitConfig, card: DataCard) -> None:
    """Refuse a likelihood whose distortion would not be one: a wrong support, or a density that diverges."""
    if (config.likelihood == "categorical") != (card.support == "one_hot"):
        fault, choice = ("rows of one 1", "categorical") if card.support == "one_hot" else ("not one-hot", "another")
        raise InputError(f"--likelihood {config.likelihood}: x of --data {card.name} is {fault}; choose {choice}")
    is_bernoulli = config.likelihood == "bernoulli"
    if config.whiten and config.likelihood not in WHITENABLE:
        raise InputError(
            f"--whiten: the decoder of --likelihood {config.likelihood} does not write means of pixels; "
            f"choose one of {', '.join(WHITENABLE)}"
        )
    if is_bernoulli and card.support == "grey":
        raise InputError(
            f"--likelihood bernoulli: the pixels of --data {card.name} are grey; "
            "add --binarization static or dynamic, or choose --likelihood gaussian"
        )
    if is_bernoulli and card.support == "real":
        raise InputError(
            f"--likelihood bernoulli: x of --data {card.name} is real-valued; choose --likelihood gaussian"
        )
    if not is_bernoulli and card.support == "binary":
        raise InputError(
            f"--likelihood {config.likelihood}: x of --data {card.name} is binary, where a density means nothing; "
            "choose --likelihood bernoulli"
        )
    if card.support == "grey" and config.likelihood != "gaussian":
        raise InputError(
            f"--likelihood {config.likelihood}: a learned scale shrinks without end on the repeating values of "
            f"--data {card.name}; choose --likelihood gaussian, or add --dequantize uniform to grey levels"
        )


def build_module(
    config: FitConfig, model: VAE, *, steps: int, after_step: Callable[[], None] = lambda: None
) -> VAEModule:
    """The LightningModule that trains a model for `steps` steps under the config's objective."""
    return VAEModule(
        model,
        OBJECTIVES[config.objective](config),
        batch_size=config.batch_size,
        samples=config.samples,
        seed=config.seed,
        lr=config.lr,
        steps=steps,
        cosine=config.lr_schedule == "cosine",
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
        raise InputError(f"--batch_size {config.batch_size}: the training split has {card.n['train']} examples")
    steps = min(config.max_epochs * an_epoch, config.max_steps or math.inf)
    validated_epochs = math.ceil(steps / an_epoch) // config.val_every * config.val_every
    if not 0 < max(1, config.beta_warmup) <= min(validated_epochs * an_epoch, steps):
        raise InputError(
            f"--beta_warmup {config.beta_warmup} --val_every {config.val_every}: of {int(steps)} steps in all, "
            f"{an_epoch} an epoch, no validation comes after warm-up, so no checkpoint could be kept"
        )
    return int(steps)


def _hidden(config: FitConfig, trunk: str) -> list[int]:
    return list(config.hidden if config.hidden is not None else HIDDEN[trunk])
