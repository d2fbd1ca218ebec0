"""vae_rd: rate, distortion and posterior collapse of variational autoencoders, with error bars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_rd.config.fields import FitConfig as FitConfig
    from vae_rd.data.base import Source as Source
    from vae_rd.data.base import UnlimitedSource as UnlimitedSource
    from vae_rd.data.dataset import DataSet as DataSet
    from vae_rd.data.given import from_datasets as from_datasets
    from vae_rd.experiment.evaluating import evaluate_run as evaluate_run
    from vae_rd.experiment.exploring import explore_run as explore_run
    from vae_rd.experiment.fitting import fit_model as fit_model
    from vae_rd.experiment.fitting import fit_models as fit_models
    from vae_rd.experiment.loading import load as load
    from vae_rd.foreign import adapters as adapters
    from vae_rd.foreign.callback import RateDistortionCallback as RateDistortionCallback
    from vae_rd.foreign.measuring import rate_distortion as rate_distortion
    from vae_rd.metrics.rate_distortion import RateDistortion as RateDistortion
    from vae_rd.model.coders import Decoder as Decoder
    from vae_rd.model.coders import Encoder as Encoder
    from vae_rd.model.lazy import LazyDistribution as LazyDistribution
    from vae_rd.model.likelihoods.base import Likelihood as Likelihood
    from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood as BernoulliLikelihood
    from vae_rd.model.likelihoods.categorical import CategoricalLikelihood as CategoricalLikelihood
    from vae_rd.model.likelihoods.gaussian import GaussianLikelihood as GaussianLikelihood
    from vae_rd.model.likelihoods.gaussian import PixelGaussianLikelihood as PixelGaussianLikelihood
    from vae_rd.model.likelihoods.gaussian import SharedGaussianLikelihood as SharedGaussianLikelihood
    from vae_rd.model.likelihoods.optimal_gaussian import OptimalGaussianLikelihood as OptimalGaussianLikelihood
    from vae_rd.model.posteriors.base import Posterior as Posterior
    from vae_rd.model.posteriors.categorical import CategoricalPosterior as CategoricalPosterior
    from vae_rd.model.posteriors.diagonal import DiagonalNormal as DiagonalNormal
    from vae_rd.model.posteriors.diagonal import DiagonalPosterior as DiagonalPosterior
    from vae_rd.model.priors.base import Prior as Prior
    from vae_rd.model.priors.categorical import CategoricalPrior as CategoricalPrior
    from vae_rd.model.priors.normal import StandardNormalPrior as StandardNormalPrior
    from vae_rd.model.terms import Terms as Terms
    from vae_rd.model.vae import VAE as VAE
    from vae_rd.objectives.base import Objective as Objective
    from vae_rd.objectives.beta import BetaObjective as BetaObjective
    from vae_rd.training.module import VAEModule as VAEModule

__version__ = "0.1.0"

# Where each public name lives. torch and lightning are imported when one of them is asked for: `--help` and `analysis`
# need neither.
_LAZY = {
    "FitConfig": "vae_rd.config.fields",
    "evaluate_run": "vae_rd.experiment.evaluating",
    "explore_run": "vae_rd.experiment.exploring",
    "fit_model": "vae_rd.experiment.fitting",
    "fit_models": "vae_rd.experiment.fitting",
    "load": "vae_rd.experiment.loading",
    "RateDistortion": "vae_rd.metrics.rate_distortion",
    "VAE": "vae_rd.model.vae",
    "Encoder": "vae_rd.model.coders",
    "Decoder": "vae_rd.model.coders",
    "LazyDistribution": "vae_rd.model.lazy",
    "Terms": "vae_rd.model.terms",
    "Likelihood": "vae_rd.model.likelihoods.base",
    "BernoulliLikelihood": "vae_rd.model.likelihoods.bernoulli",
    "CategoricalLikelihood": "vae_rd.model.likelihoods.categorical",
    "GaussianLikelihood": "vae_rd.model.likelihoods.gaussian",
    "SharedGaussianLikelihood": "vae_rd.model.likelihoods.gaussian",
    "PixelGaussianLikelihood": "vae_rd.model.likelihoods.gaussian",
    "OptimalGaussianLikelihood": "vae_rd.model.likelihoods.optimal_gaussian",
    "Posterior": "vae_rd.model.posteriors.base",
    "DiagonalNormal": "vae_rd.model.posteriors.diagonal",
    "DiagonalPosterior": "vae_rd.model.posteriors.diagonal",
    "CategoricalPosterior": "vae_rd.model.posteriors.categorical",
    "Prior": "vae_rd.model.priors.base",
    "StandardNormalPrior": "vae_rd.model.priors.normal",
    "CategoricalPrior": "vae_rd.model.priors.categorical",
    "Objective": "vae_rd.objectives.base",
    "BetaObjective": "vae_rd.objectives.beta",
    "DataSet": "vae_rd.data.dataset",
    "from_datasets": "vae_rd.data.given",
    "Source": "vae_rd.data.base",
    "UnlimitedSource": "vae_rd.data.base",
    "rate_distortion": "vae_rd.foreign.measuring",
    "VAEModule": "vae_rd.training.module",
    "RateDistortionCallback": "vae_rd.foreign.callback",
    "adapters": "vae_rd.foreign.adapters",
}
__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for; signals wait for that, as half a torch serves no second attempt."""
    if name in _LAZY:
        with import_module("vae_rd.process.imports").whole_imports():
            module = import_module(_LAZY[name])
        return module if _LAZY[name].endswith(f".{name}") else getattr(module, name)
    raise AttributeError(f"module 'vae_rd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
