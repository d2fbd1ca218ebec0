"""A Gaussian source under squared error: reverse water-filling, in nats.

Source N(mean, Sigma), eigenvalues l_i of Sigma, distortion SSE = E|x - y|^2 summed over dimensions. At water level c

    R = sum_i max(0, 0.5 ln(l_i / c))        SSE = sum_i min(l_i, c)        dR/dSSE = -1/(2 c)

so c minimises R + b SSE/2 at b = 1/c.

Source: Cover & Thomas 2006, "Elements of Information Theory", theorem 10.3.3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vae_rd.errors import InputError
from vae_rd.theory.inputs import ROUNDING, Array, ArrayLike, finite, positive, spectrum


class GaussianPoint(NamedTuple):
    """One point of R(SSE).

    Attributes:
        level: the water level c.
        rate: R, nats.
        squared_error: SSE.
        active: number of modes with l_i > c.
        rate_per_mode: [n] nats, in the order of the eigenvalues.
        squared_error_per_mode: [n].
    """

    level: float
    rate: float
    squared_error: float
    active: int
    rate_per_mode: Array
    squared_error_per_mode: Array


class GaussianCurve(NamedTuple):
    """R and SSE at several levels, both [m]."""

    rate: Array
    squared_error: Array


def at_level(eigenvalues: ArrayLike, *, level: float) -> GaussianPoint:
    """The point where the slope dR/dSSE is -1/(2 level).

    Args:
        eigenvalues: variances of the source along its axes, [n].
        level: c > 0.

    Raises:
        InputError: when the eigenvalues are no spectrum or the level is not above 0.

    Example:
        >>> at_level([8, 4, 2, 1, 0.5, 0.25], level=0.3).rate
        4.742799...
    """
    values, level = spectrum(eigenvalues), positive(level, name="level")
    rates = 0.5 * np.log(np.maximum(values, level) / level)
    errors = np.minimum(values, level)
    active = int((values > level).sum())
    return GaussianPoint(level, float(rates.sum()), float(errors.sum()), active, rates, errors)


def at_squared_error(eigenvalues: ArrayLike, *, squared_error: float) -> GaussianPoint:
    """The point of a given SSE, 0 < SSE <= trace.

    SSE is a piecewise linear function of the level with corners at the eigenvalues, so its inverse is exact.

    Raises:
        InputError: when the eigenvalues are no spectrum, or the source has no such SSE.

    Example:
        >>> at_squared_error([1.0, 0.1], squared_error=0.2).level
        0.1
    """
    values = np.sort(spectrum(eigenvalues))
    trace = values.sum()
    if not 0 < squared_error <= trace * (1 + ROUNDING):
        raise InputError(f"squared_error is {squared_error}; give one above 0 and up to the trace, {trace:g}")
    above = len(values) - 1 - np.arange(len(values))
    corners = np.cumsum(values) + above * values
    level = np.interp(squared_error, [0.0, *corners], [0.0, *values])
    return at_level(eigenvalues, level=float(level))


def curve(eigenvalues: ArrayLike, levels: ArrayLike) -> GaussianCurve:
    """R and SSE at many levels, for drawing.

    Args:
        eigenvalues: [n].
        levels: [m], each above 0.

    Raises:
        InputError: when the eigenvalues are no spectrum or a level is not above 0.

    Example:
        >>> curve([1.0], [0.25, 1.0]).squared_error
        array([0.25, 1.  ])
    """
    values, heights = spectrum(eigenvalues), finite(levels, name="levels", dims=1)[:, None]
    positive(float(heights.min()), name="the lowest level")
    rates = 0.5 * np.log(np.maximum(values, heights) / heights)
    return GaussianCurve(rates.sum(1), np.minimum(values, heights).sum(1))


def differential_entropy(eigenvalues: ArrayLike) -> float:
    """h(x) = 0.5 sum_i ln(2 pi e l_i), nats.

    Raises:
        InputError: when an eigenvalue is 0: the density does not exist.

    Example:
        >>> differential_entropy([1.0])
        1.4189385332046727
    """
    values = spectrum(eigenvalues)
    positive(float(values.min()), name="the smallest eigenvalue")
    return float(0.5 * (1 + math.log(2 * math.pi) + np.log(values)).sum())
