"""The tables: a config's words to sources, trunks, posteriors, priors, likelihoods and objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from torch import nn

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import data_root
from vae_rd.data.base import Source, UnlimitedSource
from vae_rd.data.files import image_folder, npz
from vae_rd.data.images import cmu_faces, dsprites, mnist, omniglot, static_mnist
from vae_rd.data.noisy_sprites import noisy_sprites
from vae_rd.data.sprites import sprites
from vae_rd.data.synthetic import gaussian, sphere, toy_channel
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.likelihoods.categorical import CategoricalLikelihood
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood, PixelGaussianLikelihood, SharedGaussianLikelihood
from vae_rd.model.likelihoods.optimal_gaussian import OptimalGaussianLikelihood
from vae_rd.model.nn.conv import conv_decoder, conv_encoder
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder, mlp_decoder, mlp_encoder
from vae_rd.model.nn.trunk import EncoderTrunk
from vae_rd.model.posteriors.categorical import CategoricalPosterior
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.categorical import CategoricalPrior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective

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
