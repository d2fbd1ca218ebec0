"""Diagonal normal q(z|x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.model.lazy import LazyDistribution, at_least_single
from vae_rd.model.posteriors.base import Reparameterised
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.units import LN_2PI


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


class DiagonalPosterior(LazyDistribution):
    """q(z|x) = N(mu(h), diag(exp(log_var(h)))) with mu and log_var linear in the trunk's features h, [B, F]."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 2 * latent_dim)

    def forward(self, context: Tensor) -> DiagonalNormal:
        """Features [B, F] to a DiagonalNormal of batch shape [B]."""
        return DiagonalNormal(*at_least_single(self.head(context)).chunk(2, dim=-1))
