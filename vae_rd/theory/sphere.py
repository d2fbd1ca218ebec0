"""The noisy sphere: x = a uniform point of the unit sphere of R^d + N(0, v I), distortion 0.5 |x - y|^2, in nats.

The density depends on r = |x| alone; with k = r/v and 0F1 the confluent hypergeometric limit function

    ln p(r) = -(d/2) ln(2 pi v) - (r^2 + 1) / (2 v) + ln 0F1(d/2; k^2/4)

For a weight lam >= 1/v, x is N(0, I/lam) noise added to a noisy sphere of variance v - 1/lam, and Shannon's lower bound
is met:

    R = h(x) - (d/2) ln(2 pi e / lam)          D = d / (2 lam)

Source: Shannon 1959, "Coding theorems for a discrete source with a fidelity criterion"; the example is that of Yang et
al. 2023, "Estimating the Rate-Distortion Function by Wasserstein Gradient Descent", arXiv 2310.18908.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import integrate
from scipy.special import gammaln, hyp0f1, ive, xlogy

from vae_rd.errors import InputError
from vae_rd.theory.inputs import ROUNDING, Array, ArrayLike, positive, whole

MOST_DIMENSIONS = 1000  # tested against 40 digits up to here; the Bessel function underflows later
LARGE = 300.0  # k above which 0F1, about e^k, is taken from the scaled Bessel function instead
TAIL = 12.0  # standard deviations of the noise; less than 1e-30 of the mass lies beyond


class SpherePoint(NamedTuple):
    """A point of R(D): rate in nats, distortion = 0.5 E|x - y|^2."""

    rate: float
    distortion: float


def log_density(radius: ArrayLike, *, dimension: int, variance: float) -> Array:
    """ln p(x) of every x with |x| = radius, nats.

    Args:
        radius: any shape, 0 or more.
        dimension: d of the space, 1 to 1000.
        variance: v of the noise per coordinate.

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> log_density([0.0, 1.0], dimension=2, variance=0.1)
        array([-4.53529197, -1.59231989])
    """
    r = np.asarray(radius, np.float64)
    d, v = _dimension(dimension), positive(variance, name="variance")
    if not (np.isfinite(r) & (r >= 0)).all():
        raise InputError("radius holds a number below 0, inf or nan; give |x|")
    # |x - y|^2 = (r - 1)^2 + 2 r (1 - cos): e^k goes out of 0F1 and into the square, or both would overflow.
    return -0.5 * d * math.log(2 * math.pi * v) - (r - 1) ** 2 / (2 * v) + _log_scaled_0f1(r / v, d)


def differential_entropy(*, dimension: int, variance: float) -> float:
    """h(x) = -E ln p(x), nats, by adaptive quadrature over the radius (relative error below 1e-9).

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> differential_entropy(dimension=2, variance=0.1)
        2.075922...
    """
    d, width = _dimension(dimension), math.sqrt(positive(variance, name="variance"))
    log_area = math.log(2) + 0.5 * d * math.log(math.pi) - gammaln(d / 2)

    def minus_p_ln_p(r: float) -> float:
        log_p = float(log_density(r, dimension=d, variance=variance))
        return -log_p * math.exp(log_area + log_p + xlogy(d - 1, r))

    ends = max(0.0, 1 - TAIL * width), 1 + width * (math.sqrt(d) + TAIL)
    return float(integrate.quad(minus_p_ln_p, *ends, epsabs=1e-12, epsrel=1e-10, limit=500)[0])


def at_weight(*, dimension: int, variance: float, weight: float) -> SpherePoint:
    """The point of R(D) that minimises R + weight D, where Shannon's lower bound is met.

    Args:
        dimension: d.
        variance: v of the noise.
        weight: lam = -dR/dD, at least 1/v.

    Raises:
        InputError: when an argument is outside its range, or the weight is below 1/v, where no closed form is known.

    Example:
        >>> point = at_weight(dimension=2, variance=0.1, weight=10.0)
        >>> round(point.rate + 10 * point.distortion, 6)
        2.54063
    """
    if not (math.isfinite(weight) and weight * positive(variance, name="variance") >= 1 - ROUNDING):
        raise InputError(f"weight is {weight}; give at least 1/variance = {1 / variance:g}, below it R(D) is not known")
    entropy = differential_entropy(dimension=dimension, variance=variance)
    noise_entropy = 0.5 * dimension * math.log(2 * math.pi * math.e / weight)
    return SpherePoint(entropy - noise_entropy, dimension / (2 * weight))


def _dimension(dimension: int) -> int:
    if dimension > MOST_DIMENSIONS:
        raise InputError(f"dimension is {dimension}; give at most {MOST_DIMENSIONS}")
    return whole(dimension, name="dimension", least=1)


def _log_scaled_0f1(k: Array, d: int) -> Array:
    """ln(e^-k 0F1(d/2; k^2/4)); 0F1(a; k^2/4) = gamma(a) (k/2)^(1-a) I_{a-1}(k)."""
    small, large = np.minimum(k, LARGE), np.maximum(k, LARGE)
    bessel = gammaln(d / 2) + (1 - d / 2) * np.log(large / 2) + np.log(ive(d / 2 - 1, large))
    scaled: Array = np.where(k <= LARGE, np.log(hyp0f1(d / 2, small**2 / 4)) - small, bessel)
    return scaled
