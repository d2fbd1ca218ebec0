"""Whether the objective, the estimator of its gradient and the posterior fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor

from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import Prior
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient


class Words(NamedTuple):
    """How those who asked for a training call its parts, and say what to do: by flags, or in Python.

    Attributes:
        objective, gradient, posterior, likelihood: what was asked for.
        batch: before the size of a batch.
        diagonal: the posterior that every objective takes.
        whole_rate: asks for an allowance of R as a whole.
        samples: asks for as many draws as the gradient takes.
        score_function: asks for the gradient that does without one through draws.
    """

    objective: str
    gradient: str
    posterior: str
    likelihood: str
    batch: str
    diagonal: str
    whole_rate: str
    samples: str
    score_function: str


def gradient_problems(objective: Objective, gradient: Gradient, *, samples: int, words: Words) -> Iterator[str]:
    """Why a gradient is not that of the objective, by so many draws, and what to do."""
    if problem := gradient.objective_problem(objective):
        yield f"{words.gradient} {problem}"
    if samples < gradient.least_samples:
        yield f"{words.gradient} has the other draws for a baseline; {words.samples}"


def posterior_problems(
    objective: Objective, gradient: Gradient, model: VAE, x: Tensor, *, words: Words
) -> Iterator[str]:
    """Why a model's posterior of some x does not serve the objective, the gradient and its decoder, and what to do."""
    q, m = _latents(model, x)
    kind, likelihood = type(q).__name__, getattr(model.decoder, "likelihood", None)
    if objective.takes_units and (not m.is_continuous or rate_per_dim(q, m) is None):
        yield f"{words.objective}: R of {kind} and {type(m).__name__} has no closed form by units; {words.whole_rate}"
    if isinstance(likelihood, Likelihood) and likelihood.takes_draws and not q.has_rsample:
        yield (
            f"{words.likelihood}: {type(likelihood).__name__} takes its scale from draws of z, whose gradient {kind} "
            "does not have; choose another likelihood"
        )
    if gradient.takes_density and not q.has_density:
        yield f"{words.gradient} takes ln q(z|x), which {kind} does not have; leave it out"
    if objective.takes_factors and q.factors() is None:
        yield f"{words.objective} takes a product of normals, not {kind}; choose {words.diagonal}"
    if gradient.is_pathwise and (objective.takes_draws or gradient.takes_density) and not q.has_rsample:
        way = f"choose {words.diagonal}" if objective.couples_examples else words.score_function
        yield f"{words.posterior}: draws of {kind} have no gradient; {way}"


def batch_problem(objective: Objective, *, batch_size: int, words: Words) -> str | None:
    """Why a batch over all processes does not serve the objective, and what to do."""
    if batch_size < (least := objective.least_examples):
        return f"{words.batch} {batch_size}: {words.objective} compares the examples of a batch; give {least} or more"
    return None


@torch.no_grad()
def _latents(model: VAE, x: Tensor) -> tuple[Posterior, Prior]:
    """q(z|x) and m(z), with the network left as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        return cast(Posterior, model.eval().encoder(x)), cast(Prior, model.prior())
    finally:
        for module, mode in modes:
            module.training = mode
