"""How to go from b = 0 to a requested b: the schedule of an annealed run, and the size of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vae_rd.errors import InputError


@dataclass(frozen=True)
class Annealing:
    """How long the chains are, and how many.

    600 steps, 5 draws at each requested b, 512 chains and 2 leapfrog steps put R, D and -ln Z of linear decoders with
    10 and 12 units, means over 16 x, within 0.5 % or 0.005 nat at 50 values of b from 0.01 to 100. Many short
    transitions serve better than few long ones: half a period of a trajectory brings d back to where it was.

    Attributes:
        schedule: b_0, ..., b_T, float64 on the CPU; `default_schedule`.
        chains: C.
        leapfrog_steps: gradients per transition.

    Raises:
        InputError: a schedule of less than two entries, or a count below 1.
    """

    schedule: Tensor
    chains: int
    leapfrog_steps: int

    def __post_init__(self) -> None:
        if self.schedule.dim() != 1 or len(self.schedule) < 2 or min(self.chains, self.leapfrog_steps) < 1:
            shape, counts = list(self.schedule.shape), (self.chains, self.leapfrog_steps)
            raise InputError(f"schedule of shape {shape}, (chains, leapfrog_steps) = {counts}: need [2 or more], >= 1")

    def doubled(self) -> Annealing:
        """With a midpoint in every step: twice the temperatures, and twice the draws where an entry is repeated.

        Example:
            >>> Annealing(torch.tensor([0.0, 1.0, 1.0]), chains=1, leapfrog_steps=1).doubled().schedule
            tensor([0.0000, 0.5000, 1.0000, 1.0000, 1.0000])
        """
        midpoints = 0.5 * (self.schedule[1:] + self.schedule[:-1])
        return replace(self, schedule=torch.cat([self.schedule, midpoints]).sort().values)

    def reversed(self) -> Annealing:
        """The same way back."""
        return replace(self, schedule=self.schedule.flip(0))


def default_schedule(b_values: Sequence[float], *, steps: int, draws: int = 1, knee: float | None = None) -> Tensor:
    """0 = b_0 < ... < b_T, evenly spaced in ln(1 + b / knee), with every requested b on it.

    The variance of ln w is least where each step covers the same number of standard deviations of d under f_b. These
    start at some value and fall like 1/b once the chain has found the posterior: hence even steps below the knee and
    even ratios above it.

    Args:
        b_values: the requested b, in any order.
        steps: number of steps from 0 to the largest b, beside those that the requested b add.
        draws: how often each requested b stands on the schedule. Repetitions change no weight: they are further
            transitions at b, and averages over them are less noisy.
        knee: where ratios take over, best near 1 / (standard deviation of d under the prior); None takes the smallest
            positive b, at most 1 % of the largest.

    Returns:
        float64 on the CPU, ascending.

    Raises:
        InputError: no positive b, a negative or infinite one, or a count below 1.

    Example:
        >>> default_schedule([1.0], steps=4, draws=2, knee=0.1)
        tensor([0.0000, 0.0821, 0.2317, 0.5040, 1.0000, 1.0000], dtype=torch.float64)
    """
    wanted = torch.tensor(sorted(set(b_values)), dtype=torch.float64)
    if not len(wanted) or not wanted.isfinite().all() or wanted[0] < 0 or wanted[-1] == 0:
        raise InputError(f"b_values are {list(b_values)}: give finite numbers from 0 up, at least one above 0")
    if steps < 1 or draws < 1 or (knee is not None and not knee > 0):
        raise InputError(f"steps={steps}, draws={draws}, knee={knee} make no schedule: give positive numbers")
    top = wanted[-1].item()
    scale = knee or min(wanted[wanted > 0][0].item(), top / 100)
    grid = scale * torch.linspace(0, math.log1p(top / scale), steps + 1, dtype=torch.float64)[:-1].expm1()
    return torch.cat([grid, wanted.repeat(draws)]).sort().values
