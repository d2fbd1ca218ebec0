"""Coefficients as functions of the step."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

# Of the second part of a training in parts, the highest learning rate as a share of that of the first and of the last:
# docs/continuation.md measures it.
SECOND = 0.4
RISE = 0.3  # Of all steps, those over which one_cycle rises.
CYCLES, RISING = 4, 0.5  # Of cyclic_path, and the share of each in which it rises.


def linear_path(step: int, *, start: float, end: float, steps: int) -> float:
    """Go from `start` at step 0 to `end` at `steps` along a line, then stay.

    Example:
        >>> [linear_path(s, start=0.0, end=4.0, steps=4) for s in (0, 2, 4, 9)]
        [0.0, 2.0, 4.0, 4.0]
    """
    return end if step >= steps else start + (end - start) * linear_warmup(step, steps=steps)


def cosine_path(step: int, *, start: float, end: float, steps: int) -> float:
    """Go from `start` at step 0 to `end` at `steps` along half a cosine, level at both, then stay.

    Example:
        >>> [round(cosine_path(s, start=0.0, end=4.0, steps=4), 3) for s in (0, 1, 2, 4, 9)]
        [0.0, 0.586, 2.0, 4.0, 4.0]
    """
    return end if step >= steps else end + (start - end) * cosine_decay(step, steps=steps)


def cyclic_path(step: int, *, start: float, end: float, steps: int) -> float:
    """Four times within `steps` go from `start` to `end` along a line for half of a cycle, and stay there for the rest.

    Source: Fu et al. 2019, "Cyclical Annealing Schedule", arXiv 1903.10145, with their four cycles and half of each.

    Example:
        >>> [cyclic_path(s, start=0.0, end=4.0, steps=16) for s in (0, 1, 2, 3, 4, 5, 16, 17)]
        [0.0, 2.0, 4.0, 4.0, 0.0, 2.0, 4.0, 4.0]
    """
    if step >= steps:
        return end
    within = step * CYCLES / steps % 1.0
    return end if within >= RISING else start + (end - start) * within / RISING


def linear_warmup(step: int, *, steps: int) -> float:
    """Grow from 0 at step 0 to 1 at `steps`, then stay; 1 throughout where `steps` is 0.

    Example:
        >>> [linear_warmup(s, steps=4) for s in (0, 1, 4, 9)]
        [0.0, 0.25, 1.0, 1.0]
    """
    return 1.0 if step >= steps else step / steps


def geometric_path(step: int, *, start: float, end: float, steps: int) -> float:
    """Go from `start` at step 0 to `end` at `steps` by a constant factor a step, then stay.

    Example:
        >>> [geometric_path(s, start=100.0, end=1.0, steps=4) for s in (0, 2, 4, 9)]
        [100.0, 10.0, 1.0, 1.0]
    """
    return end if step >= steps else start * (end / start) ** (step / steps)


def cosine_decay(step: float, *, steps: float) -> float:
    """Fall from 1 at step 0 to 0 at `steps` along half a cosine.

    Example:
        >>> [round(cosine_decay(s, steps=10), 3) for s in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    return 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))


def constant(step: int, *, steps: int) -> float:
    """1 at every step."""
    return 1.0


def one_cycle(step: int, *, steps: int) -> float:
    """Rise along half a cosine from 1/25 to 1, for 30 % of the steps, and fall to 0 along another.

    Source: Smith and Topin 2018, "Super-Convergence", arXiv 1708.07120; the shape is that of torch's OneCycleLR.

    Example:
        >>> [round(one_cycle(s, steps=20), 3) for s in (0, 3, 6, 13, 20)]
        [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    rise, least = RISE * steps, 1 / 25
    if step < rise:
        return 1.0 + (least - 1.0) * cosine_decay(step, steps=rise)
    return cosine_decay(step - rise, steps=steps - rise)


def part_of(step: int, ends: Sequence[int]) -> int:
    """Which of the parts that end after so many steps a step is in; the last from its start on.

    Example:
        >>> [part_of(step, [2, 5]) for step in (0, 1, 2, 4, 5)]
        [0, 0, 1, 1, 1]
    """
    return bisect.bisect_right(ends[:-1], step)


def in_parts(schedule: Callable[..., float], ends: Sequence[int]) -> Callable[..., float]:
    """A schedule that begins anew with each part of a training, `SECOND` as high in the second, whole in the last.

    What has been learned at once is to change little, and more from part to part.

    Args:
        schedule: of one training.
        ends: the steps after which each part ends.

    Example:
        >>> falling = in_parts(cosine_decay, [10, 14, 18])
        >>> [round(falling(step, steps=18), 3) for step in (0, 5, 10, 12, 14, 18)]
        [1.0, 0.5, 0.4, 0.2, 1.0, 0.0]
    """

    def of_part(step: int, *, steps: int) -> float:
        part = part_of(step, ends)
        start = ends[part - 1] if part else 0
        return peak_of(part, parts=len(ends)) * schedule(step - start, steps=ends[part] - start)

    return of_part


def peak_of(part: int, *, parts: int) -> float:
    """How high the learning rate of a part goes, by constant factors from the second to the last.

    Example:
        >>> [round(peak_of(part, parts=4), 3) for part in range(4)]
        [1.0, 0.4, 0.632, 1.0]
    """
    return 1.0 if part == 0 else SECOND ** (1 - (part - 1) / max(1, parts - 2))
