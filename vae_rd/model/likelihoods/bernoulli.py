"""Independent Bernoulli pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood, per_channel
from vae_rd.model.nn.whitening import Sample


class BernoulliImage(ImageDistribution):
    """Independent Bernoulli pixels over [C, H, W], given logits.

    Example:
        >>> BernoulliImage(torch.zeros(5, 1, 2, 2)).log_prob(torch.ones(1, 2, 2))[0]
        tensor(-2.7726)
    """

    def __init__(self, logits: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.logits = logits
        super().__init__(logits, dims)

    @property
    def mean(self) -> Tensor:
        """Probabilities of a 1, [..., C, H, W]."""
        return self.logits.sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over pixels of x ln s(l) + (1 - x) ln(1 - s(l)), [...] for x in {0, 1} that broadcasts to the logits."""
        logits, bits = self.logits.flatten(-self.dims), value.flatten(-self.dims)
        if logits.shape[-bits.ndim :] == bits.shape:  # The general way takes 0.5 % of a small step.
            bits = bits.expand_as(logits)
        else:
            logits, bits = torch.broadcast_tensors(logits, bits)
        return -F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))


class BernoulliLikelihood(Likelihood):
    """Independent Bernoulli pixels; the trunk gives logits. ln p = x ln s(l) + (1 - x) ln(1 - s(l)), summed."""

    supports = ("binary",)

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """ln(p / (1 - p)) of each pixel's share p of ones, of which one half and one half more are taken as seen."""
        n = len(sample.x)
        ones = sample.mean * n
        return ((ones + 0.5) / (n - ones + 0.5)).log(), per_channel(ones)

    def noise_variance(self, variance: Tensor) -> Tensor:
        """p (1 - p), that of the pixel itself."""
        return variance

    def beside_data(self, p: Distribution, uniform: Callable[[], Tensor]) -> Tensor:
        """A draw, whose gradient is that of its mean: beside bits, grey levels would give a sample away."""
        mean = p.mean
        return mean + ((uniform() < mean).to(mean.dtype) - mean).detach()

    def forward(self, context: Tensor) -> BernoulliImage:
        """Logits [..., C, H, W] to a Bernoulli image distribution."""
        return BernoulliImage(context, self.dims)
