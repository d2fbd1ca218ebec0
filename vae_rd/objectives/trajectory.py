"""One training for many betas, one after another: each has its part of the steps, and leaves a model of its own."""

from __future__ import annotations

from collections.abc import Sequence

from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.schedules import part_of

FIRST = 0.4  # Of all steps, those of the first beta, which starts from the seed.


def ends_of(parts: int, *, steps: int) -> list[int]:
    """The steps after which each part of a training ends: the first takes `FIRST` of them, the others as many each.

    Args:
        parts: of the training, two or more.
        steps: of all.

    Example:
        >>> ends_of(4, steps=100)
        [40, 60, 80, 100]
    """
    first = FIRST * steps
    return [round(first + (steps - first) * part / (parts - 1)) for part in range(parts)]


class TrajectoryObjective(BetaObjective):
    """D + beta_t R with beta_t at one beta after another, of which the last is that of the run.

    Source: the warm starts of a regularisation path (Friedman, Hastie and Tibshirani 2010, "Regularization Paths for
    Generalized Linear Models via Coordinate Descent"), within one training.

    Args:
        betas: in their order.
        steps: of the whole training.

    Example:
        >>> objective = TrajectoryObjective([0.1, 1.0, 10.0], steps=50)
        >>> objective.ends, [objective.weight(step) for step in (0, 19, 20, 35, 50)]
        ([20, 35, 50], [0.1, 0.1, 1.0, 10.0, 10.0])
    """

    def __init__(self, betas: Sequence[float], *, steps: int) -> None:
        super().__init__(betas[-1])
        self.along, self.ends = [*betas], ends_of(len(betas), steps=steps)
        self.passed = dict(zip(self.ends[:-1], self.along[:-1], strict=True))

    def weight(self, step: int) -> float:
        """beta_t."""
        return self.along[part_of(step, self.ends)]

    def is_annealing(self, step: int) -> bool:
        """Whether a step is not yet of the last beta."""
        return step < self.ends[-2]
