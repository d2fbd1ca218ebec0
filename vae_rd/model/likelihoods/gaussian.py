"""Independent Gaussian pixels, whose scale is fixed, learned, or given for each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood, per_channel
from vae_rd.model.nn.whitening import Sample
from vae_rd.units import LN_2PI


class GaussianImage(ImageDistribution):
    """Independent Gaussian pixels over [C, H, W].

    Args:
        mean: [..., C, H, W].
        scale: standard deviations, of the same shape.

    Example:
        >>> GaussianImage(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).log_prob(torch.zeros(1, 2, 2))
        tensor(-3.6758)
    """

    def __init__(self, mean: Tensor, scale: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.loc, self.scale = mean, scale
        super().__init__(mean, dims)

    @property
    def mean(self) -> Tensor:
        """[..., C, H, W]."""
        return self.loc

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over pixels of -(x - mean)^2 / (2 scale^2) - ln scale - 0.5 ln 2 pi, [...]."""
        each = -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - LN_2PI / 2
        return each.flatten(-self.dims).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        return torch.normal(*(values.expand(*sample_shape, *values.shape) for values in (self.loc, self.scale)))


def mean_and_scale(sample: Sample) -> tuple[Tensor, Tensor]:
    """The mean of x, [C, H, W], and its one scale for all values, [C, 1, 1]."""
    return sample.mean, sample.scale * per_channel(sample.mean)


class GaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) per pixel with a fixed scale."""

    supports = ("real", "grey")
    writes_means = True

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

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean of x; a unit is the scale of x."""
        return mean_and_scale(sample)

    def noise_variance(self, variance: Tensor) -> Tensor:
        """scale^2."""
        return torch.full_like(variance, self.scale**2)

    def forward(self, context: Tensor) -> GaussianImage:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        return GaussianImage(context, torch.full_like(context, self.scale), self.dims)


class SharedGaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) per pixel, one learned scale for all pixels."""

    supports = ("real",)
    writes_means = True
    learns_scale = True

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    @property
    def precision(self) -> Tensor:
        """1 / scale^2 at the present scale, [], differentiable."""
        return (-2 * self.log_scale).exp()

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean of x; a unit is the scale of x, which the learned one starts from."""
        with torch.no_grad():
            self.log_scale.copy_(sample.scale.log())
        return mean_and_scale(sample)

    def noise_variance(self, variance: Tensor) -> Tensor:
        """The mean variance of all values, for each."""
        return variance.mean().expand_as(variance)

    def forward(self, context: Tensor) -> GaussianImage:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        return GaussianImage(context, self.log_scale.exp().expand_as(context), self.dims)


class PixelGaussianLikelihood(Likelihood):
    """N(mean(z), scale(z)^2) with a scale of its own for every pixel and z; the trunk gives means, then log scales.

    Args:
        bound: of |ln scale^2|, within which it is held, and which its gradient leads back to; None for none.
    """

    params_per_value = 2
    supports = ("real",)
    scales_each_pixel = True
    learns_scale = True

    def __init__(self, *, bound: float | None = None) -> None:
        super().__init__()
        self.bound = bound

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean and the log standard deviation of each value; a unit is the one scale of x, and 1."""
        mean, scale = mean_and_scale(sample)
        variance = torch.where(sample.variance > 0, sample.variance, scale.square())
        return torch.cat([mean, 0.5 * variance.log()]), torch.cat([scale, torch.ones_like(scale)])

    def noise_variance(self, variance: Tensor) -> Tensor:
        """That of the pixel itself; what its scale tells of z besides is left out."""
        return variance

    def forward(self, context: Tensor) -> GaussianImage:
        """Means and log scales [..., 2 C, H, W] to a Gaussian image distribution."""
        mean, log_scale = context.chunk(2, dim=-self.dims)
        held = log_scale if self.bound is None else bounded(log_scale, self.bound / 2)
        return GaussianImage(mean, held.exp(), self.dims)
