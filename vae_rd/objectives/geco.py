"""GECO: the least rate under a bound on the distortion, by a multiplier on the distortion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.functional.statistics import over_draws
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.constrained import score_of
from vae_rd.process.collectives import mean_over_processes

MEMORY = 0.99  # Of the running mean of the constraint, as published.
GAIN = 0.02  # Of the multiplier's logarithm, by nats a value of x; the paper leaves it open. Much more oscillates.
LARGEST = 0.05  # Change of that logarithm in one step.
RANGE = (1e-6, 1e6)  # Of the multiplier.


class GecoObjective(Objective):
    """R + lambda (D - C), ln lambda growing by a multiple of the running mean of D - C after every step.

    The published loss has the running mean for its value and the batch's D - C for its gradient; here it is the batch's
    in both, which descends alike. In the first step the mean is the batch's own.

    Source: Rezende and Viola 2018, "Taming VAEs", arXiv 1810.00597, algorithm 1. D - C is taken a value of x there and
    here, so that one gain serves every size.

    Args:
        target: C, nats: the most D that is wanted.
        values: of one x, or classes where D is of labels.

    Example:
        >>> objective = GecoObjective(4.0, values=10)
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=torch.tensor([1.0, 4.0]))
        >>> objective.after_step(terms)
        >>> bool(objective.weight(1) < 1)
        True
    """

    log_multiplier: Tensor
    constraint: Tensor
    steps: Tensor

    is_lagrangian = True

    def __init__(self, target: float, *, values: int) -> None:
        super().__init__()
        self.target, self.values = target, values
        for name in ("log_multiplier", "constraint", "steps"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """Mean over draws of R + lambda (D - C), [B]."""
        rate = terms.rate
        assert rate is not None, "a rate to make small"
        return over_draws(rate + self.log_multiplier.exp() * (terms.distortion - self.target))

    @torch.no_grad()
    def after_step(self, terms: Terms) -> None:
        """Take the constraint into its running mean, over all processes, and turn the multiplier by it."""
        seen = mean_over_processes(terms.distortion.mean()).to(self.constraint) - self.target
        self.constraint.copy_(torch.where(self.steps > 0, self.constraint.lerp(seen, 1 - MEMORY), seen))
        self.steps.add_(1)
        self.log_multiplier.add_((GAIN / self.values * self.constraint).clamp(-LARGEST, LARGEST))
        self.log_multiplier.clamp_(*(float(torch.tensor(end).log()) for end in RANGE))

    def weight(self, step: int) -> Tensor:
        """1 / lambda: of R where D has the weight 1."""
        return (-self.log_multiplier).exp()

    def slope(self) -> None:
        """Unknown beforehand: that of the frontier at C."""
        return

    def achieved_slope(self) -> float:
        """1 / lambda."""
        return self.weight(0).item()

    def target_distortion(self) -> float:
        """C."""
        return self.target

    def logged(self) -> Mapping[str, Tensor]:
        """The running mean of D - C."""
        return {"constraint": self.constraint}

    def is_annealing(self, step: int) -> bool:
        """Never: the bound is the same throughout."""
        return False

    def score(self, means: Mapping[str, float]) -> float:
        """R where D is at most 2 % above C; elsewhere far more, and the less the nearer."""
        return score_of(means["rate"], off=max(0.0, means["distortion"] - self.target), target=self.target)
