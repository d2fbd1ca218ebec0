"""The linear beta-VAE at its optimum: reverse water-filling at the level c = beta s2, in nats.

Source with covariance eigenvalues l_i, decoder N(W z + b, s2 I), prior N(0, I), loss D + beta R. Among the `latent_dim`
largest modes those with l_i > c are active, one latent unit each:

    KL_i = 0.5 ln(l_i / c)      w_i^2 = l_i - c      v_i = w_i / l_i      posterior variance c / l_i
    SSE = c per active mode, l_i per other mode      D = SSE / (2 s2) + (n/2) ln(2 pi s2)

The aggregate posterior of a Gaussian source is then N(0, I), so that I(X; Z) = R. At beta = 1 this is
probabilistic PCA.

Source: Lucas et al. 2019, "Don't Blame the ELBO!", arXiv 1911.02469; Alemi et al. 2018, arXiv 1711.00464.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vae_rd.errors import InputError
from vae_rd.theory.inputs import Array, ArrayLike, moments, positive, principal_axes, spectrum, whole
from vae_rd.theory.thresholds import ACTIVE_VARIANCE


class LinearOptimum(NamedTuple):
    """What the optimal linear beta-VAE measures; units are ordered by rate, the largest first.

    Attributes:
        rate: R, nats; also I(X; Z).
        distortion: D with all constants, nats.
        squared_error: SSE, summed over the n dimensions.
        active_modes: units with KL above 0.
        active_units: units with Var_x(E[z_d|x]) = 1 - c/l_d above 0.01.
        rate_per_unit: [latent_dim] nats.
        posterior_variance: [latent_dim].
    """

    rate: float
    distortion: float
    squared_error: float
    active_modes: int
    active_units: int
    rate_per_unit: Array
    posterior_variance: Array


class LinearWeights(NamedTuple):
    """Weights that reach the optimum: decoder N(W z + b, s2 I), encoder N(V x + a, diag(variance)).

    Attributes:
        decoder: W, [n, latent_dim]; columns of collapsed units are 0.
        decoder_offset: b, [n].
        encoder: V, [latent_dim, n]; rows of collapsed units are 0.
        encoder_offset: a, [latent_dim].
        posterior_variance: [latent_dim]; 1 for collapsed units.
    """

    decoder: Array
    decoder_offset: Array
    encoder: Array
    encoder_offset: Array
    posterior_variance: Array


def optimum(eigenvalues: ArrayLike, *, s2: float, beta: float, latent_dim: int) -> LinearOptimum:
    """Rate, distortion and units at the optimum for a fixed decoder variance.

    Args:
        eigenvalues: variances of the source along its axes, [n], in any order.
        s2: variance of the decoder.
        beta: weight of the rate.
        latent_dim: number of latent units, fewer or more than n.

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> best = optimum([8, 4, 2, 1, 0.5, 0.25], s2=0.1, beta=3.0, latent_dim=8)
        >>> round(best.rate, 6), round(best.squared_error, 6), best.active_units
        (4.7428, 1.75, 5)
    """
    values = np.sort(spectrum(eigenvalues))[::-1]
    level = positive(beta, name="beta") * positive(s2, name="s2")
    kept = _per_unit(values, latent_dim=latent_dim)
    variance = level / np.maximum(kept, level)
    rates = 0.5 * np.log(np.maximum(kept, level) / level)
    squared_error = float(np.minimum(kept, level).sum() + values[latent_dim:].sum())
    distortion = squared_error / (2 * s2) + 0.5 * len(values) * math.log(2 * math.pi * s2)
    active_units = int((1 - variance > ACTIVE_VARIANCE).sum())
    return LinearOptimum(
        float(rates.sum()), distortion, squared_error, int((kept > level).sum()), active_units, rates, variance
    )


def collapse_beta(eigenvalues: ArrayLike, *, s2: float) -> float:
    """The beta from which on every unit collapses: max l_i / s2.

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> collapse_beta([8, 4], s2=0.5)
        16.0
    """
    return float(spectrum(eigenvalues).max() / positive(s2, name="s2"))


def learned_s2(eigenvalues: ArrayLike, *, beta: float, latent_dim: int) -> float:
    """The decoder variance that minimises D + beta R when it is learned too.

    It is the root of f(1/s2) = n, where f(t) = sum_{i<=K} min(l_i t, beta) + sum_{i>K} l_i t and K = latent_dim. As f
    is the least of the lines beta j + t sum_{i>j} l_i, j = 0..K, the root in t is the largest root of a line.

    Raises:
        InputError: when an argument is outside its range, or no s2 is best: f stays below n (the loss falls for ever
            as s2 goes to 0), or stops at n (every smaller s2 is as good).

    Example:
        >>> learned_s2([3.0, 1.0, 0.5], beta=1.0, latent_dim=1)
        0.75
    """
    values = np.sort(spectrum(eigenvalues))[::-1]
    n, units = len(values), min(whole(latent_dim, name="latent_dim", least=1), len(values))
    saturated = positive(beta, name="beta") * np.arange(units + 1)
    tails = np.append(np.cumsum(values[::-1])[::-1], 0.0)[: units + 1]
    if ((tails == 0) & (saturated <= n)).any():
        raise InputError(
            f"no s2 above 0 is best at beta {beta:g} with {latent_dim} units for {n} dimensions;"
            " give a larger beta, fewer units, or a fixed s2"
        )
    below = saturated < n
    return float((tails[below] / (n - saturated[below])).min())


def optimal_weights(
    covariance: ArrayLike, mean: ArrayLike, *, s2: float, beta: float, latent_dim: int
) -> LinearWeights:
    """Weights of an optimal linear VAE; unit i lies along the i-th principal axis u_i.

    W has the columns w_i u_i, V the rows v_i u_i^T, and both networks centre x on the mean.

    Args:
        covariance: of the source, [n, n].
        mean: of the source, [n].
        s2: variance of the decoder.
        beta: weight of the rate.
        latent_dim: number of latent units, fewer or more than n.

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> weights = optimal_weights([[4.0]], [1.0], s2=0.5, beta=2.0, latent_dim=2)
        >>> np.abs(weights.decoder), weights.posterior_variance
        (array([[1.73205081, 0.        ]]), array([0.25, 1.  ]))
    """
    matrix, centre = moments(covariance, mean)
    values, vectors = principal_axes(matrix)
    level = positive(beta, name="beta") * positive(s2, name="s2")
    kept = _per_unit(values, latent_dim=latent_dim)
    axes = np.pad(vectors[:, :latent_dim], ((0, 0), (0, max(0, latent_dim - len(values)))))
    scale = np.sqrt(np.maximum(kept - level, 0.0))
    variance = level / np.maximum(kept, level)
    encoder = (axes * scale / np.maximum(kept, level)).T
    return LinearWeights(axes * scale, centre, encoder, -encoder @ centre, variance)


def _per_unit(values: Array, *, latent_dim: int) -> Array:
    """The variance each unit could carry, [latent_dim]: the largest ones, then 0 for units beyond n."""
    units = whole(latent_dim, name="latent_dim", least=1)
    return np.pad(values[:units], (0, max(0, units - len(values))))
