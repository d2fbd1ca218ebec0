"""What likelihoods p(x|z) share: heads that turn a decoder trunk's output into a normalised distribution over images.

Each takes [..., k C, H, W] parameters, k its `params_per_value`, and returns a distribution of event shape [C, H, W].
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from vae_rd.model.lazy import LazyDistribution

IMAGE_DIMS = 3  # [C, H, W]


class Likelihood(LazyDistribution):
    """Base of all likelihoods.

    Attributes:
        params_per_value: trunk outputs per pixel and channel.
    """

    params_per_value: ClassVar[int] = 1

    @property
    def precision(self) -> Tensor | float | None:
        """1 / scale^2 where p(x|z) is a Gaussian around the trunk's output of one scale for all x and z; else None."""
        return None

    @property
    def squared_error_weight(self) -> float | None:
        """C = 1 / (2 scale^2) in D = C * squared error + constant; None where D is no such thing."""
        return None if self.precision is None else torch.as_tensor(self.precision).detach().item() / 2

    @property
    def fixed_scale(self) -> float | None:
        """The scale of a Gaussian whose scale is not learned; else None."""
        return None

    def statement(self, values: int) -> dict[str, Any]:
        """What D is, for the record: D = C * squared error + constant where it is that, for x of so many values.

        Example:
            >>> GaussianLikelihood(0.5).statement(2)
            {'scale': 0.5, 'squared_error_weight': 2.0, 'constant': 0.4515827052894548}
        """
        weight = self.squared_error_weight
        constant = None if weight is None else 0.5 * values * math.log(math.pi / weight)
        return {"scale": self.fixed_scale, "squared_error_weight": weight, "constant": constant}
