"""The bound of docs/nonconvex.md against what codes of parities cost: independent pixels, any q(u|z)."""

import math
import sys

import numpy as np
import pytest

from helpers.common import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from nonconvex import BITS, least_distortion, parities


def costs(posterior: np.ndarray) -> tuple[float, float]:
    """R = I and D of the best decoder of independent pixels, for q(u|z) of equally likely z, [Z, words]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        information = BITS * math.log(2) + np.nan_to_num(posterior * np.log(posterior)).sum(1).mean()
        p = np.stack([posterior @ parities(BITS), 1 - posterior @ parities(BITS)])
        distortion = -np.nan_to_num(p * np.log(p)).sum((0, 2)).mean()
    return information, distortion


def test_pixels_are_pairwise_independent_fair_coins():
    signs = 1.0 - 2 * parities(BITS)
    np.testing.assert_array_equal(signs.T @ signs, 64 * np.eye(63))
    assert not signs.sum(0).any()


@pytest.mark.parametrize("concentration", [1e-3, 0.03, 0.3, 3.0])
def test_no_code_is_below_the_line(concentration):
    posterior = np.random.default_rng(0).dirichlet(np.full(64, concentration), size=50)
    rate, distortion = costs(posterior)
    assert distortion > least_distortion(rate) - 1e-9


@pytest.mark.parametrize("erased", [0.0, 0.25, 1.0])
def test_a_code_that_erases_is_on_the_line(erased):
    known, nothing = costs(np.eye(64)), costs(np.full((1, 64), 1 / 64))
    rate, distortion = (erased * b + (1 - erased) * a for a, b in zip(known, nothing, strict=True))
    assert distortion == pytest.approx(least_distortion(rate), abs=1e-9)


def test_bits_told_one_by_one_are_far_above_it():
    """Knowing j of 6 bits settles 2^j - 1 of 63 pixels: D = (64 - 2^j) ln 2, bent inward."""
    for told in range(BITS + 1):
        groups = np.kron(np.eye(2**told), np.full((1, 64 // 2**told), 2.0**told / 64))
        rate, distortion = costs(groups)
        assert rate == pytest.approx(told * math.log(2))
        assert distortion == pytest.approx((64 - 2**told) * math.log(2), abs=1e-9)
