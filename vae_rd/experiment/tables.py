"""The tables: a config's words to sources, trunks, posteriors, priors, likelihoods and objectives.

A new member of a kind is one object in a file of its own, one row here, and its word in `vae_rd.config.fields`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import nn

from vae_rd.config.fields import WORDS, FitConfig
from vae_rd.config.names import data_root
from vae_rd.data.arrow import hf
from vae_rd.data.base import DataCard, Source, UnlimitedSource
from vae_rd.data.columns import table
from vae_rd.data.digits import digits
from vae_rd.data.files import image_folder, npz
from vae_rd.data.images import cmu_faces, dsprites, mnist, omniglot, static_mnist
from vae_rd.data.noisy_sprites import noisy_sprites
from vae_rd.data.scenes import scenes
from vae_rd.data.shards import npy
from vae_rd.data.sprites import sprites
from vae_rd.data.synthetic import gaussian, sphere, toy_channel
from vae_rd.errors import InputError
from vae_rd.model.coders import Encoder
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.likelihoods.beta_binomial import BetaBinomialLikelihood
from vae_rd.model.likelihoods.categorical import CategoricalLikelihood
from vae_rd.model.likelihoods.categorical_levels import CategoricalLevelsLikelihood
from vae_rd.model.likelihoods.continuous_bernoulli import ContinuousBernoulliLikelihood
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood, PixelGaussianLikelihood, SharedGaussianLikelihood
from vae_rd.model.likelihoods.gaussian_integrated import IntegratedGaussianLikelihood
from vae_rd.model.likelihoods.laplace import LaplaceLikelihood
from vae_rd.model.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from vae_rd.model.likelihoods.optimal_gaussian import OptimalGaussianLikelihood
from vae_rd.model.nn.autoregressive import AutoregressiveTrunk
from vae_rd.model.nn.conv import conv_decoder, conv_encoder
from vae_rd.model.nn.made import made
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder, mlp_decoder, mlp_encoder
from vae_rd.model.nn.pixelcnn import pixelcnn
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.resnet import resnet_decoder, resnet_encoder
from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape
from vae_rd.model.posteriors.base import PosteriorHead
from vae_rd.model.posteriors.categorical import CategoricalPosterior
from vae_rd.model.posteriors.deterministic import PointPosterior
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.posteriors.full import FullPosterior
from vae_rd.model.posteriors.iaf import FlowedPosterior
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.categorical import CategoricalPrior
from vae_rd.model.priors.flow import FlowPrior
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.priors.vamp import VampPrior
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.capacity import GAMMA, CapacityObjective
from vae_rd.objectives.code_covariance import CodeCovariance
from vae_rd.objectives.discrepancy import Discrepancy
from vae_rd.objectives.free_bits import FreeBitsObjective
from vae_rd.objectives.geco import GecoObjective
from vae_rd.objectives.gradients.base import Gradient, Reparameterised
from vae_rd.objectives.gradients.landed import DoublyReparameterised, Sticking
from vae_rd.objectives.gradients.score_function import ScoreFunction
from vae_rd.objectives.iwae import IWAEObjective
from vae_rd.objectives.multirate import MultiRateObjective
from vae_rd.objectives.penalised import PenalisedObjective
from vae_rd.objectives.rate_penalty import RatePenaltyObjective
from vae_rd.objectives.schedules import constant, cosine_decay, one_cycle
from vae_rd.objectives.target_distortion import TargetDistortionObjective
from vae_rd.objectives.target_rate import TargetRateObjective
from vae_rd.objectives.total_correlation import TotalCorrelation
from vae_rd.objectives.trajectory import TrajectoryObjective


def _own(c: FitConfig) -> dict[str, Any]:
    """How a file or folder of one's own is read."""
    return {"data_seed": c.data_seed, "levels": c.levels, "rules": c.file_rules, "population": c.population}


def _columns(c: FitConfig) -> dict[str, Any]:
    """How a table or a dataset of columns is read."""
    own = {"data_seed": c.data_seed, "levels": c.levels, "population": c.population}
    return {"label": c.label_column, **own}


def _pseudo_inputs(c: FitConfig, card: DataCard, encoder: Encoder) -> int:
    """How many a VampPrior gets: as many as its authors gave it, few where every pair of z and u is dear."""
    is_dear = getattr(encoder.posterior, "most_compared", None) is not None
    return c.components or min(20 if is_dear else 500, card.n["train"])


SOURCES: dict[str, Callable[[FitConfig], Source | UnlimitedSource]] = {
    "sprites": lambda c: sprites(),
    "scenes": lambda c: scenes(),
    "digits": lambda c: digits(),
    "gaussian": lambda c: gaussian(c.gaussian_eigenvalues, data_seed=c.data_seed),
    "sphere": lambda c: sphere(c.sphere_dim),
    "toy_channel": lambda c: toy_channel(),
    "noisy_sprites": lambda c: noisy_sprites(c.flip_probability),
    "dsprites": lambda c: dsprites(Path(data_root(c))),
    "mnist": lambda c: mnist(Path(data_root(c))),
    "static_mnist": lambda c: static_mnist(Path(data_root(c))),
    "omniglot": lambda c: omniglot(Path(data_root(c))),
    "cmu_faces": lambda c: cmu_faces(Path(data_root(c))),
    "npz": lambda c: npz(Path(str(c.data_file)), layout=c.layout, **_own(c)),
    "npy": lambda c: npy(Path(str(c.data_file)), data_seed=c.data_seed, levels=c.levels, layout=c.layout),
    "image_folder": lambda c: image_folder(Path(str(c.data_file)), **_own(c)),
    "hf": lambda c: hf(str(c.data_file), image=c.image_column, **_columns(c)),
    "csv": lambda c: table(Path(str(c.data_file)), "csv", **_columns(c)),
    "parquet": lambda c: table(Path(str(c.data_file)), "parquet", **_columns(c)),
}
SUMMED = ("npy",)  # Whose checksum is taken as their files are read: of what is too large to be read twice.


def _levels(card: DataCard) -> int:
    """Grey levels of x; of one that has none a likelihood of levels is made all the same, to be asked what it is of."""
    return card.levels or 2


class Trunk(NamedTuple):
    """Networks of one kind.

    Attributes:
        encoder: (shape of x, widths, activation) to a network from images to features; None where it has none.
        decoder: (shape of the parameters, widths, latent_dim, activation) to a network from z to them; None likewise.
        hidden: widths where --hidden is null.
        is_linear: whether they are linear maps.
        autoregressive: in place of `decoder`, (raster, widths, latent_dim, activation) to a network from x and z to
            the parameters, in which no value sees itself or a later one.
    """

    encoder: Callable[[Shape, Sequence[int], Activation], EncoderTrunk] | None = None
    decoder: Callable[[Shape, Sequence[int], int, Activation], nn.Module] | None = None
    hidden: tuple[int, ...] = ()
    is_linear: bool = False
    autoregressive: Callable[[Raster, Sequence[int], int, Activation], AutoregressiveTrunk] | None = None

    def has(self, side: str) -> bool:
        """Whether there is a network of this side, "encoder" or "decoder"."""
        return (self.encoder if side == "encoder" else self.decoder or self.autoregressive) is not None


TRUNKS: dict[str, Trunk] = {
    "linear": Trunk(linear_encoder, linear_decoder, is_linear=True),
    "mlp": Trunk(mlp_encoder, mlp_decoder, (512,)),
    "conv": Trunk(conv_encoder, conv_decoder, (32, 64)),
    "resnet": Trunk(resnet_encoder, resnet_decoder, (32, 64)),
    "made": Trunk(hidden=(1024,), autoregressive=made),
    "pixelcnn": Trunk(hidden=(32, 32, 32, 32, 32), autoregressive=pixelcnn),
}
ACTIVATIONS: dict[str, Activation] = {
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "relu": lambda: nn.ReLU(inplace=True),
}
# The third argument is the encoder's trunk, whose features a head takes.
POSTERIORS: dict[str, Callable[[FitConfig, DataCard, EncoderTrunk], PosteriorHead]] = {
    "diagonal": lambda c, card, trunk: DiagonalPosterior(trunk.features, c.latent_dim, bound=c.log_var_bound),
    "full": lambda c, card, trunk: FullPosterior(trunk.features, c.latent_dim, bound=c.log_var_bound),
    "iaf": lambda c, card, trunk: FlowedPosterior(
        trunk.features, c.latent_dim, transforms=c.flow_transforms, bound=c.log_var_bound, word="--posterior iaf"
    ),
    "deterministic": lambda c, card, trunk: PointPosterior(trunk.features, c.latent_dim),
    "categorical": lambda c, card, trunk: CategoricalPosterior(trunk.features, c.latent_dim),
}
# The third argument is the encoder, of which some priors are made.
PRIORS: dict[str, Callable[[FitConfig, DataCard, Encoder], PriorHead]] = {
    "normal": lambda c, card, encoder: StandardNormalPrior(c.latent_dim),
    "categorical": lambda c, card, encoder: CategoricalPrior(c.latent_dim),
    "mixture": lambda c, card, encoder: MixturePrior(c.latent_dim, components=c.components or 10),
    "vamp": lambda c, card, encoder: VampPrior(encoder, card.shape, components=_pseudo_inputs(c, card, encoder)),
    "maf": lambda c, card, encoder: FlowPrior(c.latent_dim, transforms=c.flow_transforms, word="--prior maf"),
    "spline": lambda c, card, encoder: FlowPrior(
        c.latent_dim, transforms=c.flow_transforms, bins=8, word="--prior spline"
    ),
}
LIKELIHOODS: dict[str, Callable[[FitConfig, DataCard], Likelihood]] = {
    "bernoulli": lambda c, card: BernoulliLikelihood(),
    "categorical": lambda c, card: CategoricalLikelihood(),
    "gaussian": lambda c, card: GaussianLikelihood(c.likelihood_scale),
    "gaussian_shared": lambda c, card: SharedGaussianLikelihood(),
    "gaussian_pixel": lambda c, card: PixelGaussianLikelihood(bound=c.log_var_bound),
    "gaussian_optimal": lambda c, card: OptimalGaussianLikelihood(),
    "laplace": lambda c, card: LaplaceLikelihood(c.laplace_scale),
    "continuous_bernoulli": lambda c, card: ContinuousBernoulliLikelihood(),
    "categorical_levels": lambda c, card: CategoricalLevelsLikelihood(_levels(card)),
    "beta_binomial": lambda c, card: BetaBinomialLikelihood(_levels(card)),
    "gaussian_integrated": lambda c, card: IntegratedGaussianLikelihood(_levels(card), bound=c.log_var_bound),
    "logistic_mixture": lambda c, card: LogisticMixtureLikelihood(
        _levels(card), components=c.logistic_components, channels=card.shape[0], bound=c.log_var_bound
    ),
}


def _target_rate(c: FitConfig) -> Objective:
    """R held in the mean by a multiplier, or for each x by a given weight."""
    if c.rate_weight is None:
        return TargetRateObjective(c.target_rate, **_way_down(c))
    return RatePenaltyObjective(c.target_rate, weight=c.rate_weight)


def _way_down(c: FitConfig) -> dict[str, Any]:
    """Where a multiplier begins, and the fewest steps it takes from there."""
    return {"start": c.beta_start or 1.0, "descent": c.beta_warmup or 0}


def _path(c: FitConfig) -> dict[str, Any]:
    """How beta gets to where it ends."""
    return {"warmup": c.beta_warmup or 0, "start": c.beta_start or 0.0, "schedule": c.beta_schedule}


def _beta(c: FitConfig) -> BetaObjective:
    """D + beta R."""
    return BetaObjective(c.beta, **_path(c))


def steps_asked(c: FitConfig, card: DataCard) -> int:
    """How many optimiser steps a fit of these flags takes, unless patience ends it."""
    steps = c.max_epochs * card.steps_per_epoch(c.batch_size)
    return steps if c.max_steps is None else min(steps, c.max_steps)


def _sizes(card: DataCard) -> dict[str, float]:
    """How many examples there are that codes are a mixture over."""
    return {f"n_{split}": math.inf if card.unlimited[split] else card.n[split] for split in ("train", "val")}


def _covariance(c: FitConfig, *, diagonal: float, of_draws: bool) -> CodeCovariance:
    """The penalty of a DIP-VAE, with variances weighed `diagonal` times as covariances where nothing is said."""
    own = diagonal * c.lambda_od if c.lambda_d is None else c.lambda_d
    return CodeCovariance(off_diagonal=c.lambda_od, diagonal=own, of_draws=of_draws)


OBJECTIVES: dict[str, Callable[[FitConfig, DataCard], Objective]] = {
    "beta": lambda c, card: _beta(c),
    "target_rate": lambda c, card: _target_rate(c),
    "target_distortion": lambda c, card: TargetDistortionObjective(c.target_distortion or 0.0, **_way_down(c)),
    "geco": lambda c, card: GecoObjective(c.target_distortion or 0.0, values=math.prod(card.scored.shape)),
    "capacity": lambda c, card: CapacityObjective(
        c.target_rate, weight=c.rate_weight or GAMMA, warmup=c.beta_warmup or 0
    ),
    "free_bits": lambda c, card: FreeBitsObjective(
        c.beta, free=c.free_bits, per_unit=c.free_bits_per == "unit", **_path(c)
    ),
    "iwae": lambda c, card: IWAEObjective(),
    "multirate": lambda c, card: MultiRateObjective(*c.beta_range, beta=c.beta, power=c.multirate_power),
    "trajectory": lambda c, card: TrajectoryObjective(c.trajectory, steps=steps_asked(c, card)),
    "beta_tc": lambda c, card: PenalisedObjective(
        BetaObjective(1.0), TotalCorrelation(**_sizes(card)), weight=c.tc_weight - 1.0
    ),
    "info_vae": lambda c, card: PenalisedObjective(_beta(c), Discrepancy(), weight=c.mmd_weight),
    "dip_vae_i": lambda c, card: PenalisedObjective(_beta(c), _covariance(c, diagonal=10.0, of_draws=False)),
    "dip_vae_ii": lambda c, card: PenalisedObjective(_beta(c), _covariance(c, diagonal=1.0, of_draws=True)),
}
GRADIENTS: dict[str, Callable[[], Gradient]] = {
    "reparameterised": Reparameterised,
    "score_function": ScoreFunction,
    "sticking": Sticking,
    "dreg": DoublyReparameterised,
}
SCHEDULES: dict[str, Callable[..., float]] = {"constant": constant, "cosine": cosine_decay, "one_cycle": one_cycle}
PRECISIONS: dict[str, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "32": "32-true",
    "64": "64-true",
    "bf16": "bf16-mixed",
}


def add(flag: str, word: str, row: Any) -> None:
    """Give a table a member of one's own, from a script that then fits or sweeps.

    A member that comes with the package has its row above, and its word in `vae_rd.config.fields`.

    Args:
        flag: "data", "encoder", "decoder", "posterior", "prior", "likelihood", "objective" or "gradient".
        word: the value of the flag.
        row: as the flag's table has them; encoders and decoders have one table.

    Raises:
        InputError: for another flag, a word that is there already, or a trunk that has no such side.
    """
    rows: dict[str, dict[str, Any]] = {
        "data": SOURCES,
        "encoder": TRUNKS,
        "decoder": TRUNKS,
        "posterior": POSTERIORS,
        "prior": PRIORS,
        "likelihood": LIKELIHOODS,
        "objective": OBJECTIVES,
        "gradient": GRADIENTS,
    }
    if flag not in rows or word in WORDS[flag] or rows[flag].get(word, row) != row:
        raise InputError(f"add({flag!r}, {word!r}): give one of {', '.join(rows)}, and a word that it does not have")
    if isinstance(row, Trunk) and not row.has(flag):
        raise InputError(f"add({flag!r}, {word!r}): its row has no {flag}; give it one")
    rows[flag][word] = row
    WORDS[flag] = (*WORDS[flag], word)
