"""The rate-distortion curve of a fixed linear decoder g(z) = W z + b0 under z ~ N(0, I), in nats.

For each x the optimal q_b(z|x) ~ N(z; 0, I) exp(-b d(x, z)) is normal. With d = 0.5 |x - g(z)|^2, W = U S V^T, and the
data's second moments m_i = E(u_i^T (x - b0))^2 along the columns of U, a_i = 1 + b s_i^2:

    -ln Z_b = R_b + b D_b          R_b = E KL(q_b || N(0, I))          dR_b/dD_b = -b
    R_b = 0.5 sum_i [ln a_i + 1/a_i - 1 + b^2 s_i^2 m_i / a_i^2]
    D_b = 0.5 (sum_i [m_i / a_i^2 + s_i^2 / a_i] + E|x - b0|^2 - sum_i m_i)

Units beyond the rank of W have s_i = 0 and a_i = 1, and add nothing to either sum.

Source: Huang et al. 2020, "Evaluating Lossy Compression Rates of Deep Generative Models", arXiv 2008.06653.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vae_rd.errors import InputError
from vae_rd.theory.inputs import Array, ArrayLike, finite, moments, positive


class DecoderCurve(NamedTuple):
    """The curve at several b, each [m].

    Attributes:
        rate: R_b, nats, mean over the data.
        distortion: D_b, in the unit of d.
        minus_log_z: -ln Z_b = R_b + b D_b, nats.
    """

    rate: Array
    distortion: Array
    minus_log_z: Array


def squared_error_curve(
    weights: ArrayLike, offset: ArrayLike, *, covariance: ArrayLike, mean: ArrayLike, b: ArrayLike
) -> DecoderCurve:
    """R_b, D_b and -ln Z_b for d = 0.5 |x - W z - b0|^2.

    Args:
        weights: W, [n, k]; k may exceed n.
        offset: b0, [n].
        covariance: of the data, [n, n].
        mean: of the data, [n].
        b: [m], 0 or more; at 0 the posterior is the prior.

    Raises:
        InputError: when the shapes disagree or a b is below 0.

    Example:
        >>> squared_error_curve([[1.0]], [0.0], covariance=[[2.0]], mean=[0.0], b=[0.0, 1.0]).distortion
        array([1.5, 0.5])
    """
    slopes = _slopes(b)[:, None]
    s2, m, rest = _along_the_axes(weights, offset, covariance, mean)
    a = 1 + slopes * s2
    log_a = np.log1p(slopes * s2)
    rate = 0.5 * (log_a + 1 / a - 1 + slopes**2 * s2 * m / a**2).sum(1)
    distortion = 0.5 * ((m / a**2 + s2 / a).sum(1) + rest)
    minus_log_z = 0.5 * (log_a + slopes * m / a).sum(1) + 0.5 * slopes[:, 0] * rest
    return DecoderCurve(rate, distortion, minus_log_z)


def likelihood_curve(
    weights: ArrayLike, offset: ArrayLike, *, covariance: ArrayLike, mean: ArrayLike, s2: float, b: ArrayLike
) -> DecoderCurve:
    """R_b, D_b and -ln Z_b for d = -ln N(x; W z + b0, s2 I), with all constants; b = 1/beta.

    As d = 0.5 |x - g|^2 / s2 + (n/2) ln(2 pi s2), it is the curve above at b/s2. At b = 1, -ln Z_b = -E ln p(x).

    Args:
        weights: W, [n, k].
        offset: b0, [n].
        covariance: of the data, [n, n].
        mean: of the data, [n].
        s2: variance of the decoder.
        b: [m], 0 or more.

    Raises:
        InputError: when the shapes disagree, s2 is not above 0, or a b is below 0.

    Example:
        >>> likelihood_curve([[0.6]], [0.0], covariance=[[1.0]], mean=[0.0], s2=0.64, b=[1.0]).minus_log_z
        array([1.41893853])
    """
    slopes = _slopes(b)
    scaled = slopes / positive(s2, name="s2")
    half = squared_error_curve(weights, offset, covariance=covariance, mean=mean, b=scaled)
    constant = 0.5 * np.size(offset) * math.log(2 * math.pi * s2)
    return DecoderCurve(half.rate, half.distortion / s2 + constant, half.minus_log_z + slopes * constant)


def _slopes(b: ArrayLike) -> Array:
    slopes = finite(b, name="b", dims=1)
    if slopes.min() < 0:
        raise InputError(f"b starts at {slopes.min():g}; give inverse temperatures of 0 or more")
    return slopes


def _along_the_axes(
    weights: ArrayLike, offset: ArrayLike, covariance: ArrayLike, mean: ArrayLike
) -> tuple[Array, Array, float]:
    """s_i^2 and m_i, [min(n, k)], and what E|x - b0|^2 has outside the columns of U."""
    w, b0 = finite(weights, name="weights", dims=2), finite(offset, name="offset", dims=1)
    matrix, centre = moments(covariance, mean)
    if not len(w) == len(b0) == len(centre):
        shapes = f"weights {list(w.shape)}, offset {list(b0.shape)}, mean {list(centre.shape)}"
        raise InputError(f"{shapes} disagree on n; give [n, k], [n] and [n]")
    u, s, _ = np.linalg.svd(w, full_matrices=False)
    second = matrix + np.outer(centre - b0, centre - b0)
    m = np.einsum("ni,ni->i", u, second @ u)
    return s**2, m, max(0.0, float(np.trace(second) - m.sum()))
