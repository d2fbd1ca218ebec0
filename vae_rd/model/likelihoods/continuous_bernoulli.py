"""Independent continuous Bernoulli pixels: the density on [0, 1] of the form that BCE has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood, per_channel
from vae_rd.model.nn.whitening import Sample

_NEAR = 0.1  # Of |l|, below which the Taylor series is exact in double precision.
_NEWTON = 40  # Steps; of a mean of 1e-6 some 20 double |l|, and the rest square the error.
_MEAN = 1e-6  # The nearest that a mean comes to 0 or 1 at the start.


def log_normaliser(logits: Tensor) -> Tensor:
    """A(l) = ln of the integral of e^(l x) over [0, 1] = ln((e^l - 1) / l) = l / 2 + ln(sinh(l / 2) / (l / 2)).

    Args:
        logits: of any shape.

    Example:
        >>> log_normaliser(torch.tensor([-1e4, 0.0, 1e4])).tolist()
        [-9.21034..., 0.0, 9990.7900...]
    """
    size = logits.abs()
    square, far = logits.clamp(-_NEAR, _NEAR).square(), size.clamp(min=_NEAR)
    series = square / 24 - square.square() / 2880 + square**3 / 181_440
    away = logits.clamp(min=0) + (-torch.expm1(-far) / far).log()
    return torch.where(size < _NEAR, logits / 2 + series, away)


def mean_of(logits: Tensor) -> Tensor:
    """A'(l) = 1 / (1 - e^-l) - 1 / l, between 0 and 1, elementwise.

    Example:
        >>> mean_of(torch.tensor([-100.0, 0.0, 100.0]))
        tensor([0.0100, 0.5000, 0.9900])
    """
    size = logits.abs()
    near, far = logits.clamp(-_NEAR, _NEAR), size.clamp(min=_NEAR)
    series = 0.5 + near / 12 - near**3 / 720 + near**5 / 30_240
    lower = 1 / far - 1 / torch.expm1(far)
    return torch.where(size < _NEAR, series, torch.where(logits > 0, 1 - lower, lower))


def variance_of(logits: Tensor) -> Tensor:
    """A''(l) = 1 / l^2 - 1 / (4 sinh^2(l / 2)), elementwise."""
    size = logits.abs()
    near, far = size.clamp(max=_NEAR).square(), size.clamp(min=_NEAR)
    series = 1 / 12 - near / 240 + near.square() / 6048 - near**3 / 172_800
    # By e^-l, which does not overflow.
    return torch.where(size < _NEAR, series, far**-2 - (-far).exp() / torch.expm1(-far).square())


def logits_of(mean: Tensor) -> Tensor:
    """The l of these means, by Newton's method; from 0 it only moves outwards, and never beyond.

    Example:
        >>> mean_of(logits_of(torch.tensor([0.001, 0.5, 0.9], dtype=torch.float64)))
        tensor([0.0010, 0.5000, 0.9000], dtype=torch.float64)
    """
    logits = torch.zeros_like(mean)
    for _ in range(_NEWTON):
        logits = logits + (mean - mean_of(logits)) / variance_of(logits)
    return logits


class ContinuousBernoulliImage(ImageDistribution):
    """Independent continuous Bernoulli pixels over [C, H, W], given logits.

    Example:
        >>> ContinuousBernoulliImage(torch.zeros(5, 1, 2, 2)).log_prob(torch.full((1, 2, 2), 0.3))[0]
        tensor(0.)
    """

    def __init__(self, logits: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.logits = logits
        super().__init__(logits, dims)

    @property
    def mean(self) -> Tensor:
        """[..., C, H, W]; not s(l), which is the mean of a bit."""
        return mean_of(self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over pixels of l x - A(l), [...] for x in [0, 1] that broadcasts to the logits."""
        return (self.logits * value - log_normaliser(self.logits)).flatten(-self.dims).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W], by the inverse of the distribution function."""
        logits = self.logits.expand(*sample_shape, *self.logits.shape)
        size = logits.abs().clamp(min=1e-6)  # Of less it is uniform.
        lower = -torch.log1p(torch.rand_like(logits) * torch.expm1(-size)) / size
        return torch.where(logits > 0, 1 - lower, lower)


class ContinuousBernoulliLikelihood(Likelihood):
    """Continuous Bernoulli pixels; the trunk gives logits l. ln p = x l - ln((e^l - 1) / l), summed, for x in [0, 1].

    With x l - ln(1 + e^l), the minus BCE of grey x, it shares its first term; that other one integrates to less than 1.
    At x = 0 or 1 its density has no limit, since it rises with ln |l|. So it is not for grey points, of which a
    background shares one, but for dequantised pixels.

    Source: Loaiza-Ganem and Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders", arXiv 1907.06845.
    """

    supports = ("unit",)

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The logits of the mean of x, at which the likelihood of an exponential family is highest."""
        logits = logits_of(sample.mean.clamp(_MEAN, 1 - _MEAN))
        return logits, per_channel(logits)

    def forward(self, context: Tensor) -> ContinuousBernoulliImage:
        """Logits [..., C, H, W] to a continuous Bernoulli image distribution."""
        return ContinuousBernoulliImage(context, self.dims)
