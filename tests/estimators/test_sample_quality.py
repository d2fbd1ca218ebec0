"""Scores of samples against what they are known to be: Gaussians, equal sets, sets apart, and lost modes."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from vae_rd.estimators.sample_quality import (
    NEIGHBOURS,
    Moments,
    frechet_distance,
    laplacian_variance,
    manifold_scores,
    quality_scores,
    scores_with_error,
    spread,
)

RANDOM = np.random.default_rng(0)


def test_frechet_distance_is_that_of_two_gaussians():
    a, b = (Moments(RANDOM.normal(size=4), part @ part.T) for part in RANDOM.normal(size=(2, 4, 4)))
    cross = sqrtm(a.covariance @ b.covariance).real
    exact = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance - 2 * cross)
    assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(exact, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_in_one_dimension_is_that_of_means_and_deviations():
    a, b = Moments(np.array([1.0]), np.array([[4.0]])), Moments(np.array([-2.0]), np.array([[9.0]]))
    assert frechet_distance(a, b) == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


def test_scores_of_one_distribution_are_the_expected_ones():
    """Density 1; coverage 1 - (N - 1)...(N - k) / (2N - 1)...(2N - k), of Naeem et al. (2020), Lemma 2."""
    n, found = 400, []
    for _ in range(8):
        found.append(manifold_scores(RANDOM.normal(size=(n, 3)), RANDOM.normal(size=(n, 3))))
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, NEIGHBOURS + 1)])
    for name, value in (("coverage", expected), ("density", 1.0)):
        values = [scores[name] for scores in found]
        stderr = np.std(values, ddof=1) / np.sqrt(len(values))
        assert stderr < 0.02
        assert abs(np.mean(values) - value) < 4 * stderr


def brute_force(data: np.ndarray, samples: np.ndarray, k: int) -> dict[str, float]:
    """The four sums, one pair after another."""

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(np.linalg.norm(points[i] - other) for other in points)[k]

    def within(centres: np.ndarray, i: int, point: np.ndarray) -> bool:
        return np.linalg.norm(centres[i] - point) < radius(centres, i)

    in_data = [[within(data, i, y) for y in samples] for i in range(len(data))]
    in_samples = [[within(samples, j, x) for j in range(len(samples))] for x in data]
    return {
        "precision": float(np.mean([any(row[j] for row in in_data) for j in range(len(samples))])),
        "recall": float(np.mean([any(row) for row in in_samples])),
        "density": float(np.sum(in_data) / (k * len(samples))),
        "coverage": float(np.mean([any(row) for row in in_data])),
    }


def test_manifolds_are_those_of_a_loop_over_pairs():
    data, samples = RANDOM.normal(size=(25, 2)), RANDOM.normal(0.5, 1.5, size=(30, 2))
    assert manifold_scores(data, samples, k=3) == pytest.approx(brute_force(data, samples, 3))


def modes(n: int, which: range) -> np.ndarray:
    """Points at ten places in turn, or at some of them."""
    places = 100 * np.arange(10)
    return np.stack([places[[which[i % len(which)] for i in range(n)]], np.zeros(n)], 1) + RANDOM.normal(size=(n, 2))


def test_a_lost_mode_is_lost_from_recall_and_coverage_alone():
    found = manifold_scores(modes(500, range(10)), modes(500, range(3)))
    assert found["coverage"] == pytest.approx(0.3, abs=0.02)
    assert found["recall"] == pytest.approx(0.3, abs=0.02)
    assert found["precision"] > 0.9
    assert found["density"] == pytest.approx(1.0, abs=0.15)


def test_sets_apart_share_nothing_and_one_point_has_no_spread():
    data = RANDOM.normal(size=(60, 2))
    assert set(manifold_scores(data, data + 1000).values()) == {0.0}
    assert spread(data, np.zeros((60, 2))) == 0.0


def test_errors_are_those_of_repeated_experiments():
    """The mean claimed error over experiments lies within a third of what the scores scatter by."""
    claimed, values = [], []
    for seed in range(25):
        draws = [RANDOM.normal(0.2, 1.0, size=(120, 2)) for _ in range(4)]
        scored = scores_with_error(RANDOM.normal(size=(120, 2)), draws, seed=seed)
        claimed.append({name: score.stderr for name, score in scored.items()})
        values.append({name: score.value for name, score in scored.items()})
    for name in quality_scores(draws[0], draws[1]):
        scatter = np.std([v[name] for v in values], ddof=1)
        ratio = np.mean([c[name] for c in claimed]) / scatter
        assert 0.6 < ratio < 2.0, (name, ratio)


def test_sharpness_is_the_variance_of_the_stencil():
    x = RANDOM.normal(size=(3, 2, 6, 7))
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    for image, found in zip(x.mean(1), laplacian_variance(x), strict=True):
        answers = [(image[i : i + 3, j : j + 3] * kernel).sum() for i in range(4) for j in range(5)]
        assert found == pytest.approx(np.var(answers))
