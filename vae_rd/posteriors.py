"""Posterior families q(z|x): heads that turn trunk features into a reparameterised distribution."""

from __future__ import annotations

from torch import Tensor, nn

from vae_rd.distributions import DiagonalNormal, at_least_single
from vae_rd.lazy import LazyDistribution


class DiagonalPosterior(LazyDistribution):
    """q(z|x) = N(mu(h), diag(exp(log_var(h)))) with mu and log_var linear in the trunk's features h, [B, F]."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 2 * latent_dim)

    def forward(self, context: Tensor) -> DiagonalNormal:
        """Features [B, F] to a DiagonalNormal of batch shape [B]."""
        return DiagonalNormal(*at_least_single(self.head(context)).chunk(2, dim=-1))
