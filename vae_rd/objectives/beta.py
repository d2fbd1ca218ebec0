"""The beta-VAE objective."""

from __future__ import annotations

from torch import Tensor

from vae_rd.objectives.base import Objective
from vae_rd.schedules import linear_warmup
from vae_rd.terms import Terms


class BetaObjective(Objective):
    """D + beta_t R with beta_t growing linearly from 0 to beta over `warmup` steps.

    Source: Higgins et al. 2017, "beta-VAE"; read as a Lagrangian of the rate-distortion problem by Alemi et al. 2018,
    "Fixing a Broken ELBO", arXiv 1711.00464: at the optimum dD/dR = -beta.
    """

    def __init__(self, beta: float, *, warmup: int = 0) -> None:
        super().__init__()
        self.beta, self.warmup = beta, warmup

    def weight(self, step: int) -> float:
        """beta times the share of the warm-up that has passed."""
        return self.beta * linear_warmup(step, steps=self.warmup)

    def forward(self, terms: Terms, step: int) -> Tensor:
        """mean over draws of distortion + weight(step) * rate, [B]."""
        return (terms.distortion + self.weight(step) * terms.rate).mean(0)

    def is_annealing(self, step: int) -> bool:
        """Whether the warm-up still runs."""
        return step < self.warmup
