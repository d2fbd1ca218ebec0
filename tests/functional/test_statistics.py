"""Standard errors against the covariances that they sum."""

import math

import pytest
import torch

from vae_rd.functional.statistics import stderr_along_cycle

pytestmark = pytest.mark.usefixtures("float64")


def test_neighbours_along_a_cycle_are_counted_and_the_estimate_has_no_bias():
    """v_i = a_i + c a_{i-1} of N(0, 1): var 1 + c^2, covariance c, and n se^2 = (1 + c)^2."""
    for c, n in ((0.5, 10), (0.5, 50), (-0.3, 200)):
        a = torch.randn(2000, n)
        squares = torch.tensor([stderr_along_cycle(row) ** 2 for row in a + c * a.roll(1, 1)])
        spread = squares.std().item() / math.sqrt(len(squares))
        assert 4 * spread < 0.13 * (1 + c) ** 2 / n
        above = 0.05 if n == 10 else 0.0  # Where some estimates are not positive, and the most stands in their place.
        assert -4 * spread < squares.mean().item() - (1 + c) ** 2 / n < 4 * spread + above / n


def test_of_few_values_it_is_the_most_that_it_can_be():
    values = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert stderr_along_cycle(values) == pytest.approx(math.sqrt(2 * 1.2 / 6))
    assert stderr_along_cycle(values[:2]) == pytest.approx(math.sqrt(2.0))
    assert math.isnan(stderr_along_cycle(values[:1]))
    assert math.isnan(stderr_along_cycle(torch.tensor([1.0, 2.0, math.nan, 4.0, 5.0])))
