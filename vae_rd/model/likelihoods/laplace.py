"""Independent Laplace pixels, of which D is an absolute error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood, per_channel
from vae_rd.model.nn.whitening import Sample


class LaplaceImage(ImageDistribution):
    """Independent Laplace pixels over [C, H, W].

    Args:
        median: [..., C, H, W].
        scale: b, the mean absolute deviation; the variance is 2 b^2.

    Example:
        >>> LaplaceImage(torch.zeros(1, 2, 2), 1.0).log_prob(torch.ones(1, 2, 2))  # -4 (1 + ln 2)
        tensor(-6.7726)
    """

    def __init__(self, median: Tensor, scale: float, dims: int = IMAGE_DIMS) -> None:
        self.median, self.scale = median, scale
        super().__init__(median, dims)

    @property
    def mean(self) -> Tensor:
        """[..., C, H, W]."""
        return self.median

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over pixels of -|x - median| / b - ln 2b, [...]."""
        each = -(value - self.median).abs() / self.scale - math.log(2 * self.scale)
        return each.flatten(-self.dims).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        median = self.median.expand(*sample_shape, *self.median.shape)
        # The difference of two exponential draws.
        sides = [torch.empty_like(median, memory_format=torch.contiguous_format).exponential_() for _ in range(2)]
        return median + self.scale * (sides[0] - sides[1])


class LaplaceLikelihood(Likelihood):
    """Laplace(median(z), b) per pixel with a fixed scale, so that D = (sum of absolute errors) / b + n ln 2b.

    Args:
        scale: b, in the units of x.
    """

    supports = ("real", "grey")
    writes_means = True

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The median of x; a unit is the scale of x."""
        median = sample.x.median(0).values.to(torch.float64)
        return median, sample.scale * per_channel(median)

    def statement(self, values: int) -> dict[str, Any]:
        """What D is, for the record: D = absolute_error_weight * absolute error + constant.

        Example:
            >>> LaplaceLikelihood(0.5).statement(2)["absolute_error_weight"]
            2.0
        """
        constant = values * math.log(2 * self.scale)
        return super().statement(values) | {"absolute_error_weight": 1 / self.scale, "constant": constant}

    def forward(self, context: Tensor) -> LaplaceImage:
        """Medians [..., C, H, W] to a Laplace image distribution."""
        return LaplaceImage(context, self.scale, self.dims)
