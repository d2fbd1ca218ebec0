"""Linear VAEs of given weights, in float64, and points of given moments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.theory.linear_vae import LinearWeights


def linear_vae(weights: LinearWeights, *, s2: float) -> VAE:
    """p(x|z) = N(W z + b, s2 I) and q(z|x) = N(V x + a, diag(variance)), in eval mode."""
    decoder, decoder_offset, encoder, encoder_offset, variance = (torch.as_tensor(value) for value in weights)
    n, k = decoder.shape
    posterior, trunk = DiagonalPosterior(n, k), linear_decoder((1, 1, n), (), latent_dim=k)
    (output,) = (m for m in trunk.modules() if isinstance(m, torch.nn.Linear))
    model = VAE(
        Encoder(linear_encoder((1, 1, n), ()), posterior),
        Decoder(trunk, GaussianLikelihood(math.sqrt(s2))),
        StandardNormalPrior(k),
        latent_dim=k,
    ).double()
    with torch.no_grad():
        output.weight.copy_(decoder)
        output.bias.copy_(decoder_offset)
        posterior.head.weight.copy_(torch.cat([encoder, torch.zeros_like(encoder)]))
        posterior.head.bias.copy_(torch.cat([encoder_offset, variance.log()]))
    return model.eval()


def with_best_diagonal_encoder(decoder: Tensor, offset: Tensor, *, s2: float) -> LinearWeights:
    """The encoder of least KL to p(z|x) = N(P^-1 W^T (x - b) / s2, P^-1), P = I + W^T W / s2: variances 1 / P_dd."""
    precision = precision_of(decoder, s2=s2)
    regression = torch.linalg.solve(precision, decoder.T) / s2
    arrays = (decoder, offset, regression, -regression @ offset, 1 / precision.diagonal())
    return LinearWeights(*(array.numpy() for array in arrays))


def precision_of(decoder: Tensor, *, s2: float) -> Tensor:
    """P = I + W^T W / s2, [k, k]."""
    return torch.eye(decoder.shape[1], dtype=torch.float64) + decoder.T @ decoder / s2


@torch.no_grad()
def analytic_terms(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """R and D of every example, without draws, [N] each; x [N, n]."""
    terms = model.terms(x[:, None, None], torch.zeros(1, len(x), model.latent_dim, dtype=torch.float64))
    return terms.rate[0], terms.distortion[0]
