"""Gaussian pixels with the one scale that maximises the likelihood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vae_rd.model.likelihoods.base import IMAGE_DIMS, Likelihood
from vae_rd.model.likelihoods.gaussian import gaussian_image
from vae_rd.process.collectives import mean_over_processes


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
