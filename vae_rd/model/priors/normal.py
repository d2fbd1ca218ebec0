"""The standard normal m(z)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.model.priors.base import Prior, PriorHead
from vae_rd.units import LN_2PI


class StandardNormal(Prior):
    """N(0, I) over the last dimension.

    Args:
        like: any tensor [D], for its size, device and precision.
    """

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(event_shape=like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """-0.5 sum_d (z_d^2 + ln 2 pi), [...] for z [..., D]."""
        return -0.5 * (value.square() + LN_2PI).sum(-1)

    def log_prob_per_dim(self, value: Tensor) -> Tensor:
        """-0.5 (z_d^2 + ln 2 pi)."""
        return -0.5 * (value.square() + LN_2PI)

    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """Draws of shape [*sample_shape, D]."""
        shape = (*sample_shape, *self.event_shape)
        return torch.randn(shape, generator=generator, dtype=self.like.dtype, device=generator.device).to(self.like)


class StandardNormalPrior(PriorHead):
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
