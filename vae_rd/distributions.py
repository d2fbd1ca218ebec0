"""Distributions over z and x with just the operations a training step needs.

torch.distributions composes these from `Independent` and a base, at twice the cost: its bookkeeping and its general KL
are as dear as a small network's matrix products. Tests hold each one to its torch counterpart.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

LN_2PI = math.log(2 * math.pi)
IMAGE_DIMS = 3  # [C, H, W]


def at_least_single(values: Tensor) -> Tensor:
    """`values` in single precision if they come in less: densities are sums over hundreds of terms."""
    return values.float() if values.dtype.itemsize < 4 else values


class Reparameterised(Distribution):
    """A distribution over z that is a differentiable map of standard normal noise given from outside.

    Noise comes from outside so that a training step is a function of (parameters, batch, noise): several processes can
    then share one step's noise, and a resumed run repeats it.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    @abstractmethod
    def from_noise(self, eps: Tensor) -> Tensor:
        """Map eps ~ N(0, I), [S, B, D], to z ~ q, [S, B, D]."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[z], [B, D]."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Var[z_d], [B, D]."""

    @abstractmethod
    def kl_per_dim(self, m: Distribution) -> Tensor | None:
        """KL(q || m) split over latent dimensions, [B, D]; None where it has no closed form."""


class StandardNormal(Distribution):
    """N(0, I) over the last dimension.

    Args:
        like: any tensor [D], for its size, device and precision.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(event_shape=like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """-0.5 sum_d (z_d^2 + ln 2 pi), [...] for z [..., D]."""
        return -0.5 * (value.square() + LN_2PI).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, D]."""
        return torch.randn(*sample_shape, *self.event_shape, dtype=self.like.dtype, device=self.like.device)


class DiagonalNormal(Reparameterised):
    """N(mu, diag(exp(log_var))) over the last dimension.

    Args:
        mu: means, [B, D].
        log_var: logarithms of the variances, [B, D].

    Example:
        >>> q = DiagonalNormal(torch.zeros(3, 2), torch.full((3, 2), math.log(4.0)))
        >>> q.from_noise(torch.ones(1, 3, 2))[0, 0]
        tensor([2., 2.])
        >>> q.kl_per_dim(StandardNormal(torch.zeros(2)))[0]
        tensor([0.8069, 0.8069])
    """

    def __init__(self, mu: Tensor, log_var: Tensor) -> None:
        self.mu, self.log_var = mu, log_var
        super().__init__(mu.shape[:-1], mu.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """E[z], [B, D]."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """Var[z_d], [B, D]."""
        return self.log_var.exp()

    def from_noise(self, eps: Tensor) -> Tensor:
        """z = mu + sigma eps, sigma the standard deviation."""
        return torch.addcmul(self.mu, (0.5 * self.log_var).exp(), eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """-0.5 sum_d ((z_d - mu_d)^2 / sigma_d^2 + ln sigma_d^2 + ln 2 pi), [...] for z [..., D]."""
        square = (value - self.mu).square() * (-self.log_var).exp()
        return -0.5 * (square + self.log_var + LN_2PI).sum(-1)

    def kl_per_dim(self, m: Distribution) -> Tensor | None:
        """KL_d = 0.5 (mu_d^2 + sigma_d^2 - 1 - ln sigma_d^2) against N(0, I), [B, D]; no other m has one here."""
        if not isinstance(m, StandardNormal):
            return None
        return 0.5 * (self.mu.square() + self.log_var.exp() - 1.0 - self.log_var)


class BernoulliImage(Distribution):
    """Independent Bernoulli pixels over [C, H, W], given logits.

    Example:
        >>> BernoulliImage(torch.zeros(5, 1, 2, 2)).log_prob(torch.ones(1, 2, 2))[0]
        tensor(-2.7726)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-IMAGE_DIMS], logits.shape[-IMAGE_DIMS:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probabilities of a 1, [..., C, H, W]."""
        return self.logits.sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over pixels of x ln s(l) + (1 - x) ln(1 - s(l)), [...] for x in {0, 1} that broadcasts to the logits."""
        logits, bits = torch.broadcast_tensors(self.logits.flatten(-IMAGE_DIMS), value.flatten(-IMAGE_DIMS))
        return -F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))


class CategoricalImage(Distribution):
    """One-hot rows over [C, H, W], independent of each other: each row is one of W categories, given logits.

    Example:
        >>> CategoricalImage(torch.zeros(5, 1, 1, 4)).log_prob(torch.eye(4)[0].reshape(1, 1, 4))[0]
        tensor(-1.3863)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-IMAGE_DIMS], logits.shape[-IMAGE_DIMS:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probabilities of the categories, [..., C, H, W]."""
        return self.logits.softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over rows of ln softmax(l) at the row's 1, [...] for one-hot x that broadcasts to the logits."""
        return (value * self.logits.log_softmax(-1)).flatten(-IMAGE_DIMS).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        probabilities = self.mean.expand(*sample_shape, *self.logits.shape)
        index = torch.multinomial(probabilities.flatten(end_dim=-2), 1)
        return torch.zeros_like(probabilities).scatter_(-1, index.view(*probabilities.shape[:-1], 1), 1.0)
