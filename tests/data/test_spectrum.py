"""Spectra of data sets against NumPy's, in double precision, and against the law of what is drawn."""

import numpy as np
import pytest
import torch

from vae_rd.data import spectrum
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.spectrum import noise_spectrum
from vae_rd.run.record import SPLITS

STATED = 1e-5  # Of what is said to six digits.


def real(rows: np.ndarray, shape: tuple[int, int, int]) -> DataSet:
    images = torch.as_tensor(rows, dtype=torch.float32).reshape(-1, *shape)
    return DataSet(Source("npz", dict.fromkeys(SPLITS, images), levels=None))


def correlated(n: int, size: int, *, seed: int = 0, mean: float = 100.0) -> np.ndarray:
    """Rows whose principal variances fall by steps, about means far from 0."""
    noise = np.random.default_rng(seed)
    axes = np.linalg.qr(noise.normal(size=(size, size)))[0]
    rows = (noise.normal(size=(n, size)) * np.geomspace(3, 0.3, size)) @ axes + mean * noise.normal(size=size)
    return rows.astype(np.float32).astype(np.float64)


def by_numpy(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(matrix)[::-1]


@pytest.mark.parametrize("mean", [100.0, 1e6])
def test_of_one_noise_they_are_those_of_the_covariance(mean):
    rows = correlated(700, 6, mean=mean)
    found = noise_spectrum(real(rows, (1, 2, 3)), lambda variance: torch.full_like(variance, 0.25), most=4)
    assert found.eigenvalues == pytest.approx(by_numpy(np.cov(rows.T, ddof=0))[:4] / 0.25, rel=STATED)
    assert found.n == 700
    assert "700 training examples" in found.source


def test_of_each_values_own_noise_they_are_those_of_the_correlation_less_what_never_changes():
    rows = correlated(700, 6)
    rows[:, 2] = 0.3
    found = noise_spectrum(real(rows, (1, 2, 3)), lambda variance: variance, most=9)
    others = by_numpy(np.corrcoef(np.delete(rows, 2, axis=1).T))
    assert found.eigenvalues == pytest.approx([*others, 0.0], rel=STATED, abs=1e-9)


@pytest.mark.parametrize("own", [True, False], ids=["own", "one"])
def test_the_largest_of_large_images_are_those_of_all(own):
    shape, n = (3, 24, 24), 400
    noise = np.random.default_rng(1)
    rows = (noise.normal(size=(n, 5)) * [9, 6, 4, 3, 2]) @ noise.normal(size=(5, 1728)) + noise.normal(size=(n, 1728))
    rows = (rows + 10).astype(np.float32).astype(np.float64)
    rows[:, :50] = 0.1
    found = noise_spectrum(real(rows, shape), lambda v: v if own else v.mean().expand_as(v), most=5)
    kept = rows[:, 50:] - rows[:, 50:].mean(0)
    scaled = kept / (kept.std(0) if own else np.sqrt(rows.var(0).mean()))
    assert found.eigenvalues == pytest.approx(by_numpy(scaled @ scaled.T / n)[:5], rel=1e-3)
    assert "randomised" in found.source


def test_large_images_are_fewer_but_from_the_whole_split(monkeypatch):
    """Stored by class: the first examples alone would tell nothing of what sets classes apart."""
    monkeypatch.setattr(spectrum, "HELD", 120 * 1100)
    rows = np.random.default_rng(0).normal(size=(600, 1100))
    rows[300:] += 4.0
    found = noise_spectrum(real(rows, (1, 1, 1100)), lambda variance: torch.ones_like(variance), most=1)
    assert found.n == 120
    assert found.eigenvalues[0] == pytest.approx(1100 * 2.0**2, rel=0.05)


def test_what_is_drawn_has_its_own_noise():
    """Grey p = k/4 and bits of it: Cov(p) beside the variance of the bits, within 4 s.e. of n draws."""
    levels = np.random.default_rng(0).integers(0, 5, size=(20_000, 1)) * np.array([[1, 1, 0, 0]])
    levels[:, 2:] = np.random.default_rng(1).integers(0, 5, size=(20_000, 2))
    images = torch.as_tensor(levels, dtype=torch.uint8).reshape(-1, 1, 2, 2)
    data = DataSet(Source("npz", dict.fromkeys(SPLITS, images), levels=5), binarization="dynamic")
    found = noise_spectrum(data, lambda variance: variance, most=4)
    p = levels / 4
    covariance = np.cov(p.T, ddof=0)
    covariance[np.diag_indices(4)] = p.mean(0) * (1 - p.mean(0))
    exact = by_numpy(covariance / np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal())))
    error = 4 * exact[0] * np.sqrt(2 / found.n)
    assert error < 0.086
    assert exact[0] == pytest.approx(1.5, abs=0.02)
    assert found.eigenvalues == pytest.approx(exact, abs=error)


def test_it_is_the_same_again_and_leaves_torchs_stream_alone():
    data = real(np.random.default_rng(0).normal(size=(200, 1100)), (1, 1, 1100))
    state = torch.get_rng_state()
    first, second = (noise_spectrum(data, lambda variance: variance, most=3) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)


def test_no_noise_and_no_change_have_no_spectrum():
    data = real(correlated(50, 4), (1, 2, 2))
    assert noise_spectrum(data, lambda variance: None, most=2) is None
    still = DataSet(Source("npz", dict.fromkeys(SPLITS, torch.zeros(50, 1, 2, 2, dtype=torch.uint8)), levels=2))
    assert noise_spectrum(still, lambda variance: variance, most=2) is None
