"""The standard normal m(z)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.model.lazy import LazyDistribution
from vae_rd.units import LN_2PI


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


class StandardNormalPrior(LazyDistribution):
    """m(z) = N(0, I) over `latent_dim` dimensions.

    Example:
        >>> round(StandardNormalPrior(2)().log_prob(torch.zeros(2)).item(), 6)
        -1.837877
    """

    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    def forward(self, context: Tensor | None = None) -> StandardNormal:
        """The prior, batch shape []."""
        return StandardNormal(self.origin)
