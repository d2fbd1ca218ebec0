"""The rate as information, total correlation and per-unit divergence, from a split's whole aggregate posterior.

With q(z) = (1/N) sum_j q(z|x_j) and a prior that factorises over the units of z:

    R = I(X; Z) + KL(q(z) || m(z))        KL(q(z) || m(z)) = TC(q(z)) + sum_d KL(q(z_d) || m(z_d))

TC(q(z)) = KL(q(z) || prod_d q(z_d)). For z_i ~ q(z|x_i) a density q(z_i) can count its own example i or leave it out:

    own counted   E ln q(z_i) is the split's own value, and above that of the source the split is an iid sample of
    left out      E ln q(z_i) is below that of the source

so that the split's own terms are unbiased over z, and each term of the source has a bound on both sides in expectation
(where the split was not used to fit the encoder).

Sources: Hoffman and Johnson 2016, "ELBO surgery"; Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs",
arXiv 1802.04942, whose minibatch estimates the whole split replaces.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.functional.information import normal_table, own_and_others, pairwise_log_density

CHUNK_BYTES = 16 * 2**20  # Of one [chunk, N] float64 table: large enough for fast products, small enough for caches.


class RateParts(NamedTuple):
    """One value per draw and example, in float64 nats: differences are paired.

    Attributes:
        information: I(X; Z), [S, N].
        marginal_kl: KL(q(z) || m(z)), [S, N].
        total_correlation: TC(q(z)), [S, N].
        marginal_kl_per_dim: KL(q(z_d) || m(z_d)), [S, N, D].
    """

    information: Tensor
    marginal_kl: Tensor
    total_correlation: Tensor
    marginal_kl_per_dim: Tensor


class RateSplit(NamedTuple):
    """The split's own terms, and bounds in expectation on those of the source that it is a sample of.

    Attributes:
        own: exact over z for the split as its own source, so for a population; its parts add up draw by draw.
        lower: below the source's. Its parts do not add up: each is bounded by itself.
        upper: above the source's.
    """

    own: RateParts
    lower: RateParts
    upper: RateParts


class _LogDensities(NamedTuple):
    """ln q(z_i) with the own example counted and left out; the unit ones have a trailing D."""

    counted: Tensor
    left_out: Tensor
    unit_counted: Tensor
    unit_left_out: Tensor


def rate_split(z: Tensor, mu: Tensor, sigma: Tensor, *, log_mz: Tensor) -> RateSplit:
    """Split the rate of diagonal normal posteriors; time N^2 D a draw, in float64.

    Args:
        z: draws, z[s, i] ~ N(mu_i, diag(sigma_i^2)), [S, N, D].
        mu: posterior means, [N, D].
        sigma: posterior standard deviations, [N, D].
        log_mz: ln m(z_d) of a prior that factorises, unit by unit, [S, N, D].

    Errors:
        InputError: log_mz not of z's shape, or one example alone, of which nothing is left when it is left out.

    Example:
        >>> mu = torch.tensor([[-50.0], [50.0]])
        >>> parts = rate_split(mu[None], mu, torch.ones(2, 1), log_mz=torch.zeros(1, 2, 1)).own
        >>> round(parts.information.mean().item(), 4), parts.total_correlation.abs().max().item()
        (0.6931, 0.0)
    """
    if log_mz.shape != z.shape or len(mu) < 2:
        raise InputError(f"log_mz {list(log_mz.shape)} for z {list(z.shape)}: one value a unit, two examples or more")
    z, mu, sigma, log_mz = (values.double() for values in (z, mu, sigma, log_mz))
    log_own = -(0.5 * ((z - mu) / sigma).square() + sigma.log() + 0.5 * math.log(2 * math.pi)).sum(-1)
    draws = [_log_densities(draw, mu, sigma) for draw in z]
    q = _LogDensities(*(torch.stack(values) for values in zip(*draws, strict=True)))

    def parts_of(joint: Tensor, units: Tensor, *, of_information: Tensor, of_correlation: Tensor) -> RateParts:
        return RateParts(
            information=log_own - of_information,
            marginal_kl=joint - log_mz.sum(-1),
            total_correlation=joint - of_correlation.sum(-1),
            marginal_kl_per_dim=units - log_mz,
        )

    return RateSplit(
        own=parts_of(q.counted, q.unit_counted, of_information=q.counted, of_correlation=q.unit_counted),
        lower=parts_of(q.left_out, q.unit_left_out, of_information=q.counted, of_correlation=q.unit_counted),
        upper=parts_of(q.counted, q.unit_counted, of_information=q.left_out, of_correlation=q.unit_left_out),
    )


def _log_densities(z: Tensor, mu: Tensor, sigma: Tensor) -> _LogDensities:
    """Of one draw per example, [N, D]: every pair once, the joint table being the sum of the units' tables."""
    n, dims = z.shape
    joint, units = z.new_empty(2, n), z.new_empty(2, n, dims)
    tables = [normal_table(mu[:, d : d + 1], sigma[:, d : d + 1]) for d in range(dims)]
    for index in torch.arange(n, device=z.device).split(max(1, CHUNK_BYTES // (8 * n))):
        total = z.new_zeros(len(index), n)
        for d in range(dims):
            table = pairwise_log_density(z[index, d : d + 1], tables[d])
            total += table
            units[:, index, d] = _counted_and_left_out(table, index)
        joint[:, index] = _counted_and_left_out(total, index)
    return _LogDensities(*joint, *units)


def _counted_and_left_out(table: Tensor, index: Tensor) -> Tensor:
    """ln (1/N) sum_j and ln (1/(N-1)) sum_{j != i} of a table of log densities, [2, M]."""
    own, others = own_and_others(table, index)
    n = table.shape[1]
    return torch.stack([torch.logaddexp(own, others) - math.log(n), others - math.log(n - 1)])
