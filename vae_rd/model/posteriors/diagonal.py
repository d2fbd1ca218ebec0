"""Diagonal normal q(z|x)."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from vae_rd.functional.bounding import bounded
from vae_rd.functional.information import normal_table, pairwise_log_density
from vae_rd.functional.precision import at_least_single
from vae_rd.model.posteriors.base import Draw, Moments, Posterior, PosteriorHead
from vae_rd.units import LN_2PI


class DiagonalNormal(Posterior):
    """N(mu, diag(exp(log_var))) over the last dimension.

    Args:
        mu: means, [B, D].
        log_var: logarithms of the variances, [B, D], or what broadcasts to it.

    Example:
        >>> import math, torch
        >>> q = DiagonalNormal(torch.zeros(3, 2), torch.full((3, 2), math.log(4.0)))
        >>> q.from_noise(torch.ones(1, 3, 2)).z[0, 0]
        tensor([2., 2.])
    """

    perturbations = 2

    def __init__(self, mu: Tensor, log_var: Tensor) -> None:
        log_var = log_var if log_var.shape == mu.shape else log_var.expand_as(mu)
        self.mu, self.log_var = mu, log_var
        super().__init__(mu, log_var)

    def from_noise(self, eps: Tensor) -> Draw:
        """z = mu + sigma eps, sigma the standard deviation."""
        return Draw(torch.addcmul(self.mu, (0.5 * self.log_var).exp(), eps))

    def log_prob(self, value: Tensor) -> Tensor:
        """-0.5 sum_d ((z_d - mu_d)^2 / sigma_d^2 + ln sigma_d^2 + ln 2 pi), [...] for z [..., D]."""
        square = (value - self.mu).square() * (-self.log_var).exp()
        return -0.5 * (square + self.log_var + LN_2PI).sum(-1)

    def moments(self) -> Moments:
        """mu and sigma^2."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        return Moments(self.mu, self.log_var.exp())

    def factors(self) -> Moments:
        """mu and sigma^2."""
        return self.moments()

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """As one matrix product, for which z and this should be float64: the expanded square loses digits."""
        return pairwise_log_density(z, self._table)

    @cached_property
    def _table(self) -> Tensor:
        return normal_table(self.mu, (0.5 * self.log_var).exp())

    def perturbed(self, change: Tensor) -> DiagonalNormal:
        """The mean moved by change[0] standard deviations, the log variance by change[1]."""
        return DiagonalNormal(self.from_noise(change[0]).z, self.log_var + change[1])


class DiagonalPosterior(PosteriorHead):
    """q(z|x) = N(mu(h), diag(exp(log_var(h)))) with mu and log_var linear in the trunk's features h, [B, F].

    Args:
        features: F.
        latent_dim: of z.
        bound: of |log_var|, within which it is held, and which its gradient leads back to; None for none.
    """

    def __init__(self, features: int, latent_dim: int, *, bound: float | None = None) -> None:
        super().__init__()
        self.head, self.bound = nn.Linear(features, 2 * latent_dim), bound

    def forward(self, context: Tensor) -> DiagonalNormal:
        """Features [B, F] to a DiagonalNormal of batch shape [B]."""
        mu, log_var = at_least_single(self.head(context)).chunk(2, dim=-1)
        return DiagonalNormal(mu, log_var if self.bound is None else bounded(log_var, self.bound))
