"""Whether what the flags ask for can be trained on the posterior that there is."""

from __future__ import annotations

from vae_rd.config.fields import FitConfig
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.model.vae import VAE
from vae_rd.training.aims import Words, batch_problem, gradient_problems, posterior_problems


def check_aim(config: FitConfig, model: VAE, data: DataSet, *, own_model: bool) -> None:
    """Refuse an objective that the posterior cannot serve, and a gradient that is not the objective's.

    Args:
        config: as checked.
        model: to be trained.
        data: to train it on.
        own_model: whether the model was given from Python.

    Raises:
        InputError: naming the flag and what to do.
    """
    objective, gradient = tables.OBJECTIVES[config.objective](config, data.card), tables.GRADIENTS[config.gradient]()
    words = Words(
        objective=f"--objective {config.objective}",
        gradient=f"--gradient {config.gradient}",
        posterior="--posterior",
        likelihood="--likelihood",
        batch="--batch_size",
        diagonal="--posterior diagonal",
        whole_rate="add --free_bits_per total",
        samples=f"add --samples {gradient.least_samples}",
        score_function="add --gradient score_function --samples 2",
    )
    for problem in gradient_problems(objective, gradient, samples=config.samples, words=words):
        raise InputError(problem)
    if objective.betas is not None and own_model:  # Its curve is read of models that flags make again.
        raise InputError(
            f"--objective {config.objective} takes the networks of the flags alone; choose another objective for one "
            "given from Python"
        )
    x = data.evaluation_chunk("train", 0)[:2].to(next(model.parameters()))
    for problem in posterior_problems(objective, gradient, model, x, words=words):
        raise InputError(problem)
    if problem_of_batch := batch_problem(objective, batch_size=config.batch_size, words=words):
        raise InputError(problem_of_batch)
