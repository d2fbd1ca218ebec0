"""What has a closed form, in tables by pairs of types; anything that is not in them takes draws, and says so.

KL(q(z|x) || m(z)) is by posterior and prior, E_q ln p(x|z) by posterior and decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.functional.gaussians import Gaussian, kl_by_units
from vae_rd.model.coders import Decoder
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.posteriors.full import FullNormal
from vae_rd.model.priors.categorical import CategoricalMarginal
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.model.torch_distributions import TorchPosterior, TorchPrior, torch_rate, torch_rate_per_dim


def rate_per_dim(q: Posterior, m: Distribution) -> Tensor | None:
    """KL(q(z|x) || m(z)) in parts that add up to it, one a unit of z, [B, D]; None where it has no closed form.

    Example:
        >>> import math
        >>> q = DiagonalNormal(torch.zeros(1, 2), torch.full((1, 2), math.log(4.0)))
        >>> rate_per_dim(q, StandardNormal(torch.zeros(2)))
        tensor([[0.8069, 0.8069]])
    """
    return next((form(q, m) for a, b, form in RATE_PER_DIM if isinstance(q, a) and isinstance(m, b)), None)


def rate(q: Posterior, m: Distribution) -> Tensor | None:
    """KL(q(z|x) || m(z)) as a whole, [B], for pairs whose parts by units may have no closed form; None without one.

    Example:
        >>> from torch.distributions import Independent, OneHotCategorical
        >>> codes = OneHotCategorical(torch.tensor([0.5, 0.5]))
        >>> q, m = TorchPosterior(Independent(codes.expand([3, 4]), 1)), TorchPrior(codes.expand([4]))
        >>> rate_per_dim(q, m), rate(q, m)
        (None, tensor([0., 0., 0.]))
    """
    return next((form(q, m) for a, b, form in RATE if isinstance(q, a) and isinstance(m, b)), None)


def expected_log_prob(q: Posterior, decoder: Callable[[Tensor], Distribution], x: Tensor) -> Tensor | None:
    """E_q ln p(x|z), [B]; None where it has no closed form.

    Args:
        q: q(z|x), batch shape [B].
        decoder: z to p(x|z).
        x: [B, C, H, W].
    """
    for posterior, kind, form in EXPECTED_LOG_PROB:
        if isinstance(q, posterior) and isinstance(decoder, kind):
            return form(q, decoder, x)
    return None


def _normal_normal(q: DiagonalNormal, m: StandardNormal) -> Tensor:
    """0.5 (mu_d^2 + sigma_d^2 - 1 - ln sigma_d^2)."""
    return 0.5 * (q.mu.square() + q.variance - 1.0 - q.log_var)


def _full_normal(q: FullNormal, m: StandardNormal) -> Tensor:
    """By the chain rule: unit d given those before it. See `vae_rd.functional.gaussians.kl_by_units`."""
    return kl_by_units(q.gaussian, Gaussian(torch.zeros_like(q.mu[0]), torch.eye(q.event_shape[0]).to(q.mu)))


def _categorical_categorical(q: CategoricalLatent, m: CategoricalMarginal) -> Tensor:
    """q_k ln(q_k / m_k): the states' terms of the one KL there is; one by one they may be negative.

    Example:
        >>> q = CategoricalLatent(torch.tensor([[50.0, 0.0]]).log_softmax(-1))
        >>> round(_categorical_categorical(q, CategoricalMarginal(torch.zeros(2))).sum().item(), 4)  # ln 2
        0.6931
    """
    return q.log_q.exp() * (q.log_q - m.log_p)


def _over_states(q: CategoricalLatent, decoder: nn.Module, x: Tensor) -> Tensor | None:
    """The sum over all states; None where p(x|z) has its scale from draws of z, which the states are not."""
    likelihood = getattr(decoder, "likelihood", None)
    if isinstance(likelihood, Likelihood) and likelihood.takes_draws and likelihood.training:
        return None
    probabilities = q.log_q.exp()
    states = torch.eye(probabilities.shape[-1]).to(probabilities)
    each: Tensor = decoder(states).log_prob(x[:, None])
    return (probabilities * each).sum(-1)


def _independent(q: DiagonalNormal, decoder: Decoder, x: Tensor) -> Tensor | None:
    """sum_d Var(z_d) |w_d|^2."""
    return _quadratic(q, decoder, x, lambda columns: q.variance @ columns.square().sum(1))


def _correlated(q: FullNormal, decoder: Decoder, x: Tensor) -> Tensor | None:
    """sum_j |W l_j|^2 over the columns l_j of L, which is tr(L^T W^T W L)."""
    tril = q.gaussian.scale_tril
    return _quadratic(q, decoder, x, lambda columns: (tril * (columns @ columns.mT @ tril)).sum((-2, -1)))


def _quadratic(q: Posterior, decoder: Decoder, x: Tensor, spread: Callable[[Tensor], Tensor]) -> Tensor | None:
    """For ln p quadratic in z, as for an affine trunk W z + b and a Gaussian of scale s, and q of any shape:

    ln p(x|E z) - E |W (z - E z)|^2 / (2 s^2)

    Args:
        q: q(z|x).
        decoder: z to p(x|z).
        x: [B, C, H, W].
        spread: E |W (z - E z)|^2, [B], from the rows of W^T, [D, values].
    """
    precision = decoder.likelihood.precision
    if precision is None or not decoder.is_affine:
        return None
    mean, latent_dim = q.mean, q.event_shape[0]
    corners = torch.cat([torch.zeros_like(mean[:1]), torch.eye(latent_dim).to(mean)])
    offset, ends = decoder.trunk(corners).flatten(1).split([1, latent_dim])
    at_mean: Tensor = decoder(mean).log_prob(x)
    return at_mean - 0.5 * precision * spread(ends - offset)


# By the first row that fits.
RATE_PER_DIM: tuple[tuple[type, type, Callable[[Any, Any], Tensor | None]], ...] = (
    (DiagonalNormal, StandardNormal, _normal_normal),
    (FullNormal, StandardNormal, _full_normal),
    (CategoricalLatent, CategoricalMarginal, _categorical_categorical),
    (Posterior, TorchPrior, torch_rate_per_dim),
    (TorchPosterior, StandardNormal, torch_rate_per_dim),
)
RATE: tuple[tuple[type, type, Callable[[Any, Any], Tensor | None]], ...] = (
    (Posterior, TorchPrior, torch_rate),
    (TorchPosterior, StandardNormal, torch_rate),
)
EXPECTED_LOG_PROB: tuple[tuple[type, type, Callable[[Any, Any, Tensor], Tensor | None]], ...] = (
    (CategoricalLatent, nn.Module, _over_states),
    (DiagonalNormal, Decoder, _independent),
    (FullNormal, Decoder, _correlated),
)
