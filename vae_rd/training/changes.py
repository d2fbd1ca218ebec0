"""How validation has changed since its last and its best epoch, paired over examples, which keep their noise."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vae_rd.functional.statistics import mean_and_stderr


class ValidationChanges:
    """Compares the objective of each validation example with what it was at the validation before, and at the best one.

    Example:
        >>> import torch
        >>> changes = ValidationChanges()
        >>> for values in ([1.0, 3.0], [0.5, 1.5], [1.5, 1.5]):
        ...     numbers = changes.numbers(torch.tensor(values))
        >>> numbers["val/objective_change"], numbers["val/objective_above_best_stderr"]
        (0.5, 0.5)
    """

    def __init__(self) -> None:
        self.before: Tensor | None = None
        self.best: Tensor | None = None

    def numbers(self, values: Tensor) -> dict[str, float]:
        """The change since the validation before, and the height above the lowest so far, with standard errors.

        Args:
            values: the objective of every validation example, [N].
        """
        if self.best is None or values.double().mean() < self.best.double().mean():
            self.best = values
        numbers = {} if self.before is None else _difference("val/objective_change", values, self.before)
        self.before = values
        return numbers | _difference("val/objective_above_best", values, self.best)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume."""
        return {"before": self.before, "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on comparing with what was."""
        self.before, self.best = state["before"], state["best"]


def _difference(name: str, values: Tensor, before: Tensor) -> dict[str, float]:
    mean, stderr = mean_and_stderr((values.double() - before.double())[None], population=False)
    return {name: mean, f"{name}_stderr": stderr}
