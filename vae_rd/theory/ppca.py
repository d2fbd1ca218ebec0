"""Probabilistic PCA, x ~ N(b, W W^T + s2 I): its maximum likelihood in closed form, and by expectation maximisation.

With l_i the eigenvalues of the data's covariance (divisor N), the k largest along u_i:

    W = [u_i (l_i - s2)^0.5]       s2 = mean of the n - k other l_i
    mean ln p(x) = -0.5 (n ln 2 pi + sum_{i<=k} ln l_i + (n - k) ln s2 + n)

It is the largest ELBO that a linear VAE with k units and a learned s2 can have.

Source: Tipping & Bishop 1999, "Probabilistic Principal Component Analysis", J. R. Stat. Soc. B 61(3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import linalg

from vae_rd.errors import InputError
from vae_rd.theory.inputs import Array, ArrayLike, finite, moments, positive, principal_axes, whole


class PPCA(NamedTuple):
    """A fitted model.

    Attributes:
        weights: W, [n, k].
        offset: b, [n].
        s2: variance of the noise.
        log_likelihood: mean of ln p(x) over the data whose moments were given, nats.
    """

    weights: Array
    offset: Array
    s2: float
    log_likelihood: float


class EMFit(NamedTuple):
    """What `em` found and how it got there.

    Attributes:
        model: the last iterate.
        log_likelihoods: mean ln p(x) before each iteration and after the last, nats; they never fall.
    """

    model: PPCA
    log_likelihoods: Array


def fit(covariance: ArrayLike, mean: ArrayLike, *, latent_dim: int) -> PPCA:
    """The maximum likelihood in closed form.

    Args:
        covariance: of the data, with the divisor N, [n, n].
        mean: of the data, [n].
        latent_dim: k < n.

    Raises:
        InputError: when the moments are none, k is not below n, or the rest has no variance: ln p is then unbounded.

    Example:
        >>> fit(np.diag([3.0, 1.0, 0.5]), np.zeros(3), latent_dim=1).s2
        0.75
    """
    matrix, centre = moments(covariance, mean)
    k = _units(latent_dim, n=len(centre))
    values, vectors = principal_axes(matrix)
    s2 = positive(float(values[k:].mean()), name=f"the variance beyond {k} units")
    scale = np.sqrt(np.maximum(values[:k] - s2, 0.0))
    model = PPCA(vectors[:, :k] * scale, centre, s2, math.nan)
    return model._replace(log_likelihood=mean_log_likelihood(model, matrix))


def em(
    covariance: ArrayLike, mean: ArrayLike, *, latent_dim: int, seed: int, tolerance: float = 1e-6, limit: int = 1000
) -> EMFit:
    """Maximum likelihood by parameter-expanded EM, from random weights: training without the answer.

    Each iteration fits W and s2 to the expected moments of (x, z), lets the prior's covariance vary too, and folds it
    back into W. That costs k^3 more than plain EM, keeps its monotone ascent, and takes half to a tenth of its steps.

    Args:
        covariance: of the data, with the divisor N, [n, n].
        mean: of the data, [n].
        latent_dim: k < n.
        seed: of the random weights.
        tolerance: gain in mean ln p(x), nats, of one iteration below which it stops.
        limit: the most iterations it does.

    Raises:
        InputError: when the moments are none or k is not below n.

    Source: Liu, Rubin & Wu 1998, "Parameter Expansion to Accelerate EM: the PX-EM Algorithm", Biometrika 85(4).

    Example:
        >>> run = em(np.diag([3.0, 1.0, 0.5]), np.zeros(3), latent_dim=1, seed=0, tolerance=1e-12)
        >>> round(run.model.s2, 6)
        0.75
    """
    matrix, centre = moments(covariance, mean)
    n, k = len(centre), _units(latent_dim, n=len(centre))
    scale = positive(float(np.trace(matrix)), name="the trace of the covariance") / n
    model = PPCA(math.sqrt(scale) * np.random.default_rng(seed).normal(size=(n, k)), centre, scale, math.nan)
    values = [mean_log_likelihood(model, matrix)]
    for _ in range(limit):
        model = _em_step(model, matrix)
        values.append(mean_log_likelihood(model, matrix))
        if values[-1] - values[-2] < tolerance:
            break
    return EMFit(model._replace(log_likelihood=values[-1]), np.array(values))


def log_likelihood(x: ArrayLike, *, weights: ArrayLike, offset: ArrayLike, s2: float) -> Array:
    """ln N(x; b, W W^T + s2 I) per example, nats, with products of size k only (Woodbury's identity).

    Args:
        x: [N, n].
        weights: W, [n, k]; k may exceed n.
        offset: b, [n].
        s2: variance of the noise.

    Raises:
        InputError: when the shapes disagree or s2 is not above 0.

    Example:
        >>> log_likelihood([[0.0], [1.0]], weights=[[0.6]], offset=[0.0], s2=0.64)
        array([-0.91893853, -1.41893853])
    """
    rows, w = finite(x, name="x", dims=2), finite(weights, name="weights", dims=2)
    centre, s2 = finite(offset, name="offset", dims=1), positive(s2, name="s2")
    if not rows.shape[1] == len(w) == len(centre):
        shapes = f"x {list(rows.shape)}, weights {list(w.shape)}, offset {list(centre.shape)}"
        raise InputError(f"{shapes} disagree on n; give [N, n], [n, k] and [n]")
    residual = rows - centre
    root = _root(w, s2)
    explained = linalg.solve_triangular(root, (residual @ w).T, lower=True)
    squares = (np.square(residual).sum(1) - np.square(explained).sum(0)) / s2
    values: Array = -0.5 * (squares + _log_det(root, s2, n=len(w)) + len(w) * math.log(2 * math.pi))
    return values


def mean_log_likelihood(model: PPCA, covariance: Array) -> float:
    """Mean of ln p(x) over data whose mean is the model's offset, from their covariance, nats."""
    w, s2 = model.weights, model.s2
    root = _root(w, s2)
    explained = np.trace(linalg.cho_solve((root, True), w.T @ covariance @ w))
    squares = (np.trace(covariance) - explained) / s2
    return float(-0.5 * (squares + _log_det(root, s2, n=len(w)) + len(w) * math.log(2 * math.pi)))


def _em_step(model: PPCA, covariance: Array) -> PPCA:
    """E: E[x z^T] and E[z z^T] under the posterior. M: regress x on z, then turn z back to variance I."""
    w, s2 = model.weights, model.s2
    root = (_root(w, s2), True)
    cross = linalg.cho_solve(root, w.T @ covariance).T
    second = s2 * linalg.cho_solve(root, np.eye(w.shape[1])) + linalg.cho_solve(root, w.T @ cross)
    turn = linalg.cholesky(second, lower=True)
    regression = linalg.cho_solve((turn, True), cross.T).T
    noise = (np.trace(covariance) - np.sum(cross * regression)) / len(w)
    return model._replace(weights=regression @ turn, s2=float(noise))


def _root(w: Array, s2: float) -> Array:
    """Lower Cholesky factor of M = W^T W + s2 I, [k, k]."""
    root: Array = linalg.cholesky(w.T @ w + s2 * np.eye(w.shape[1]), lower=True)
    return root


def _log_det(root: Array, s2: float, *, n: int) -> float:
    """ln det(W W^T + s2 I) = ln det M + (n - k) ln s2."""
    return float(2 * np.log(np.diag(root)).sum() + (n - len(root)) * math.log(s2))


def _units(latent_dim: int, *, n: int) -> int:
    k = whole(latent_dim, name="latent_dim", least=1)
    if k >= n:
        raise InputError(f"latent_dim is {k} of {n} dimensions; give fewer, or s2 has no maximum-likelihood value")
    return k
