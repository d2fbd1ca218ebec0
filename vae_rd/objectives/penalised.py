"""D + beta R and a penalty on the codes of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective


class Penalty(ABC):
    """A functional of the codes of a batch.

    Attributes:
        column: its name in history.
        takes_draws: as of `Objective`.
        takes_factors: likewise.
    """

    column: str
    takes_draws: bool = False
    takes_factors: bool = False

    @abstractmethod
    def __call__(self, terms: Terms, *, noise: torch.Generator, is_training: bool) -> Tensor:
        """Its value for each example, [B], or the batch's, [].

        Args:
            terms: of the batch, of which in training each process has its rows.
            noise: the stream of further draws.
            is_training: whether the batch is one of training, else a chunk of validation that one process has alone.
        """


class PenalisedObjective(Objective):
    """D + beta R + weight * penalty, with beta on its way as that of `BetaObjective`.

    Args:
        inner: D + beta R.
        penalty: on the codes.
        weight: of the penalty, in nats.
    """

    couples_examples = True
    least_examples = 2

    def __init__(self, inner: BetaObjective, penalty: Penalty, *, weight: float = 1.0) -> None:
        super().__init__()
        self.inner, self.penalty, self.penalty_weight = inner, penalty, weight
        self.takes_draws, self.takes_factors = penalty.takes_draws, penalty.takes_factors

    @property
    def is_lagrangian(self) -> bool:
        """Where the penalty weighs nothing."""
        return not self.penalty_weight and self.inner.is_lagrangian

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """[B]."""
        loss: Tensor = self.inner(terms, step, noise=noise)
        return loss + self.penalty_weight * self.penalty(terms, noise=noise, is_training=self.training)

    def weight(self, step: int) -> float:
        """beta_t."""
        return self.inner.weight(step)

    def slope(self) -> float | None:
        """beta where the penalty weighs nothing; else undefined, since it has its own pull on D and R."""
        return None if self.penalty_weight else self.inner.slope()

    def is_annealing(self, step: int) -> bool:
        """Whether the warm-up of beta still runs."""
        return self.inner.is_annealing(step)

    def score(self, means: Mapping[str, float]) -> float:
        """The loss of validation, the penalty being that of its chunks."""
        return means["loss"]

    def of_validation(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """The penalty, without its weight."""
        if not self.penalty_weight:
            return {}
        beta = self.inner.slope()
        weighed = means["distortion"] + (beta * means["rate"] if beta else 0.0)
        return {self.penalty.column: (means["loss"] - weighed) / self.penalty_weight}
