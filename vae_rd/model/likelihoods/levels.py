"""What likelihoods of grey levels share: a probability for each of the levels 0..L-1 that a pixel can have.

x = k / (L - 1), so that D is -ln of a probability, and D + R in bits per dimension compares with the literature's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood
from vae_rd.model.nn.whitening import Sample


class LevelsImage(ImageDistribution):
    """Grey levels over [C, H, W], of values that are independent of each other.

    Args:
        like: a tensor of its batch and event shape, [..., C, H, W].
        levels: L.
    """

    def __init__(self, like: Tensor, levels: int, dims: int = IMAGE_DIMS) -> None:
        self.like, self.levels = like, levels
        super().__init__(like, dims)

    @abstractmethod
    def log_mass(self, level: Tensor) -> Tensor:
        """ln P(k) of each value by itself, of the shape that whole k, as floats, and the parameters broadcast to."""

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over values of ln P(k), [...] for x = k / (L - 1) that broadcasts to the event."""
        return self.log_mass((value * (self.levels - 1)).round()).flatten(-self.dims).sum(-1)

    @property
    def mean(self) -> Tensor:
        """sum over k of P(k) k / (L - 1), [..., C, H, W]; one level after another, for the sake of memory."""
        total = torch.zeros_like(self.like)
        for level in range(1, self.levels):
            total = total + level * self.log_mass(torch.full_like(self.like, level)).exp()
        return total / (self.levels - 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]: the levels whose distribution function a uniform u exceeds."""
        u = torch.rand(*sample_shape, *self.like.shape, dtype=self.like.dtype, device=self.like.device)
        below, drawn = torch.zeros_like(self.like), torch.zeros_like(u)
        for level in range(self.levels - 1):
            below = below + self.log_mass(torch.full_like(self.like, level)).exp()
            drawn += u >= below
        return drawn / (self.levels - 1)


class LevelsLikelihood(Likelihood):
    """Base of likelihoods of grey levels.

    Args:
        levels: L, of which x = k / (L - 1).
    """

    supports = ("levels",)

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def smoothed(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Mean and variance of each value, [C, H, W], where one more is seen that is uniform over the levels.

        So the variance of a value that never changes is above 0, and falls with the number of examples.
        """
        n, width = len(sample.x), 1 / (self.levels - 1)
        mean = (n * sample.mean + 0.5) / (n + 1)
        square = (n * (sample.variance + sample.mean.square()) + 0.25 + (1 + 2 * width) / 12) / (n + 1)
        return mean, square - mean.square()
