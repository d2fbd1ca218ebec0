"""The least rate at a given distortion."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vae_rd.objectives.constrained import ConstrainedObjective, score_of


class TargetDistortionObjective(ConstrainedObjective):
    """min R subject to D = C, by D + w R with w turned until D, in the mean over x, is C.

    Example:
        >>> import torch
        >>> from vae_rd.model.terms import Terms
        >>> objective = TargetDistortionObjective(4.0)
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=torch.tensor([1.0, 4.0]))
        >>> objective.after_step(terms)
        >>> bool(objective.weight(1) < 1)
        True
    """

    def excess(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """(C - D) / (multiplier (R + 1)), []: an excess of D as the R that the frontier's tangent makes of it."""
        return (self.target - distortion) / (self.controller.multiplier * (rate + 1))

    def target_distortion(self) -> float:
        """C."""
        return self.target

    def score(self, means: Mapping[str, float]) -> float:
        """R + (D - C) / multiplier, the R at C to first order, where D is within 2 % of C; elsewhere far more."""
        off = means["distortion"] - self.target
        return score_of(means["rate"] + off / self.achieved_slope(), off=abs(off), target=self.target)
