"""Independent Gaussian pixels, whose scale is fixed, learned, or given for each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from vae_rd.model.likelihoods.base import IMAGE_DIMS, Likelihood


class GaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) per pixel with a fixed scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    @property
    def precision(self) -> float:
        """1 / scale^2."""
        return self.scale**-2

    @property
    def fixed_scale(self) -> float:
        """The scale."""
        return self.scale

    def forward(self, context: Tensor) -> Independent:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        return gaussian_image(context, torch.full_like(context, self.scale))


class SharedGaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) per pixel, one learned scale for all pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    @property
    def precision(self) -> Tensor:
        """1 / scale^2 at the present scale, [], differentiable."""
        return (-2 * self.log_scale).exp()

    def forward(self, context: Tensor) -> Independent:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        return gaussian_image(context, self.log_scale.exp().expand_as(context))


class PixelGaussianLikelihood(Likelihood):
    """N(mean(z), scale(z)^2) with a scale of its own for every pixel and z; the trunk gives means, then log scales."""

    params_per_value = 2

    def forward(self, context: Tensor) -> Independent:
        """Means and log scales [..., 2 C, H, W] to a Gaussian image distribution."""
        mean, log_scale = context.chunk(2, dim=-IMAGE_DIMS)
        return gaussian_image(mean, log_scale.exp())


def gaussian_image(mean: Tensor, scale: Tensor) -> Independent:
    """Independent Gaussian pixels, event shape [C, H, W].

    Example:
        >>> gaussian_image(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).log_prob(torch.zeros(1, 2, 2))
        tensor(-3.6758)
    """
    return Independent(Normal(mean, scale, validate_args=False), IMAGE_DIMS, validate_args=False)
