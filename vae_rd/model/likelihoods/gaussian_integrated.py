"""Grey levels whose probability is that of a Gaussian between half a level below and half a level above."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.base import IMAGE_DIMS, per_channel
from vae_rd.model.likelihoods.levels import LevelsImage, LevelsLikelihood
from vae_rd.model.nn.whitening import Sample
from vae_rd.units import LN_2PI

_NARROW = 0.1  # Of the width of an interval, and of that times the distance from 0: three nodes are exact to 1e-11.
_OUT = -100.0  # Below, three terms of the tail's series are exact to 1e-11.
_NODE, _WEIGHTS = math.sqrt(0.6), (5 / 18, 8 / 18, 5 / 18)  # Of Gauss and Legendre, on [-1, 1].


def log_ndtr(values: Tensor) -> Tensor:
    """ln of the standard normal distribution function, whose gradient is finite however far out.

    Example:
        >>> log_ndtr(torch.tensor([0.0, -1e6]))
        tensor([-6.9315e-01, -5.0000e+11])
    """
    is_out = values < _OUT
    out = torch.where(is_out, values, _OUT)
    tail = -out.square() / 2 - (-out).log() - LN_2PI / 2 + torch.log1p(-(out**-2) + 3 * out**-4)
    return torch.where(is_out, tail, torch.special.log_ndtr(torch.where(is_out, _OUT, values)))


def log_normal_between(middle: Tensor, width: Tensor) -> Tensor:
    """ln of the standard normal probability of (middle - width / 2, middle + width / 2).

    The difference of two distribution functions far out is taken of their logarithms, on the side where these differ;
    that of a narrow interval by three nodes, since there the two hardly do.

    Args:
        middle: of any shape.
        width: above 0, of the same shape.

    Example:
        >>> log_normal_between(torch.tensor([0.0, 0.0, 40.0]), torch.tensor([100.0, 1e-6, 2.0]))
        tensor([   0.0000,  -14.7344, -765.0831])
    """
    far, size = middle.abs(), width * middle.abs().clamp(min=1)
    is_narrow = size < _NARROW
    # By the values that the other way is given where it is not taken, no gradient is nan.
    wide = torch.where(is_narrow, 1.0, width)
    low, high = (log_ndtr(side * wide / 2 - far) for side in (-1, 1))
    # The two differ by more than width * middle; far out, where that is all, rounding may leave no difference.
    apart = high + torch.log(-torch.expm1(torch.minimum(low - high, -wide * far)))
    narrow, near = torch.where(is_narrow, width, 1.0), torch.where(is_narrow, far, 0.0)
    nodes = [-(near + node * narrow / 2).square() / 2 for node in (-_NODE, 0.0, _NODE)]
    heights = torch.stack([node + math.log(weight) for node, weight in zip(nodes, _WEIGHTS, strict=True)])
    return torch.where(is_narrow, narrow.log() - LN_2PI / 2 + heights.logsumexp(0), apart)


class IntegratedGaussianImage(LevelsImage):
    """Independent grey levels over [C, H, W], each the nearest to a Gaussian draw.

    Args:
        mean: of the Gaussian, in units of x = k / (L - 1), [..., C, H, W].
        scale: its standard deviation, of the same shape.
        levels: L.

    Example:
        >>> p = IntegratedGaussianImage(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), 2)
        >>> p.log_prob(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)).exp()  # Below and above 1 / 2.
        tensor([0.6915, 0.3085])
    """

    def __init__(self, mean: Tensor, scale: Tensor, levels: int, dims: int = IMAGE_DIMS) -> None:
        super().__init__(mean, levels, dims)
        self.loc, self.scale = mean, scale

    def log_mass(self, level: Tensor) -> Tensor:
        """ln(F((k + 1/2 - m) / s) - F((k - 1/2 - m) / s)) in levels; the first and the last take the tails."""
        top = self.levels - 1
        middle, width = (level / top - self.loc) / self.scale, 1 / (top * self.scale)
        inside = log_normal_between(middle, width)
        below, above = log_ndtr(middle + width / 2), log_ndtr(width / 2 - middle)
        return torch.where(level == 0, below, torch.where(level == top, above, inside))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]: the levels nearest to Gaussian draws."""
        noise = torch.randn(*sample_shape, *self.loc.shape, dtype=self.loc.dtype, device=self.loc.device)
        top = self.levels - 1
        return (top * (self.loc + self.scale * noise)).round().clamp(0, top) / top


class IntegratedGaussianLikelihood(LevelsLikelihood):
    """A Gaussian integrated over each level, with a scale for every pixel and z; the trunk gives means, log scales.

    What Gaussian pixels are for dequantised x: of one Gaussian, the mean of ln density over the noise of a level is at
    most ln of its probability (Jensen), so that the bound of dequantised pixels lies above this D.

    Args:
        levels: L.
        bound: of |ln scale^2|, within which it is held, and which its gradient leads back to; None for none.

    Source: Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models", arXiv 2006.11239, section 3.3.
    """

    params_per_value = 2
    starts_at_best = False

    def __init__(self, levels: int, *, bound: float | None = None) -> None:
        super().__init__(levels)
        self.bound = bound

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean and the log standard deviation of each value; a unit is the one scale of x, and 1."""
        mean, variance = self.smoothed(sample)
        scale = sample.scale * per_channel(mean)
        return torch.cat([mean, 0.5 * variance.log()]), torch.cat([scale, torch.ones_like(scale)])

    def forward(self, context: Tensor) -> IntegratedGaussianImage:
        """Means and log scales [..., 2 C, H, W] to a distribution of grey levels."""
        mean, log_scale = context.chunk(2, dim=-self.dims)
        held = log_scale if self.bound is None else bounded(log_scale, self.bound / 2)
        return IntegratedGaussianImage(mean, held.exp(), self.levels, self.dims)
