"""Marginals m(z), learned or fixed: modules that return a distribution over z without a context."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.distributions import StandardNormal
from vae_rd.lazy import LazyDistribution


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
