"""Likelihoods p(x|z): heads that turn the decoder trunk's output into a normalised distribution over images.

Each takes [..., k C, H, W] parameters, k its `params_per_value`, and returns a distribution of event shape [C, H, W].
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vae_rd.collectives import mean_over_processes
from vae_rd.distributions import IMAGE_DIMS, BernoulliImage, CategoricalImage
from vae_rd.lazy import LazyDistribution


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


class BernoulliLikelihood(Likelihood):
    """Independent Bernoulli pixels; the trunk gives logits. ln p = x ln s(l) + (1 - x) ln(1 - s(l)), summed."""

    def forward(self, context: Tensor) -> BernoulliImage:
        """Logits [..., C, H, W] to a Bernoulli image distribution."""
        return BernoulliImage(context)


class CategoricalLikelihood(Likelihood):
    """Independent one-hot rows, such as a single variable of W categories; the trunk gives logits."""

    def forward(self, context: Tensor) -> CategoricalImage:
        """Logits [..., C, H, W] to a distribution over one-hot rows."""
        return CategoricalImage(context)


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


class OptimalGaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) with the one scale that maximises the likelihood, scale^2 = mean squared error.

    In training the scale is the batch's own optimum (its gradient vanishes there, so it is held constant); a running
    mean of the squared error is kept, and evaluation uses that, so that p(x|z) never depends on the x it is asked for.

    Source: Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders",
    arXiv 2006.13202.
    """

    MOMENTUM = 0.01  # The running mean covers about the last 100 steps.

    squared_error: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("squared_error", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    @property
    def scale(self) -> Tensor:
        """The scale used in evaluation; 1 before any training step."""
        variance = self.squared_error / self.weight.clamp_min(self.MOMENTUM)
        return torch.where(self.weight > 0, variance, torch.ones_like(variance)).sqrt()

    @property
    def precision(self) -> Tensor | None:
        """1 / scale^2 at the scale used in evaluation, []; None in training, where the scale is that of the draws."""
        return None if self.training else self.scale**-2

    def forward(self, context: Tensor) -> Distribution:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        if self.training:
            return _BatchOptimalGaussian(context, self)
        return gaussian_image(context, self.scale.expand_as(context))

    @torch.no_grad()
    def observe(self, squared_error: Tensor) -> None:
        """Add one batch's mean squared error to the running mean (exponential, corrected for its start at 0)."""
        self.squared_error.lerp_(squared_error.to(self.squared_error), self.MOMENTUM)
        self.weight.lerp_(torch.ones_like(self.weight), self.MOMENTUM)


class _BatchOptimalGaussian(Independent):
    """The training-time distribution of OptimalGaussianLikelihood: its scale is fixed by the x it is scored on."""

    def __init__(self, mean: Tensor, likelihood: OptimalGaussianLikelihood) -> None:
        super().__init__(Normal(mean, torch.ones_like(mean), validate_args=False), IMAGE_DIMS, validate_args=False)
        self.likelihood = likelihood

    def log_prob(self, value: Tensor) -> Tensor:
        mean = self.base_dist.loc
        variance = mean_over_processes((value - mean).square().mean().detach())
        self.likelihood.observe(variance)
        return gaussian_image(mean, variance.sqrt().expand_as(mean)).log_prob(value)


def gaussian_image(mean: Tensor, scale: Tensor) -> Independent:
    """Independent Gaussian pixels, event shape [C, H, W].

    Example:
        >>> gaussian_image(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).log_prob(torch.zeros(1, 2, 2))
        tensor(-3.6758)
    """
    return Independent(Normal(mean, scale, validate_args=False), IMAGE_DIMS, validate_args=False)
