"""What the closed forms accept: each check returns float64, or refuses in one line."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vae_rd.errors import InputError

Array = npt.NDArray[np.float64]
ArrayLike = npt.ArrayLike

ROUNDING = 1e-9  # relative; what sums and products of float64 input may be off by


def finite(values: ArrayLike, *, name: str, dims: int) -> Array:
    """A non-empty float64 array of `dims` dimensions without inf or nan.

    Raises:
        InputError: when it is anything else.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != dims or array.size == 0:
        raise InputError(f"{name} has shape {list(array.shape)}; give a non-empty array of {dims} dimensions")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds inf or nan; give finite numbers")
    return array


def positive(value: float, *, name: str) -> float:
    """A finite number above 0.

    Raises:
        InputError: when it is anything else.
    """
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} is {value}; give a finite number above 0")
    return float(value)


def whole(value: int, *, name: str, least: int) -> int:
    """An integer of at least `least`.

    Raises:
        InputError: when it is less or no integer.
    """
    if int(value) != value or value < least:
        raise InputError(f"{name} is {value}; give a whole number of at least {least}")
    return int(value)


def spectrum(eigenvalues: ArrayLike) -> Array:
    """Eigenvalues of a covariance: [n], none below 0, one above.

    Raises:
        InputError: when they are anything else.
    """
    values = finite(eigenvalues, name="eigenvalues", dims=1)
    if values.min() < 0 or values.max() == 0:
        raise InputError(
            f"eigenvalues run from {values.min():g} to {values.max():g}; give variances, one of them above 0"
        )
    return values


def probabilities(p: ArrayLike, *, name: str = "p") -> Array:
    """A probability mass function, [N], divided by its sum so that it is 1 to the last digit.

    Raises:
        InputError: when an entry is below 0 or the sum is not 1.
    """
    values = finite(p, name=name, dims=1)
    if values.min() < 0 or abs(values.sum() - 1) > ROUNDING:
        raise InputError(f"{name} sums to {values.sum():.12g}, least entry {values.min():g}; give probabilities")
    normalised: Array = values / values.sum()
    return normalised


def moments(covariance: ArrayLike, mean: ArrayLike) -> tuple[Array, Array]:
    """A covariance [n, n] and a mean [n].

    Raises:
        InputError: when the shapes disagree or the matrix is not symmetric.
    """
    matrix, centre = finite(covariance, name="covariance", dims=2), finite(mean, name="mean", dims=1)
    if matrix.shape != 2 * centre.shape:
        raise InputError(f"covariance {list(matrix.shape)} and mean {list(centre.shape)} disagree; give [n, n] and [n]")
    if np.abs(matrix - matrix.T).max() > ROUNDING * np.abs(matrix).max():
        raise InputError("covariance is not symmetric; give E[(x - mean)(x - mean)^T]")
    return matrix, centre


def principal_axes(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues [n], the largest first, and their unit vectors as columns [n, n].

    Raises:
        InputError: when an eigenvalue is below 0 by more than rounding.
    """
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -ROUNDING * values[-1] or values[-1] <= 0:
        raise InputError(f"covariance has the eigenvalue {values[0]:g}; give a positive semi-definite matrix")
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]
