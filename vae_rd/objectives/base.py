"""What training minimises: a function of the terms and the step, with any state it needs in buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from vae_rd.model.terms import Terms


@dataclass(frozen=True)
class BetaRange:
    """The betas of a model for many, each of which has a share in what is minimised.

    Attributes:
        low: the least.
        high: the greatest.
        power: p, of their weights.
    """

    low: float
    high: float
    power: float = 1.0

    def weights(self, beta: Tensor) -> Tensor:
        """(2 / (1 + beta))^p: with p = 1 the losses of all betas are of one size, 1 at beta 1.

        D + beta R is about (1 + beta) times what both are near where they are equal; over a range without low betas
        it grows more slowly, and its high betas gain by a lower p.

        Example:
            >>> BetaRange(0.01, 10.0).weights(torch.tensor([0.0, 1.0, 9.0]))
            tensor([2.0000, 1.0000, 0.2000])
        """
        return (2 / (1 + beta)) ** self.power


class Objective(nn.Module, ABC):
    """Base of all objectives. Beta lives here, never in the model.

    Attributes:
        couples_examples: whether the loss of an example depends on others of its batch, which is that of all processes.
        least_examples: the fewest of a batch that it works with.
        weighs_rate: whether the loss is the mean over draws of D + w R times a number, for any unbiased draws of D, R.
        weighs_draws: whether the loss is -ln of a mean of weights p(x|z) m(z) / q(z|x), one a draw.
        takes_draws: whether the loss takes draws of z where D and R would not.
        takes_factors: whether the loss takes a q(z|x) that is a product of normals.
        takes_units: whether the loss takes R by single units of z.
        betas: what it trains one model over, which takes ln beta; None for one beta.
        ends: the steps after which the parts of a training in several parts end, of which each has a learning rate that
            rises and falls; empty of one whole.
        passed: betas whose models are kept on the way, by the steps that are then taken.
    """

    couples_examples: bool = False
    least_examples: int = 1
    weighs_rate: bool = False
    weighs_draws: bool = False
    takes_draws: bool = False
    takes_factors: bool = False
    takes_units: bool = False
    betas: BetaRange | None = None
    ends: Sequence[int] = ()
    passed: Mapping[int, float] = MappingProxyType({})

    def context(self, examples: int, noise: torch.Generator) -> Tensor | None:
        """What the model is given for a batch of training, ln beta, [G], each for B / G examples; None for nothing.

        Args:
            examples: B, over all processes.
            noise: the step's own stream.
        """
        return None

    @property
    def is_lagrangian(self) -> bool:
        """Whether the loss of a step is D + w R, w its weight, but for a factor and a constant: q(z|x) is fitted to it.

        Elsewhere what local steps on q(z|x) gain of D + w R says nothing of the encoder, which was asked for another q.
        """
        return self.weighs_rate

    @abstractmethod
    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """Per-example loss, [B], to be minimised at an optimiser step.

        Args:
            terms: of the batch.
            step: of the optimiser.
            noise: the step's own stream, on which a loss that needs further draws goes on.
        """

    @abstractmethod
    def weight(self, step: int) -> float | Tensor:
        """The effective weight of the rate at an optimiser step."""

    @abstractmethod
    def slope(self) -> float | None:
        """-dD/dR where training ends, in nats a nat: the weight of the rate in the final loss; None if undefined."""

    def target_rate(self) -> float | None:
        """The R that is asked for, nats; None where none is, and R is what the weight makes it."""
        return None

    def target_distortion(self) -> float | None:
        """The D that is asked for, nats; None where none is."""
        return None

    def achieved_slope(self) -> float | None:
        """-dD/dR where training is, in nats a nat: the slope, or what a multiplier has come to; None if undefined."""
        return self.slope()

    @abstractmethod
    def is_annealing(self, step: int) -> bool:
        """Whether the loss at this step is not yet the final one; no checkpoint is kept while it is."""

    @abstractmethod
    def score(self, means: Mapping[str, float]) -> float:
        """What selects the checkpoint that is kept, the lowest; infinite where a constraint is missed.

        Args:
            means: of validation, by the names of `vae_rd.functional.rate_distortion.rate_distortion`.
        """

    def after_step(self, terms: Terms) -> None:
        """Take note of a training step, for multipliers and running scales, without waiting for the device."""

    def logged(self) -> Mapping[str, float | Tensor]:
        """Further columns of history, by name."""
        return {}

    def of_validation(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """Further columns of history about validation, by name, once the loss is the final one.

        Args:
            means: as of `score`.
        """
        return {}
