"""The least D at a given R, or the least R at a given D: the frontier by its points, where beta asks by its slope."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.controller import Controller
from vae_rd.process.collectives import mean_over_processes
from vae_rd.theory.thresholds import AT_TARGET

LEAST_TOLERANCE = 0.02  # Nats: of a target near 0.
MISSED = 1e9  # What a nat off counts beyond that: more than any distortion.


def score_of(value: float, *, off: float, target: float) -> float:
    """What is to be small where the constraint is met; elsewhere far more, and the less the nearer.

    Args:
        value: D or R, brought to the target along the tangent.
        off: by how many nats the constraint is missed.
        target: the D or R that was asked for, nats.

    Example:
        >>> score_of(9.0, off=0.1, target=10.0), score_of(9.0, off=0.3, target=10.0) > 1e8
        (9.0, True)
    """
    return value + (0.0 if off <= max(AT_TARGET * abs(target), LEAST_TOLERANCE) else MISSED * off)


class ConstrainedObjective(Objective):
    """D + w R with w, a positive weight, turned after every step until the batches meet a constraint in their mean.

    Where w is above 1 the whole is divided by it: Adam divides by the gradients of its last thousand steps, and a loss
    that falls by orders of magnitude as w does would leave steps too short.

    Args:
        target: the R or D to be held, nats.
        start: w at the first step.
        descent: as of `Controller`: units then become active one after another.
    """

    weighs_rate = True

    def __init__(self, target: float, *, start: float = 1.0, descent: int = 0) -> None:
        super().__init__()
        self.target, self.controller = target, Controller(start, descent=descent)

    @abstractmethod
    def excess(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """By how much of itself R is too large, [], given the means of D and R over a batch, [] each."""

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """Mean over draws of (D + w R) / max(1, w), [B]."""
        rate, weight = terms.rate, self.controller.weight
        assert rate is not None, "a rate to weigh"
        return over_draws(terms.distortion + weight * rate) / weight.clamp(min=1.0)

    @torch.no_grad()
    def after_step(self, terms: Terms) -> None:
        """Turn the weight by the means of the batch over all processes."""
        assert terms.rate is not None, "a rate to weigh"
        means = torch.stack([terms.distortion.mean(), terms.rate.mean()])
        self.controller.update(self.excess(*mean_over_processes(means)))

    def weight(self, step: int) -> Tensor:
        """w."""
        return self.controller.weight

    def slope(self) -> None:
        """Unknown beforehand: that of the frontier at the target."""
        return

    def achieved_slope(self) -> float:
        """The multiplier, which is -dD/dR at the point where training with it ends."""
        return self.controller.multiplier.item()

    def logged(self) -> Mapping[str, Tensor]:
        """The multiplier, which is w without its answer to the error of the moment."""
        return {"multiplier": self.controller.multiplier}

    def is_annealing(self, step: int) -> bool:
        """Never: the target is the same throughout."""
        return False
