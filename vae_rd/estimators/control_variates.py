"""Less noise in a mean under an unnormalised density, from gradients that the sampler has computed anyway.

For any smooth vector field v, not growing too fast, integration by parts gives

    E_f[div v(z) + v(z) . grad ln f(z)] = 0

so multiples of the bracket can be taken off d(z) without moving its mean. Where f and exp(-d) are normal, d is left
without any variance by a mixture of three fields, a constant one and two linear ones: Cov E[grad d], z - E z and
Cov (z - E z), with Cov the covariance under f. Those are the fields here; what they leave is what is not normal.

The fields and their coefficients are fitted on other chains than the ones they are applied to: a field that has seen
its own z would move the mean by a share of 1 / (number of draws).

Sources: Assaraf and Caffarel 1999, "Zero-Variance Principle for Monte Carlo Algorithms", Phys. Rev. Lett. 83, 4682;
Mira, Solgi and Imparato 2013, "Zero Variance Markov Chain Monte Carlo for Bayesian Estimators", arXiv 1012.2983.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FOLDS = 3


class Draws(NamedTuple):
    """V visits of C chains to one density for each of N examples, D dimensions.

    Attributes:
        z: [V, C, N, D].
        score: grad ln f(z), [V, C, N, D].
        values: d(z), whose mean is wanted, [V, C, N].
        slopes: grad d(z), [V, C, N, D].
    """

    z: Tensor
    score: Tensor
    values: Tensor
    slopes: Tensor


def with_less_variance(draws: Draws) -> Tensor:
    """d(z) less its control variates, [V, C, N]: same mean under f, and under weights toward f.

    Each third of the chains is corrected by what the next third has learned. With two halves either would correct the
    other, and their errors, sharing the same products, would add up to more than a standard error over chains sees.
    Fewer than three chains are returned as they are.

    Example:
        >>> z = torch.randn(1, 6000, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> draws = Draws(z, score=-z, values=0.5 * (z - 1).square().sum(-1), slopes=z - 1)
        >>> reduced = with_less_variance(draws)
        >>> round(reduced.mean().item(), 2), bool(reduced.std() < 0.1 * draws.values.std())
        (2.0, True)
    """
    if draws.z.shape[1] < FOLDS:
        return draws.values
    folds = [Draws(*(part[:, start::FOLDS] for part in draws)) for start in range(FOLDS)]
    reduced = torch.empty_like(draws.values)
    for start in range(FOLDS):
        reduced[:, start::FOLDS] = _corrected(folds[start], folds[(start + 1) % FOLDS])
    return reduced


def _corrected(own: Draws, other: Draws) -> Tensor:
    """d of `own` less the controls that fit d of `other` best."""
    controls = _controls(other, other).flatten(0, 1)
    controls, values = controls - controls.mean(0), other.values.flatten(0, 1)
    scale = controls.square().mean(0).sqrt().clamp_min(torch.finfo(controls.dtype).tiny)
    controls = controls / scale
    normal = torch.einsum("mnj,mnk->njk", controls, controls)
    moment = torch.einsum("mnj,mn->nj", controls, values - values.mean(0))
    # Two of the three coincide where f is the prior N(0, I): the smallest coefficients then.
    coefficients = (torch.linalg.pinv(normal, rtol=1e-9, hermitian=True) @ moment[..., None]).squeeze(-1) / scale
    return own.values - (_controls(own, other) * coefficients).sum(-1)


def _controls(own: Draws, other: Draws) -> Tensor:
    """div v + v . score at the z of `own`, for the three fields of `other`, [V, C, N, 3]."""
    mean = other.z.mean((0, 1))
    # Pooled over examples: a few chains of each do not determine a covariance, and any matrix is a valid field.
    covariance = torch.cov((other.z - mean).flatten(0, -2).T, correction=0).reshape(mean.shape[-1], -1)
    constant = other.slopes.mean((0, 1)) @ covariance
    centred = own.z - mean
    along_constant = (constant * own.score).sum(-1)
    along_z = (centred * own.score).sum(-1) + mean.shape[-1]
    along_covariance = (centred @ covariance * own.score).sum(-1) + covariance.trace()
    return torch.stack([along_constant, along_z, along_covariance], -1)
