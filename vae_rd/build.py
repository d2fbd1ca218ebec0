"""The composition root: explicit tables from a config's words to data, model, objective, module and trainer."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import nn

from vae_rd.callbacks.folder import CheckpointKeeper, HistoryWriter, StagedCheckpointIO
from vae_rd.categorical import CategoricalPosterior, CategoricalPrior
from vae_rd.collectives import world_size
from vae_rd.config import FitConfig, checkpoint_owner, data_root
from vae_rd.data.base import DataCard, Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.data.files import image_folder, npz
from vae_rd.data.images import cmu_faces, dsprites, mnist, omniglot, static_mnist
from vae_rd.data.noisy_sprites import noisy_sprites
from vae_rd.data.sprites import sprites
from vae_rd.data.synthetic import gaussian, sphere, toy_channel
from vae_rd.errors import InputError
from vae_rd.lazy import LazyDistribution
from vae_rd.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    Likelihood,
    OptimalGaussianLikelihood,
    PixelGaussianLikelihood,
    SharedGaussianLikelihood,
)
from vae_rd.lit.vae import VAEModule
from vae_rd.model import VAE, Decoder, Encoder
from vae_rd.nn.trunks import (
    EncoderTrunk,
    conv_decoder,
    conv_encoder,
    linear_decoder,
    linear_encoder,
    mlp_decoder,
    mlp_encoder,
)
from vae_rd.nn.whitening import Colour, Whiten
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.posteriors import DiagonalPosterior
from vae_rd.priors import StandardNormalPrior

SOURCES: Mapping[str, Callable[[FitConfig], Source | UnlimitedSource]] = MappingProxyType(
    {
        "sprites": lambda c: sprites(),
        "gaussian": lambda c: gaussian(c.gaussian_eigenvalues, data_seed=c.data_seed),
        "sphere": lambda c: sphere(c.sphere_dim),
        "toy_channel": lambda c: toy_channel(),
        "noisy_sprites": lambda c: noisy_sprites(c.flip_probability),
        "dsprites": lambda c: dsprites(Path(data_root(c))),
        "mnist": lambda c: mnist(Path(data_root(c))),
        "static_mnist": lambda c: static_mnist(Path(data_root(c))),
        "omniglot": lambda c: omniglot(Path(data_root(c))),
        "cmu_faces": lambda c: cmu_faces(Path(data_root(c))),
        "npz": lambda c: npz(Path(str(c.data_file)), data_seed=c.data_seed),
        "image_folder": lambda c: image_folder(Path(str(c.data_file)), data_seed=c.data_seed),
    }
)
ENCODERS: Mapping[str, Callable[..., EncoderTrunk]] = MappingProxyType(
    {"linear": linear_encoder, "mlp": mlp_encoder, "conv": conv_encoder}
)
DECODERS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {"linear": linear_decoder, "mlp": mlp_decoder, "conv": conv_decoder}
)
HIDDEN: Mapping[str, list[int]] = MappingProxyType({"linear": [], "mlp": [512], "conv": [32, 64]})
POSTERIORS: Mapping[str, Callable[[int, int], LazyDistribution]] = MappingProxyType(
    {"diagonal": DiagonalPosterior, "categorical": CategoricalPosterior}
)
PRIORS: Mapping[str, Callable[[int], LazyDistribution]] = MappingProxyType(
    {"normal": StandardNormalPrior, "categorical": CategoricalPrior}
)
LIKELIHOODS: Mapping[str, Callable[[FitConfig], Likelihood]] = MappingProxyType(
    {
        "bernoulli": lambda c: BernoulliLikelihood(),
        "categorical": lambda c: CategoricalLikelihood(),
        "gaussian": lambda c: GaussianLikelihood(c.likelihood_scale),
        "gaussian_shared": lambda c: SharedGaussianLikelihood(),
        "gaussian_pixel": lambda c: PixelGaussianLikelihood(),
        "gaussian_optimal": lambda c: OptimalGaussianLikelihood(),
    }
)
OBJECTIVES: Mapping[str, Callable[[FitConfig], Objective]] = MappingProxyType(
    {"beta": lambda c: BetaObjective(c.beta, warmup=c.beta_warmup, start=c.beta_start)}
)
WHITENABLE = ("gaussian", "gaussian_shared", "gaussian_optimal")  # Those whose decoders write one mean per value.
PRECISIONS: Mapping[str, Literal["32-true", "64-true", "bf16-mixed"]] = MappingProxyType(
    {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}
)


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


def accelerator(config: FitConfig) -> Literal["cuda", "cpu"]:
    """The device of a fit: `--accelerator auto` takes a CUDA GPU where there is one, else the CPU.

    Raises:
        InputError: when a GPU is asked for and there is none.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise InputError("--accelerator gpu: torch finds no CUDA device here; choose --accelerator cpu")
    return "cuda" if config.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def build_trainer(config: FitConfig, folder: Path, *, logger: Logger | None, callbacks: list[Callback]) -> Trainer:
    """A Trainer that writes into the run's folder and leaves batches, noise and validation order to us."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")  # docs/slurm.md says how to use it.
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # What is logged is a sum over processes already.
    together = world_size() > 1
    return Trainer(
        accelerator=accelerator(config),
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp" if together else "auto",
        precision=PRECISIONS[config.precision],
        max_epochs=config.max_epochs,
        check_val_every_n_epoch=config.val_every,
        logger=logger or False,
        callbacks=[*callbacks, HistoryWriter(folder), CheckpointKeeper(folder, patience=config.patience)],
        # Named, so that Lightning neither starts processes nor takes SLURM's variables and requeueing for its own.
        plugins=[
            StagedCheckpointIO(checkpoint_owner(config)),
            TorchElasticEnvironment() if together else LightningEnvironment(),
        ],
        default_root_dir=folder,
        log_every_n_steps=1,  # Nothing is logged within an epoch.
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _hidden(config: FitConfig, trunk: str) -> list[int]:
    return list(config.hidden if config.hidden is not None else HIDDEN[trunk])
