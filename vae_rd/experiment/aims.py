"""Whether the objective, the estimator of its gradient and the posterior fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient


def check_aim(config: FitConfig, model: VAE, data: DataSet) -> None:
    """Refuse an objective that the posterior cannot serve, and a gradient that is not the objective's.

    Raises:
        InputError: naming the flag and what to do.
    """
    objective, gradient = tables.OBJECTIVES[config.objective](config, data.card), tables.GRADIENTS[config.gradient]()
    for problem in _gradient_problems(config, objective, gradient):
        raise InputError(f"--gradient {config.gradient} {problem}")
    for problem in _objective_problems(config, objective, gradient, model, _posterior(model, data)):
        raise InputError(problem)


def _gradient_problems(config: FitConfig, objective: Objective, gradient: Gradient) -> Iterator[str]:
    if problem := gradient.objective_problem(objective):
        yield problem
    if config.samples < gradient.least_samples:
        yield f"has the other draws for a baseline; add --samples {gradient.least_samples}"


def _objective_problems(
    config: FitConfig, objective: Objective, gradient: Gradient, model: VAE, q: Posterior
) -> Iterator[str]:
    kind = type(q).__name__
    if objective.betas is not None and model.betas is None:
        yield f"--objective {config.objective}: a network given from Python takes no beta; choose another objective"
    if gradient.takes_density and not q.has_density:
        yield f"--gradient {config.gradient} takes ln q(z|x), which {kind} does not have; leave it out"
    if objective.takes_factors and q.factors() is None:
        yield f"--objective {config.objective} takes a product of normals, not {kind}; choose --posterior diagonal"
    if gradient.is_pathwise and (objective.takes_draws or gradient.takes_density) and not q.has_rsample:
        yield f"--posterior: draws of {kind} have no gradient; {_ways(objective)}"
    if config.batch_size < (least := objective.least_examples):
        yield f"--batch_size 1: --objective {config.objective} compares the examples of a batch; give {least} or more"


def _ways(objective: Objective) -> str:
    """What to do about draws without a gradient."""
    return "choose diagonal" if objective.couples_examples else "add --gradient score_function --samples 2"


@torch.no_grad()
def _posterior(model: VAE, data: DataSet) -> Posterior:
    """q(z|x) of two training examples, with the network left as it was."""
    modes = [(module, module.training) for module in model.modules()]
    like = next(model.parameters())
    try:
        return cast(Posterior, model.eval().encoder(data.evaluation_chunk("train", 0)[:2].to(like)))
    finally:
        for module, mode in modes:
            module.training = mode
