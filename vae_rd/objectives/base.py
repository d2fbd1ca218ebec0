"""What training minimises: a function of the terms and the step, with any state it needs in buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from vae_rd.model.terms import Terms


class Objective(nn.Module, ABC):
    """Base of all objectives. Beta lives here, never in the model."""

    beta: float
    """The final weight of the rate: `objective` = D + beta R selects checkpoints, whatever the loss is annealed to."""

    @abstractmethod
    def weight(self, step: int) -> float:
        """The effective weight of the rate at an optimiser step."""

    @abstractmethod
    def forward(self, terms: Terms, step: int) -> Tensor:
        """Per-example loss, [B], to be minimised at an optimiser step."""

    @abstractmethod
    def slope(self) -> float | None:
        """-dD/dR where training ends, in nats a nat: the weight of the rate in the final loss; None if undefined."""

    @abstractmethod
    def is_annealing(self, step: int) -> bool:
        """Whether the loss at this step is not yet the final one; no checkpoint is kept while it is."""
