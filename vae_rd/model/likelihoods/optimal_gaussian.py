"""Gaussian pixels with the one scale that maximises the likelihood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood
from vae_rd.model.likelihoods.gaussian import GaussianImage, mean_and_scale
from vae_rd.model.nn.whitening import Sample
from vae_rd.process.collectives import mean_over_processes


class OptimalGaussianLikelihood(Likelihood):
    """N(mean(z), scale^2) with the one scale that maximises the likelihood, scale^2 = mean squared error.

    In training the scale is the batch's own optimum (its gradient vanishes there, so it is held constant); a running
    mean of the squared error is kept after each step, and evaluation uses that, so that p(x|z) never depends on the x
    it is asked for.

    Source: Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders",
    arXiv 2006.13202.
    """

    MOMENTUM = 0.01  # The running mean covers about the last 100 steps.
    supports = ("real",)
    writes_means = True
    takes_draws = True
    learns_scale = True

    squared_error: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("squared_error", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean of x; a unit is the scale of x."""
        return mean_and_scale(sample)

    @property
    def scale(self) -> Tensor:
        """The scale used in evaluation; 1 before any training step."""
        variance = self.squared_error / self.weight.clamp_min(self.MOMENTUM)
        return torch.where(self.weight > 0, variance, torch.ones_like(variance)).sqrt()

    @property
    def precision(self) -> Tensor | None:
        """1 / scale^2 at the scale used in evaluation, []; None in training, where the scale is that of the draws."""
        return None if self.training else self.scale**-2

    def noise_variance(self, variance: Tensor) -> Tensor:
        """The mean variance of all values, for each."""
        return variance.mean().expand_as(variance)

    def forward(self, context: Tensor) -> Distribution:
        """Means [..., C, H, W] to a Gaussian image distribution."""
        if self.training:
            return BatchOptimalGaussian(context, self.dims)
        return GaussianImage(context, self.scale.expand_as(context), self.dims)

    @torch.no_grad()
    def after_step(self, p: Distribution, x: Tensor) -> None:
        """Add the batch's mean squared error to the running mean (exponential, corrected for its start at 0)."""
        if isinstance(p, BatchOptimalGaussian):  # Made in training mode.
            self.squared_error.lerp_(p.best_variance(x).to(self.squared_error), self.MOMENTUM)
            self.weight.lerp_(torch.ones_like(self.weight), self.MOMENTUM)


class BatchOptimalGaussian(ImageDistribution):
    """The training-time distribution of OptimalGaussianLikelihood: its scale is fixed by the x it is scored on."""

    def __init__(self, mean: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.loc = mean
        self._asked: tuple[Tensor, Tensor] | None = None  # The last x and its variance, which a step needs twice.
        super().__init__(mean, dims)

    @property
    def mean(self) -> Tensor:
        """[..., C, H, W]."""
        return self.loc

    def best_variance(self, value: Tensor) -> Tensor:
        """The mean squared error of all draws and values, over all processes, [], without a gradient."""
        if self._asked is None or self._asked[0] is not value:
            self._asked = value, mean_over_processes((value - self.loc).square().mean().detach())
        return self._asked[1]

    def log_prob(self, value: Tensor) -> Tensor:
        """ln N(x; mean, best_variance(x)), [...]."""
        scale = self.best_variance(value).sqrt().expand_as(self.loc)
        return GaussianImage(self.loc, scale, self.dims).log_prob(value)
