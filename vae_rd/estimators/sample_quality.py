"""How samples compare with data, as sets of points in one space: Frechet distance, k-NN manifolds, sharpness.

All of these change with the number of points: compare numbers of equal n, and with those of held-out data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

NEIGHBOURS = 5  # k, as Naeem et al. (2020) have it.
GROUPS = 10  # Of data, left out in turn.
Scores = Mapping[str, float]


class Moments(NamedTuple):
    """Mean [D] and covariance [D, D] of points."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> Moments:
        """Those of points, [N, D], N >= 2, the covariance with N - 1."""
        return cls(points.mean(0), np.atleast_2d(np.cov(points, rowvar=False)))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^(1/2) C_b C_a^(1/2))^(1/2)): squared Wasserstein distance of two normals.

    Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017; Dowson and Landau, 1982.

    Example:
        >>> one, other = Moments(np.zeros(2), np.eye(2)), Moments(np.array([3.0, 0.0]), 4 * np.eye(2))
        >>> frechet_distance(one, other)
        11.0
    """
    root = _root(a.covariance)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b.covariance @ root), 0.0, None)).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross
    return float(((a.mean - b.mean) ** 2).sum() + spread)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root."""
    values, axes = np.linalg.eigh(covariance)
    return np.asarray((axes * np.sqrt(np.clip(values, 0.0, None))) @ axes.T)


def manifold_scores(data: np.ndarray, samples: np.ndarray, *, k: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage, a ball around each point reaching to its k-th nearest in its own set.

        precision:  share of samples within the ball of some example
        recall:     share of examples within the ball of some sample
        density:    balls of examples that a sample is in, over k; 1 where both are of one distribution
        coverage:   share of examples in whose ball is a sample; 1 - 2^-k of it is expected of one distribution

    Sources: Kynkaanniemi et al., "Improved precision and recall metric", 2019; Naeem et al., "Reliable fidelity and
    diversity metrics", 2020.

    Args:
        data: features of examples, [N, D].
        samples: features of samples, [M, D].
        k: which neighbour a ball reaches to; N and M are above it.

    Example:
        >>> points = np.random.default_rng(0).normal(size=(200, 2))
        >>> manifold_scores(points, points + 100)
        {'precision': 0.0, 'recall': 0.0, 'density': 0.0, 'coverage': 0.0}
    """
    between = _distances(data, samples)
    in_data = between < _radii(data, k)[:, None]
    in_samples = between < _radii(samples, k)[None, :]
    return {
        "precision": float(in_data.any(0).mean()),
        "recall": float(in_samples.any(1).mean()),
        "density": float(in_data.sum(0).mean() / k),
        "coverage": float(in_data.any(1).mean()),
    }


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances, [N, M]."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(np.clip(squares, 0.0, None))


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each point to its k-th nearest other, [N]."""
    return np.asarray(np.partition(_distances(points, points), k, axis=1)[:, k])


def spread(data: np.ndarray, samples: np.ndarray) -> float:
    """The total variance of samples over that of data: 0 where all samples are one.

    Example:
        >>> points = np.random.default_rng(0).normal(size=(50, 2))
        >>> round(spread(points, 2 * points), 6)
        4.0
    """
    return float(samples.var(0).sum() / data.var(0).sum())


def quality_scores(data: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """All scores of two sets of features: those of `manifold_scores`, `frechet` and `spread`."""
    frechet = frechet_distance(Moments.of(data), Moments.of(samples))
    return manifold_scores(data, samples) | {"frechet": frechet, "spread": spread(data, samples)}


def laplacian_variance(images: np.ndarray) -> np.ndarray:
    """Sharpness: the variance within each image of its Laplacian, the four neighbours less four times the pixel.

    Channels are averaged first. Source: Pech-Pacheco et al., 2000.

    Args:
        images: [N, C, H, W], H and W at least 3.

    Returns:
        [N], in squared units of x.

    Example:
        >>> ramp = np.arange(16.0).reshape(1, 1, 4, 4)
        >>> laplacian_variance(ramp), laplacian_variance(np.eye(4)[None, None])
        (array([0.]), array([9.]))
    """
    x = images.mean(1)
    sides = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return np.asarray((sides - 4 * x[:, 1:-1, 1:-1]).var((1, 2)))


class Scored(NamedTuple):
    """A score as a mean over draws of samples, with its standard error."""

    value: float
    stderr: float


def scores_with_error(
    data: np.ndarray,
    draws: Sequence[np.ndarray],
    *,
    score: Callable[[np.ndarray, np.ndarray], Scores] = quality_scores,
    seed: int,
) -> dict[str, Scored]:
    """Scores as means over independent draws of samples, with both kinds of noise in their standard error.

        s.e.^2 = (variance over R draws) / R + (G - 1) / G sum_g (score without group g - their mean)^2

    The second term is the jackknife over G groups of the data, since what is drawn with replacement is its own nearest
    neighbour.

    Args:
        data: features of examples, [N, D].
        draws: features of samples, [M, D] each, two draws or more.
        score: of data and samples.
        seed: of the groups.
    """
    found = [score(data, samples) for samples in draws]
    groups = np.array_split(np.random.default_rng(seed).permutation(len(data)), GROUPS)
    without = [score(np.delete(data, group, axis=0), draws[0]) for group in groups]
    return {name: _scored([f[name] for f in found], [w[name] for w in without]) for name in found[0]}


def _scored(draws: Sequence[float], without: Sequence[float]) -> Scored:
    jackknife = (len(without) - 1) * np.var(without)
    return Scored(float(np.mean(draws)), float(np.sqrt(np.var(draws, ddof=1) / len(draws) + jackknife)))
