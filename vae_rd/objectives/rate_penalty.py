"""Every example's rate held at one value: D + w |R(x) - C|."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.theory.thresholds import AT_TARGET_NATS

MISSED = 1e9  # What a nat off counts beyond that: more than any distortion.


class RatePenaltyObjective(Objective):
    """D + w |R(x) - C| for each example x, which holds every rate at C where w is above the -dD/dR found there.

    Source: Burgess et al. 2018, "Understanding disentangling in beta-VAE", arXiv 1804.03599, with C held still.

    Args:
        target: C, nats.
        weight: w.

    Example:
        >>> objective = RatePenaltyObjective(2.0, weight=3.0)
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=torch.tensor([1.0, 4.0]))
        >>> objective(terms, 0, noise=torch.Generator())
        tensor([ 8., 11.])
    """

    def __init__(self, target: float, *, weight: float) -> None:
        super().__init__()
        self.target, self.rate_weight = target, weight

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """Mean over draws of D, and w |R - C| of the mean rate over draws, [B]."""
        rate = terms.rate
        assert rate is not None, "a rate to hold at its target"
        return over_draws(terms.distortion) + self.rate_weight * (over_draws(rate) - self.target).abs()

    def weight(self, step: int) -> float:
        """w, the most that a nat of rate counts."""
        return self.rate_weight

    def slope(self) -> None:
        """Unknown: that of the frontier at C."""
        return

    def target_rate(self) -> float:
        """C."""
        return self.target

    def is_annealing(self, step: int) -> bool:
        """Never: the target is the same throughout."""
        return False

    def score(self, means: Mapping[str, float]) -> float:
        """D where R is as near to C as counts as at it; elsewhere far more, the less the nearer: there is a least."""
        off = abs(means["rate"] - self.target)
        return means["distortion"] + (0.0 if off <= AT_TARGET_NATS else MISSED * off)
