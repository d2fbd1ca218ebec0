"""Encoder and decoder: a trunk, then the head of a posterior or of a likelihood."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.functional.precision import at_least_single
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.nn.trunk import is_affine


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

    reads_x = False

    def __init__(self, trunk: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.trunk, self.likelihood = trunk, likelihood
        self.is_affine = is_affine(trunk)

    def forward(self, context: Tensor) -> Distribution:
        """Latents [..., D] to p(x|z) of batch shape [...]."""
        params = at_least_single(self.trunk(context.flatten(end_dim=-2)))
        return self.likelihood(params.unflatten(0, context.shape[:-1]))
