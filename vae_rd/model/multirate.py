"""One VAE for a whole range of beta: encoder and decoder are given ln beta, and at any one it is a plain VAE."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.nn.conditioning import Condition, Conditional, Modulated, ModulatedHead, at_one, conditional
from vae_rd.model.nn.gates import GatedHead, GatedInput, Gates
from vae_rd.model.vae import VAE, Network

Maker = Callable[[Any], Conditional]  # Of an affine layer, which it takes over.


class ConditionalEncoder(Encoder):
    """q(z|x, beta): an encoder whose layers have ln beta.

    Args:
        encoder: whose layers become conditional, and are taken over.
        make: a conditional layer of one of its trunk.
        make_head: of that which has mean and log variance.
        condition: what they share.
    """

    def __init__(self, encoder: Encoder, make: Maker, make_head: Maker, condition: Condition) -> None:
        super().__init__(conditional(encoder.trunk, make), conditional(encoder.posterior, make_head))
        self.condition = condition

    def forward(self, context: Tensor, ln_beta: Tensor | None = None) -> Distribution:
        """Images [B, C, H, W] to q(z|x) of batch shape [B], under ln beta as `Condition.of` takes it."""
        with self.condition.of(ln_beta, examples=len(context), like=_like(self)):
            return super().forward(context)

    def at(self, ln_beta: Tensor) -> Encoder:
        """The plain encoder at one ln beta, [1]."""
        with self.condition.of(ln_beta, examples=1, like=_like(self)):
            return Encoder(at_one(self.trunk), at_one(self.posterior))


class ConditionalDecoder(Decoder):
    """p(x|z, beta), likewise."""

    def __init__(self, decoder: Decoder, make: Maker, condition: Condition) -> None:
        super().__init__(conditional(decoder.trunk, make), decoder.likelihood)
        self.condition = condition

    def forward(self, context: Tensor, ln_beta: Tensor | None = None) -> Distribution:
        """Latents [..., B, D] to p(x|z) of batch shape [..., B]."""
        with self.condition.of(ln_beta, examples=context.shape[-2], like=_like(self)):
            return super().forward(context)

    def at(self, ln_beta: Tensor) -> Decoder:
        """The plain decoder at one ln beta, [1]."""
        with self.condition.of(ln_beta, examples=1, like=_like(self)):
            return Decoder(at_one(self.trunk), copy.deepcopy(self.likelihood))


class MultiRateVAE(VAE):
    """A VAE of encoder and decoder that take ln beta, which is the context of `terms`; the prior does not.

    Without a context it is at one beta of its range, and whatever takes a VAE takes it there.

    Source: Bae et al. 2023, "Multi-Rate VAE: Train Once, Get the Full Rate-Distortion Curve", arXiv 2212.03905; how
    layers take ln beta is `vae_rd.model.nn.conditioning`.

    Args:
        vae: of plain parts, taken over. Its layers become conditional, and begin as they were at beta 1 and above.
        low: the least beta.
        high: the greatest.
        beta: where nothing else is said.
        is_linear: whether its networks are linear, which then have ln beta as their optimum has it: see
            `vae_rd.model.nn.gates`.

    Example:
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.nn.mlp import mlp_decoder, mlp_encoder
        >>> from vae_rd.model.posteriors.diagonal import DiagonalPosterior
        >>> from vae_rd.model.priors.normal import StandardNormalPrior
        >>> encoder = Encoder(trunk := mlp_encoder((1, 4, 4), [8]), DiagonalPosterior(trunk.features, latent_dim=2))
        >>> decoder = Decoder(mlp_decoder((1, 4, 4), [8], latent_dim=2), BernoulliLikelihood())
        >>> plain = VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2)
        >>> model = MultiRateVAE(plain, low=0.1, high=10.0, beta=1.0)
        >>> x, ln_beta = torch.zeros(6, 1, 4, 4), torch.tensor([-1.0, 0.0, 1.0])  # For two examples each.
        >>> model.terms(x, model.noise(1, x, torch.Generator()), context=ln_beta).rate.shape
        torch.Size([1, 6])
        >>> type(model.at(4.0)).__name__
        'VAE'
    """

    def __init__(self, vae: VAE, *, low: float, high: float, beta: float, is_linear: bool = False) -> None:
        condition = Condition(low, high, beta=beta)
        modulated = partial(Modulated, condition=condition)
        head: Maker = partial(ModulatedHead, condition=condition)
        of_head, of_decoder = _gated(condition, vae.latent_dim) if is_linear else (head, modulated)
        super().__init__(
            ConditionalEncoder(cast(Encoder, vae.encoder), modulated, of_head, condition),
            ConditionalDecoder(cast(Decoder, vae.decoder), of_decoder, condition),
            vae.prior,
            latent_dim=vae.latent_dim,
            noise_dim=vae.noise_dim,
        )
        self.betas = low, high

    def given(self, context: Tensor | None) -> tuple[Network, Network]:
        """Encoder and decoder under ln beta, [G]: one for every B / G examples, which follow each other."""
        return partial(self.encoder, ln_beta=context), partial(self.decoder, ln_beta=context)

    @torch.no_grad()
    def at(self, beta: float) -> VAE:
        """The plain VAE at one beta: its weights are those of the conditional layers there."""
        ln_beta = torch.tensor([math.log(beta)])
        encoder, decoder = cast(ConditionalEncoder, self.encoder), cast(ConditionalDecoder, self.decoder)
        parts: tuple[LazyDistribution, ...] = encoder.at(ln_beta), decoder.at(ln_beta), copy.deepcopy(self.prior)
        return VAE(*parts, latent_dim=self.latent_dim, noise_dim=self.noise_dim).train(self.training)


def _gated(condition: Condition, latent_dim: int) -> tuple[Maker, Maker]:
    """What makes the head of a linear encoder, and the layer of a linear decoder."""
    gates = Gates(latent_dim, condition)
    return partial(GatedHead, gates=gates), partial(GatedInput, gates=gates)


def _like(network: nn.Module) -> Tensor:
    """A tensor of the device and the precision of a network."""
    return next(network.parameters())
