"""Models of the betas that one training goes through: each is kept as its part of the training ends."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class Passed:
    """Weights as they were after certain steps, until they are written down.

    Args:
        ends: betas by the number of steps after which their models are kept.

    Example:
        >>> passed, model = Passed({2: 0.1}), nn.Linear(1, 1)
        >>> for taken in (1, 2, 3):
        ...     passed.note(taken, model)
        >>> [*passed.weights]
        [0.1]
    """

    def __init__(self, ends: Mapping[int, float]) -> None:
        self.ends = ends
        self.weights: dict[float, dict[str, Tensor]] = {}

    def note(self, taken: int, model: nn.Module) -> None:
        """Take a copy of a model where so many steps end a part."""
        if taken in self.ends:
            copies = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            self.weights[self.ends[taken]] = copies
