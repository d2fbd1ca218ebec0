"""The per-example terms of every objective and estimate; only the caller averages.

Shape legend of the project: S draws of z, B examples in a batch, D latent dimensions, E ensemble members,
[C, H, W] one image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from torch import Tensor
from torch.distributions import Distribution

from vae_rd.model.posteriors.base import Reparameterised


class Terms:
    """One joint draw of (x, z) and its log densities in nats, each [S, B]; none is computed before it is asked for.

    Attributes:
        x: observed batch, [B, C, H, W].
        z: draws from q(z|x), [S, B, D].
        posterior: q(z|x), batch shape [B].
        likelihood: p(x|z), batch shape [S, B].
        prior: m(z), batch shape [].
        expectation: gives E_q ln p(x|z), [B], or None where it has no closed form.
    """

    def __init__(
        self,
        *,
        x: Tensor,
        z: Tensor,
        posterior: Reparameterised,
        likelihood: Distribution,
        prior: Distribution,
        expectation: Callable[[], Tensor | None] = lambda: None,
    ) -> None:
        self.x, self.z = x, z
        self.posterior, self.likelihood, self.prior = posterior, likelihood, prior
        self.expectation = expectation

    @cached_property
    def log_px_z(self) -> Tensor:
        """ln p(x|z), [S, B]."""
        return self.likelihood.log_prob(self.x)

    @cached_property
    def expected_log_px(self) -> Tensor | None:
        """E_q ln p(x|z), [B]; None where it has no closed form."""
        return self.expectation()

    @cached_property
    def log_mz(self) -> Tensor:
        """ln m(z), [S, B]."""
        return self.prior.log_prob(self.z)

    @cached_property
    def log_qz(self) -> Tensor:
        """ln q(z|x), [S, B]."""
        return self.posterior.log_prob(self.z)

    @cached_property
    def kl_per_dim(self) -> Tensor | None:
        """KL(q(z_d|x) || m(z_d)) per latent dimension, [B, D]; None where it has no closed form."""
        return self.posterior.kl_per_dim(self.prior)

    @cached_property
    def kl(self) -> Tensor | None:
        """KL(q(z|x) || m(z)), [S, B] (the same for every draw); None where it has no closed form."""
        return None if self.kl_per_dim is None else self.kl_per_dim.sum(-1).expand(self.z.shape[:-1])

    @property
    def distortion(self) -> Tensor:
        """-E_q ln p(x|z) where it is analytic, else its unbiased draw -ln p(x|z); [S, B]."""
        return -self.log_px_z if self.expected_log_px is None else -self.expected_log_px.expand(self.z.shape[:-1])

    @property
    def rate(self) -> Tensor:
        """KL(q(z|x) || m(z)) where it is analytic, else its unbiased draw ln q(z|x) - ln m(z); [S, B]."""
        return self.log_qz - self.log_mz if self.kl is None else self.kl
