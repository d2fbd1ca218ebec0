"""What to change when a training has left the finite numbers: what can have broken it, by what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

LARGE_X = 30.0  # In absolute value: data in units of their standard deviation hardly get there.
LARGE_WEIGHT = 1e6  # Of the rate.
LARGE_LR = 0.1  # Adam moves every weight by about as much, whatever the gradient.


@dataclass(frozen=True)
class Advice:
    """What is known of a training when it breaks; steps are counted from 1.

    Attributes:
        x: the examples of a step, [B, ...].
        weight: of the rate in a step's loss.
        lr: the learning rate, which no loss has felt before step 2.
        weight_decay: per unit of the learning rate.
        grad_clip: the largest norm of a gradient, if any.
        is_double: whether it is in double precision already.
        weights: the flags of the weights in its loss, in words; empty where no flag has any.

    Example:
        >>> import torch
        >>> advice = Advice(lambda step: 300 * torch.ones(5, 1, 2, 2), lambda step: 1.0, lr=1e-3)
        >>> advice.at(1)
        'scale the data, as x reaches 300'
        >>> Advice(lambda step: torch.zeros(5), lambda step: 1.0, lr=1e-3).at(2)
        'lower --lr or add --grad_clip 1'
    """

    x: Callable[[int], Tensor]
    weight: Callable[[int], float | Tensor]
    lr: float
    weight_decay: float = 0.0
    grad_clip: float | None = None
    is_double: bool = False
    weights: str = "--beta (and --beta_start)"

    def at(self, step: int, *, are_terms_finite: bool = False) -> str:
        """What to change, for a user.

        Args:
            step: the first one that is known to be broken.
            are_terms_finite: whether D and R are finite there, so that only their weights can be at fault.
        """
        x = self.x(step)
        if not x.isfinite().all():
            return f"mend the data, as x of that step has {kind_of(x)} values"
        if are_terms_finite:
            return self._nearer_weights
        return ", and ".join([*self._suspects(step, x)] or [self._smaller_steps(step)])

    def _suspects(self, step: int, x: Tensor) -> Iterator[str]:
        """What is out of the ordinary, of what a loss at that step has felt."""
        if (largest := x.abs().max().item()) > LARGE_X:
            yield f"scale the data, as x reaches {largest:.3g}"
        if abs(float(self.weight(step))) > LARGE_WEIGHT:
            yield self._nearer_weights
        if step > 1 and self.lr * self.weight_decay > 1:
            yield f"lower --weight_decay, as a step takes {self.lr * self.weight_decay:.3g} times each weight from it"
        if step > 1 and self.lr > LARGE_LR:
            yield "lower --lr"

    def _smaller_steps(self, step: int) -> str:
        """Where nothing is out of the ordinary."""
        if step == 1:
            return "mend the network, as its initial weights alone give this"
        return "lower --lr or add --grad_clip 1" if self.grad_clip is None else "lower --lr"

    @property
    def _nearer_weights(self) -> str:
        nearer = f"bring {self.weights} nearer to 1" if self.weights else "lower --lr"
        return nearer if self.is_double else f"{nearer} or take --precision 64"


def validation_advice(x: Tensor) -> str:
    """What to change where training was finite and no validation was.

    Args:
        x: all of the validation split.
    """
    return "lower --lr" if x.isfinite().all() else f"mend the data, as x of the val split has {kind_of(x)} values"


def kind_of(values: Tensor) -> str:
    """What those are that are not finite."""
    return "nan" if values.isnan().any() else "inf"
