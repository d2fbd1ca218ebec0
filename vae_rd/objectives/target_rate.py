"""The least distortion at a given rate."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vae_rd.objectives.constrained import ConstrainedObjective, score_of


class TargetRateObjective(ConstrainedObjective):
    """min D subject to R = C, by D + w R with w turned until R, in the mean over x, is C.

    Source: the Lagrangian of Alemi et al. 2018, "Fixing a Broken ELBO", arXiv 1711.00464, whose multiplier is found
    rather than given.

    Example:
        >>> import torch
        >>> from vae_rd.model.terms import Terms
        >>> objective = TargetRateObjective(2.0)
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=torch.tensor([1.0, 4.0]))
        >>> objective(terms, 0, noise=torch.Generator())
        tensor([6., 9.])
        >>> objective.after_step(terms)
        >>> bool(objective.weight(1) > 1)
        True
    """

    def excess(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """(R - C) / (C + 1), [], which has a meaning at C = 0."""
        return (rate - self.target) / (self.target + 1)

    def target_rate(self) -> float:
        """C."""
        return self.target

    def score(self, means: Mapping[str, float]) -> float:
        """D + multiplier (R - C), the D at C to first order, where R is within 2 % of C; elsewhere far more."""
        off = means["rate"] - self.target
        return score_of(means["distortion"] + self.achieved_slope() * off, off=abs(off), target=self.target)
