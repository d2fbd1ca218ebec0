"""The beta-VAE objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.schedules import cosine_path, cyclic_path, geometric_path, linear_path

PATHS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {"linear": linear_path, "cosine": cosine_path, "cyclic": cyclic_path, "geometric": geometric_path}
)


class BetaObjective(Objective):
    """D + beta_t R with beta_t on its way from `start` to beta over `warmup` steps.

    A start above beta lets latent units become active one after another, the direction of most variance first, where
    all at once they settle in mixtures of directions that descent takes long to turn. On the geometric path the whole
    is scaled by beta / beta_t, so that the rate's weight is beta throughout and the distortion's grows to 1: Adam
    divides by the gradients of its last thousand steps, and a loss that shrinks by orders of magnitude would leave
    steps too short.

    Source: Higgins et al. 2017, "beta-VAE"; read as a Lagrangian of the rate-distortion problem by Alemi et al. 2018,
    "Fixing a Broken ELBO", arXiv 1711.00464: at the optimum dD/dR = -beta.

    Args:
        beta: where the weight ends.
        warmup: steps.
        start: the weight at step 0.
        schedule: a key of `PATHS`; auto is geometric from a start above 0, else linear.

    Raises:
        InputError: for a geometric way from or to 0.

    Attributes:
        held: the weights of D and of the rate in the place of those of the path, [] each, for one of many that are
            stacked; None of one alone.
    """

    weighs_rate = True
    held: tuple[Tensor, Tensor] | None = None

    def __init__(self, beta: float, *, warmup: int = 0, start: float = 0.0, schedule: str = "auto") -> None:
        super().__init__()
        self.beta, self.warmup, self.start = beta, warmup, start
        self.schedule = schedule if schedule != "auto" else "geometric" if start > 0 else "linear"
        if self.schedule == "geometric" and min(start, beta) <= 0:
            raise InputError(
                f"{type(self).__name__}(beta={beta:g}, start={start:g}): no factor leads from or to 0; give "
                'schedule="linear"'
            )

    def weight(self, step: int) -> float:
        """beta_t."""
        return PATHS[self.schedule](step, start=self.start, end=self.beta, steps=self.warmup)

    def weights(self, step: int) -> tuple[float, float]:
        """Those of D and of the rate in the loss of a step."""
        beta = self.weight(step)
        scale = self.beta / beta if self.schedule == "geometric" else 1.0
        return scale, scale * beta

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """mean over draws of scale * (distortion + beta_t * charge), [B]; of the distortion, where R is undefined."""
        scale, beta = self.weights(step) if self.held is None else self.held
        distortion, charged = terms.distortion, self.charged(terms)
        if self.schedule == "geometric" or self.held is not None:
            distortion = scale * distortion
        if charged is None:  # Building the model has seen to it that nothing is to weigh it.
            return over_draws(distortion)
        return over_draws(distortion + beta * charged)

    def charged(self, terms: Terms) -> Tensor | None:
        """What the weight is on, [S, B]: the rate; None where it is undefined."""
        return terms.rate

    def slope(self) -> float | None:
        """beta."""
        return self.beta

    def is_annealing(self, step: int) -> bool:
        """Whether the weight is yet to arrive at beta, or has left it again."""
        return step < self.warmup and self.weight(step) != self.beta

    def score(self, means: Mapping[str, float]) -> float:
        """D + beta R: not the least -ELBO, which would pull every beta toward 1."""
        return means["objective"]
