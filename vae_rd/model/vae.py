"""The variational autoencoder: an encoder, a decoder and a prior, and the terms of one joint draw."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.model.lazy import LazyDistribution, at_least_single
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.nn.trunk import is_affine
from vae_rd.model.posteriors.base import Reparameterised
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.terms import Terms


class Encoder(LazyDistribution):
    """q(z|x): a trunk from images to features, then a posterior head."""

    def __init__(self, trunk: nn.Module, posterior: LazyDistribution) -> None:
        super().__init__()
        self.trunk, self.posterior = trunk, posterior

    def forward(self, context: Tensor) -> Distribution:
        """Images [B, C, H, W] to q(z|x) of batch shape [B]."""
        return self.posterior(self.trunk(context))


class Decoder(LazyDistribution):
    """p(x|z): a trunk from z to likelihood parameters, then a likelihood."""

    def __init__(self, trunk: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.trunk, self.likelihood = trunk, likelihood
        self.is_affine = is_affine(trunk)

    def forward(self, context: Tensor) -> Distribution:
        """Latents [..., D] to p(x|z) of batch shape [...]."""
        params = at_least_single(self.trunk(context.flatten(end_dim=-2)))
        return self.likelihood(params.unflatten(0, context.shape[:-1]))

    def expected_log_prob(self, value: Tensor, context: Distribution) -> Tensor | None:
        """E_q ln p(x|z) where it is a finite sum: over the states of a categorical z, and for a normal z where ln p is
        quadratic in it, as for an affine trunk W z + b and a Gaussian of one scale s:

            ln p(x|E z) - sum_d Var(z_d) |w_d|^2 / (2 s^2)

        Args:
            value: x, [B, C, H, W].
            context: q(z|x) of batch shape [B].

        Returns:
            [B], or None for any other trunk, likelihood or posterior.
        """
        if isinstance(context, CategoricalLatent):
            states = torch.eye(context.mean.shape[-1]).to(context.mean)
            return (context.mean * self(states).log_prob(value[:, None])).sum(-1)
        precision = self.likelihood.precision
        if precision is None or not (self.is_affine and isinstance(context, DiagonalNormal)):
            return None
        latent_dim = context.mean.shape[-1]
        corners = torch.cat([torch.zeros_like(context.mean[:1]), torch.eye(latent_dim).to(context.mean)])
        offset, ends = self.trunk(corners).flatten(1).split([1, latent_dim])
        spread = context.variance @ (ends - offset).square().sum(1)
        return self(context.mean).log_prob(value) - 0.5 * precision * spread


class VAE(nn.Module):
    """Encoder, decoder and prior, each a module whose call returns a Distribution.

    Args:
        encoder: x [B, C, H, W] -> q(z|x), a `Reparameterised` distribution of event shape [D].
        decoder: z [S, B, D] -> p(x|z) of event shape [C, H, W].
        prior: () -> m(z) of event shape [D].
        latent_dim: D.

    Example:
        >>> import torch
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.nn.mlp import mlp_decoder, mlp_encoder
        >>> from vae_rd.model.posteriors.diagonal import DiagonalPosterior
        >>> from vae_rd.model.priors.normal import StandardNormalPrior
        >>> trunk = mlp_encoder((1, 4, 4), [8])
        >>> model = VAE(
        ...     encoder=Encoder(trunk, DiagonalPosterior(trunk.features, latent_dim=2)),
        ...     decoder=Decoder(mlp_decoder((1, 4, 4), [8], latent_dim=2), BernoulliLikelihood()),
        ...     prior=StandardNormalPrior(2),
        ...     latent_dim=2,
        ... )
        >>> terms = model.terms(torch.zeros(5, 1, 4, 4), torch.randn(3, 5, 2))
        >>> terms.log_px_z.shape, terms.kl.shape
        (torch.Size([3, 5]), torch.Size([3, 5]))
    """

    def __init__(
        self, encoder: LazyDistribution, decoder: LazyDistribution, prior: LazyDistribution, *, latent_dim: int
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.latent_dim = latent_dim

    def terms(self, x: Tensor, eps: Tensor) -> Terms:
        """Draw z from q(z|x) with the given noise and return the terms of (x, z).

        Args:
            x: images, [B, C, H, W].
            eps: standard normal noise, [S, B, D].
        """
        posterior = cast(Reparameterised, self.encoder(x))
        z = posterior.from_noise(eps)
        return Terms(
            x=x,
            z=z,
            posterior=posterior,
            likelihood=self.decoder(z),
            prior=self.prior(),
            expectation=lambda: self.decoder.expected_log_prob(x, posterior),
        )
