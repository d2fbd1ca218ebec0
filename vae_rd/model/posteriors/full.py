"""Normal q(z|x) of any covariance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae_rd.functional.bounding import bounded
from vae_rd.functional.gaussians import Gaussian
from vae_rd.functional.precision import at_least_single
from vae_rd.model.posteriors.base import Draw, Moments, Posterior, PosteriorHead
from vae_rd.units import LN_2PI


class FullNormal(Posterior):
    """N(mu, L L^T) over the last dimension, with L = diag(sigma) (I + lower).

    sigma_d^2 is the variance of z_d given the units before it, so that ln det of the covariance is 2 sum_d ln sigma_d,
    and `lower` has no unit. Products are written as sums, since half precision may be asked of matrix products.

    Args:
        mu: means, [B, D].
        log_var: ln sigma^2, [B, D].
        lower: what lies below the diagonal, [B, D, D]; the rest of it is 0.

    Example:
        >>> lower = torch.tensor([[[0.0, 0.0], [3.0, 0.0]]])
        >>> q = FullNormal(torch.zeros(1, 2), torch.zeros(1, 2), lower)
        >>> q.from_noise(torch.tensor([[[1.0, 1.0]]])).z, q.variance
        (tensor([[[1., 4.]]]), tensor([[ 1., 10.]]))
    """

    def __init__(self, mu: Tensor, log_var: Tensor, lower: Tensor) -> None:
        self.mu, self.log_var, self.lower = mu, log_var, lower
        self.perturbations = 2 + mu.shape[-1]
        super().__init__(mu, log_var, lower)

    @property
    def sigma(self) -> Tensor:
        """[B, D]."""
        return (0.5 * self.log_var).exp()

    @property
    def gaussian(self) -> Gaussian:
        """Mean and L."""
        return Gaussian(self.mu, self.sigma[..., None] * (self._unit() + self.lower))

    def _unit(self) -> Tensor:
        """I, made where it is needed: a copy to a GPU would make the host wait."""
        return torch.eye(self.event_shape[0], dtype=self.lower.dtype, device=self.lower.device)

    def from_noise(self, eps: Tensor) -> Draw:
        """z = mu + L eps, and ln q(z|x) = -0.5 (|eps|^2 + D ln 2 pi) - sum_d ln sigma_d."""
        z = torch.addcmul(self.mu, self.sigma, eps + (self.lower * eps[..., None, :]).sum(-1))
        return Draw(z, self._density(eps))

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q(z|x), [...] for z [..., D], by solving z = mu + L eps in the finer precision of z and this."""
        # Of two precisions solve_triangular would silently take that of the matrix.
        q = self.to(self.mu.device, torch.promote_types(self.mu.dtype, value.dtype))
        scaled = ((value - q.mu) / q.sigma)[..., None]
        eps = torch.linalg.solve_triangular(q.lower, scaled, upper=False, unitriangular=True)
        return q._density(eps[..., 0])

    def _density(self, eps: Tensor) -> Tensor:
        return -0.5 * (eps.square() + self.log_var + LN_2PI).sum(-1)

    def moments(self) -> Moments:
        """mu_d and sigma_d^2 (1 + sum_j lower_dj^2)."""
        return Moments(self.mu, self.log_var.exp() * (1 + self.lower.square().sum(-1)))

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """As one matrix product, for which z and this should be float64: the expanded square loses digits."""
        units = self.event_shape[0]
        unit = self._unit()
        inverse = torch.linalg.solve_triangular(self.lower, unit / self.sigma[:, None], upper=False, unitriangular=True)
        precision = inverse.mT @ inverse
        row, column = torch.tril_indices(units, units, device=z.device)
        pairs = torch.where(row == column, -0.5, -1.0).to(precision) * precision[:, row, column]
        linear = (precision @ self.mu[..., None])[..., 0]
        constant = -0.5 * ((linear * self.mu).sum(-1) + self.log_var.sum(-1) + units * LN_2PI)
        table = torch.cat([constant[:, None], linear, pairs], 1)
        return torch.cat([torch.ones_like(z[:, :1]), z, z[:, row] * z[:, column]], 1) @ table.mT

    def perturbed(self, change: Tensor) -> FullNormal:
        """The mean moved by L change[0], the log variances by change[1], column j of `lower` by change[2 + j]."""
        lower = self.lower + change[2:].permute(1, 2, 0).tril(-1)
        return FullNormal(self.from_noise(change[0]).z, self.log_var + change[1], lower)


class FullPosterior(PosteriorHead):
    """q(z|x) = N(mu(h), L(h) L(h)^T), linear in the trunk's features h, [B, F]; diagonal at first.

    Args:
        features: F.
        latent_dim: D.
        bound: of |log_var|, within which it is held, and which its gradient leads back to; None for none.
    """

    place: Tensor

    def __init__(self, features: int, latent_dim: int, *, bound: float | None = None) -> None:
        super().__init__()
        self.sizes, self.bound = (latent_dim, latent_dim, latent_dim * (latent_dim - 1) // 2), bound
        self.head = nn.Linear(features, sum(self.sizes))
        nn.init.zeros_(self.head.weight[2 * latent_dim :])
        nn.init.zeros_(self.head.bias[2 * latent_dim :])
        # Where each entry of `lower` is among the numbers below the diagonal, of which a zero is put first.
        row, column = torch.tril_indices(latent_dim, latent_dim, -1)
        place = torch.zeros(latent_dim, latent_dim, dtype=torch.long)
        place[row, column] = torch.arange(1, len(row) + 1)
        self.register_buffer("place", place, persistent=False)

    def forward(self, context: Tensor) -> FullNormal:
        """Features [B, F] to a FullNormal of batch shape [B]."""
        mu, log_var, below = at_least_single(self.head(context)).split(self.sizes, dim=-1)
        log_var = log_var if self.bound is None else bounded(log_var, self.bound)
        return FullNormal(mu, log_var, torch.cat([torch.zeros_like(mu[:, :1]), below], -1)[:, self.place])
