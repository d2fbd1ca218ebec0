"""The beta-VAE objective."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.schedules import geometric_path, linear_warmup


class BetaObjective(Objective):
    """D + beta_t R with beta_t on its way to beta over `warmup` steps: linearly from 0, or geometrically from `start`.

    A start above beta lets latent units become active one after another, the direction of most variance first, where
    all at once they settle in mixtures of directions that descent takes long to turn. On that path the whole is scaled
    by beta / beta_t, so that the rate's weight is beta throughout and the distortion's grows to 1: Adam divides by the
    gradients of its last thousand steps, and a loss that shrinks by orders of magnitude would leave steps too short.

    Source: Higgins et al. 2017, "beta-VAE"; read as a Lagrangian of the rate-distortion problem by Alemi et al. 2018,
    "Fixing a Broken ELBO", arXiv 1711.00464: at the optimum dD/dR = -beta.
    """

    weighs_rate = True

    def __init__(self, beta: float, *, warmup: int = 0, start: float = 0.0) -> None:
        super().__init__()
        self.beta, self.warmup, self.start = beta, warmup, start

    def weight(self, step: int) -> float:
        """beta_t."""
        if self.start > 0:
            return geometric_path(step, start=self.start, end=self.beta, steps=self.warmup)
        return self.beta * linear_warmup(step, steps=self.warmup)

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """mean over draws of scale * (distortion + beta_t * rate), [B]; of the distortion, where no rate is defined."""
        beta, distortion, rate = self.weight(step), terms.distortion, terms.rate
        if self.start > 0:
            distortion, beta = self.beta / beta * distortion, self.beta / beta * beta
        if rate is None:  # Building the model has seen to it that nothing is to weigh it.
            return distortion.mean(0)
        return (distortion + beta * rate).mean(0)

    def slope(self) -> float:
        """beta."""
        return self.beta

    def is_annealing(self, step: int) -> bool:
        """Whether the warm-up still runs."""
        return step < self.warmup

    def score(self, means: Mapping[str, float]) -> float:
        """D + beta R: not the least -ELBO, which would pull every beta toward 1."""
        return means["objective"]
