"""One model for a range of betas: each example of a batch is weighed by a beta of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import BetaRange, Objective

# By how much the range of ln beta in training is wider than what is asked for, at each end: what a layer has of ln beta
# is learned from both sides there, too. On static MNIST, beta from 0.01 to 10, it takes D + beta R at 0.01 from 54.3 to
# 50.5 (validation, 12 epochs, one seed).
MARGIN = 0.5
EXAMPLES = 8  # Of a batch that share a beta: what layers have of it is then computed for an eighth of the rows.


class MultiRateObjective(Objective):
    """(2 / (1 + beta))^p (D + beta R), ln beta uniform over a range, which the model takes as the context of its terms.

    Of terms without a context it is D + beta R at one beta of the range: what the model is measured at where nothing
    else is said.

    Source: Bae et al. 2023, "Multi-Rate VAE: Train Once, Get the Full Rate-Distortion Curve", arXiv 2212.03905, for a
    beta of each example, log-uniform; without its weight, high betas take most of the gradient.

    Args:
        low: the least beta.
        high: the greatest.
        beta: the one without a context.
        power: p, of the weights of betas.

    Example:
        >>> objective = MultiRateObjective(0.01, 100.0, beta=1.0)
        >>> objective.context(32, torch.Generator().manual_seed(0))
        tensor([-3.8384, -0.5916,  0.2258,  2.8896])
    """

    betas: BetaRange
    is_lagrangian = True  # Of terms without a context.

    def __init__(self, low: float, high: float, *, beta: float, power: float = 1.0) -> None:
        super().__init__()
        self.betas, self.beta = BetaRange(low, high, power), beta
        self.low, self.high = math.log(low), math.log(high)

    def context(self, examples: int, noise: torch.Generator) -> Tensor:
        """ln beta, [G], of G strata of equal width one each, for EXAMPLES examples each, or as many as divide them.

        The strata make up the range of ln beta and MARGIN at both ends.
        """
        groups, low, high = examples // math.gcd(examples, EXAMPLES), self.low - MARGIN, self.high + MARGIN
        place = torch.arange(groups, device=noise.device) + torch.rand(groups, generator=noise, device=noise.device)
        return low + (high - low) / groups * place

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """The mean over draws, [B]."""
        rate = terms.rate
        assert rate is not None, "of a model that takes beta"
        if terms.context is None:
            return over_draws(terms.distortion + self.beta * rate)
        beta = terms.context.exp().repeat_interleave(rate.shape[-1] // max(1, len(terms.context)))
        return self.betas.weights(beta) * over_draws(terms.distortion + beta * rate)

    def weight(self, step: int) -> float:
        """beta, of which the range is made."""
        return self.beta

    def slope(self) -> float | None:
        """beta."""
        return self.beta

    def is_annealing(self, step: int) -> bool:
        """The loss is the final one from the first step on."""
        return False

    def score(self, means: Mapping[str, float]) -> float:
        """The mean of the weighted loss over all betas; without one, D + beta R."""
        return means.get("over_betas", means["objective"])

    def of_validation(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """D + b R at each beta b of a grid."""
        return {name: value for name, value in means.items() if name.startswith("objective_beta_")}
