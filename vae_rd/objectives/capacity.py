"""Capacity: the rate held at a value that grows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.constrained import score_of
from vae_rd.objectives.schedules import linear_warmup
from vae_rd.process.collectives import mean_over_processes

GAMMA = 100.0  # Where none is given: a nat of R at the start of a frontier saves tens of nats of D.


class CapacityObjective(Objective):
    """D + gamma |R - C_t|, R the mean over the batch, C_t on its way from 0 to C along a line.

    The authors' formula is of one x; what has been built after it, and this, holds the mean over the batch, so that one
    x may take more than another. `--objective target_rate` with `--rate_weight` holds every x. Where gamma is above the
    -dD/dR found at C the rate is C; below C this pays for rate as such, whatever it carries.

    Source: Burgess et al. 2018, "Understanding disentangling in beta-VAE", arXiv 1804.03599, equation 8.

    Args:
        target: C, nats.
        weight: gamma.
        warmup: steps over which C_t grows.

    Example:
        >>> objective = CapacityObjective(4.0, weight=10.0, warmup=4)
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=torch.tensor([1.0, 4.0]))
        >>> objective(terms, 2, noise=torch.Generator()).mean()  # |2.5 - 2|
        tensor(10.)
    """

    couples_examples = True

    def __init__(self, target: float, *, weight: float, warmup: int = 0) -> None:
        super().__init__()
        self.target, self.gamma, self.warmup = target, weight, warmup

    def capacity(self, step: int) -> float:
        """C_t, nats."""
        return self.target * linear_warmup(step, steps=self.warmup)

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """Mean over draws of D + gamma s (R(x) - C_t), [B], s the sign that makes the batch's mean the formula."""
        rate = terms.rate
        assert rate is not None, "a rate to hold at its target"
        excess = over_draws(rate) - self.capacity(step)
        mean = excess.detach().mean()
        side = (mean_over_processes(mean) if self.training else mean).sign()
        return over_draws(terms.distortion) + self.gamma * side * excess

    def weight(self, step: int) -> float:
        """gamma, the most that a nat of rate counts."""
        return self.gamma

    def slope(self) -> None:
        """Unknown: that of the frontier at C."""
        return

    def target_rate(self) -> float:
        """C."""
        return self.target

    def is_annealing(self, step: int) -> bool:
        """Whether C_t still grows."""
        return step < self.warmup

    def score(self, means: Mapping[str, float]) -> float:
        """D where R is within 2 % of C; elsewhere far more, and the less the nearer."""
        return score_of(means["distortion"], off=abs(means["rate"] - self.target), target=self.target)
