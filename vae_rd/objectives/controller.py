"""A multiplier that is turned until a constraint is met: a proportional-integral controller of its logarithm."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MEMORY = 0.95  # Of the running mean of errors: about the last 20 steps, in which a batch's noise averages out.
PROPORTIONAL = 4.0  # Of an error at once: what holds R where the frontier is straight or bent inward.
INTEGRAL = 0.05  # Of an error, a step: what brings the mean error to 0.
LARGEST = 1.0  # Error that counts, either way: the start of training must not wind the integral up.
RANGE = (1e-4, 1e6)  # Of the integral part: beyond it no constraint is met, and float32 would overflow.


class Controller(nn.Module):
    """weight = exp(u + PROPORTIONAL e), du = INTEGRAL e a step, e the running mean of the relative excess of R.

    The proportional part makes the effective loss of R convex around the target, so that a rate is held even where the
    frontier is straight or bent inward and every fixed weight jumps past it; where the error is 0, it is too, and
    exp(u) is the multiplier. Nothing here waits for the device.

    Source: the method of multipliers with a quadratic penalty (Nocedal and Wright 2006, "Numerical Optimization",
    chapter 17), taken to the logarithm so that the weight stays positive.

    Args:
        start: the weight at the first step.
        descent: the fewest steps that the multiplier takes from there to the least of RANGE; 0 for no limit.

    Example:
        >>> controller = Controller(1.0)
        >>> for _ in range(100):
        ...     controller.update(torch.tensor(0.5))
        >>> bool(controller.multiplier > 1.3), bool(controller.weight > controller.multiplier)
        (True, True)
    """

    log_multiplier: Tensor
    error: Tensor

    def __init__(self, start: float, *, descent: int = 0) -> None:
        super().__init__()
        self.most_down = math.log(start / RANGE[0]) / descent if descent else math.inf
        self.register_buffer("log_multiplier", torch.tensor(start).log())
        self.register_buffer("error", torch.zeros(()))

    @property
    def multiplier(self) -> Tensor:
        """exp(u), [], nats of D a nat of R."""
        return self.log_multiplier.exp()

    @property
    def weight(self) -> Tensor:
        """Of the rate in the loss, [], nats of D a nat of R."""
        return (self.log_multiplier + PROPORTIONAL * self.error).exp()

    @torch.no_grad()
    def update(self, error: Tensor) -> None:
        """Take note of a step's relative excess of R over its target, []; of the whole batch, over all processes."""
        self.error.lerp_(error.to(self.error).clamp(-LARGEST, LARGEST), 1 - MEMORY)
        self.log_multiplier.add_((INTEGRAL * self.error).clamp(min=-self.most_down))
        self.log_multiplier.clamp_(*map(math.log, RANGE))
