"""Blahut-Arimoto against the Bernoulli source in closed form, plain sweeps, and sources on which sweeps crawl."""

import math

import numpy as np
import pytest

from vae_rd.errors import InputError
from vae_rd.theory import blahut_arimoto as module
from vae_rd.theory.blahut_arimoto import blahut_arimoto
from vae_rd.theory.discrete import bernoulli_rate, entropy
from vae_rd.theory.toy_channel import toy_channel

from helpers.reference import plain_blahut_arimoto

HAMMING = 1 - np.eye(2)


def squared_distances(x):
    return 0.5 * np.square(x[:, None] - x[None]).sum(-1)


@pytest.mark.parametrize("p", [0.5, 0.3, 0.01])
@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0, 5.0, 700.0])
def test_bernoulli_under_hamming_distortion(p, slope):
    """R(D) = h(p) - h(D) has the slope -ln((1 - D)/D), so D = 1/(1 + e^b) where that is below min(p, 1 - p)."""
    distortion = min(1 / (1 + math.exp(slope)), p)
    point = blahut_arimoto([p, 1 - p], HAMMING, slope=slope)
    exact = bernoulli_rate(p, distortion=distortion) + slope * distortion
    assert point.rate + slope * point.distortion == pytest.approx(exact, abs=1e-10)
    assert point.distortion == pytest.approx(distortion, abs=1e-8)
    assert point.gap <= 1e-10


def test_where_a_letter_is_about_to_enter_sweeps_crawl_and_newton_does_not():
    """At b = ln(0.7/0.3) the rarer letter has q = 0 and c = 1 at once: the error of sweeps falls as 1/n."""
    p, slope = np.array([0.3, 0.7]), math.log(0.7 / 0.3)
    rate, distortion, lower = plain_blahut_arimoto(p, HAMMING, slope=slope, sweeps=2000)
    assert rate + slope * distortion - lower > 1e-7
    point = blahut_arimoto(p, HAMMING, slope=slope)
    assert point.rate + slope * point.distortion == pytest.approx(slope * 0.3, abs=1e-10)
    assert point.steps < 30


@pytest.mark.parametrize("slope", [0.7, 2.0, 8.0])
def test_plain_sweeps_end_at_the_same_point(slope):
    rng = np.random.default_rng(4)
    p, d = rng.dirichlet(np.ones(6)), rng.random((6, 4))
    rate, distortion, lower = plain_blahut_arimoto(p, d, slope=slope, sweeps=5000)
    assert rate + slope * distortion - lower < 1e-9
    point = blahut_arimoto(p, d, slope=slope)
    assert point.rate + slope * point.distortion == pytest.approx(rate + slope * distortion, abs=1e-9)
    assert point.rate == pytest.approx(rate, abs=1e-5)


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0, 100.0])
def test_the_answer_lies_within_its_own_gap(slope):
    """An unfinished answer is off by no more than it says, compared with one a million times finer."""
    x = np.random.default_rng(5).normal(size=(60, 2))
    p, d = np.full(60, 1 / 60), squared_distances(x)
    fine = blahut_arimoto(p, d, slope=slope, tolerance=1e-11)
    for tolerance in (1e-2, 1e-5):
        coarse = blahut_arimoto(p, d, slope=slope, tolerance=tolerance)
        excess = coarse.rate + slope * coarse.distortion - fine.rate - slope * fine.distortion
        assert -1e-11 <= excess <= coarse.gap + 1e-11 <= tolerance + 1e-11


def test_slope_of_the_curve():
    x = np.random.default_rng(6).normal(size=(40, 1))
    p, d = np.full(40, 1 / 40), squared_distances(x)
    below, above = (blahut_arimoto(p, d, slope=4 * f, tolerance=1e-12) for f in (0.999, 1.001))
    assert (above.rate - below.rate) / (above.distortion - below.distortion) == pytest.approx(-4, rel=1e-4)


def test_a_fine_gaussian_grid_is_reverse_water_filling():
    """N(0, 1), d = 0.5 (x - y)^2, b = 4: level 1/4, R = ln 2, E d = 1/8. Neighbouring letters nearly coincide."""
    x = np.linspace(-8, 8, 401)
    p = np.exp(-0.5 * x**2)
    point = blahut_arimoto(p / p.sum(), squared_distances(x[:, None]), slope=4.0)
    assert point.rate == pytest.approx(math.log(2), abs=1e-5)
    assert point.distortion == pytest.approx(1 / 8, abs=1e-5)


def test_letters_of_probability_1e_32_leave_the_newton_matrix_definite():
    """The same source out to 12 s.d. at b = 2: level 1/2, R = 0.5 ln 2, E d = 1/4."""
    x = np.linspace(-12, 12, 400)
    p = np.exp(-0.5 * x**2)
    point = blahut_arimoto(p / p.sum(), squared_distances(x[:, None]), slope=2.0)
    assert point.rate + 2 * point.distortion == pytest.approx(0.5 * math.log(2) + 0.5, abs=1e-9)


def test_at_a_steep_slope_the_rate_is_the_entropy():
    """Distinct letters, distortion 0 on the diagonal only: R = H(x), where exp(-b d) underflows."""
    p = toy_channel().p_x
    point = blahut_arimoto(p, np.abs(np.subtract.outer(np.arange(30.0), np.arange(30.0))), slope=1e5)
    assert (point.rate, point.distortion) == (pytest.approx(entropy(p), abs=1e-9), pytest.approx(0, abs=1e-12))


def test_letters_that_coincide_share_their_probability():
    rng = np.random.default_rng(7)
    p, d = rng.dirichlet(np.ones(8)), rng.random((8, 5))
    once, twice = (blahut_arimoto(p, table, slope=6.0) for table in (d, np.repeat(d, 3, axis=1)))
    assert twice.rate + 6 * twice.distortion == pytest.approx(once.rate + 6 * once.distortion, abs=2e-10)
    np.testing.assert_allclose(twice.reproduction.reshape(5, 3).sum(1), once.reproduction, atol=1e-4)


def test_letters_of_probability_0_and_constants_of_a_row_change_nothing():
    rng = np.random.default_rng(8)
    p, d = rng.dirichlet(np.ones(5)), rng.random((5, 4))
    point = blahut_arimoto(p, d, slope=3.0)
    padded = blahut_arimoto([*p, 0.0], np.vstack([d, 9 * d[:1]]), slope=3.0)
    raised = blahut_arimoto(p, d + 1000.0, slope=3.0)
    assert padded.rate == pytest.approx(point.rate, abs=1e-12)
    assert raised.rate == pytest.approx(point.rate, abs=1e-9)
    assert raised.distortion == pytest.approx(point.distortion + 1000, abs=1e-9)


def test_one_letter_on_either_side():
    assert blahut_arimoto([1.0], [[3.0, 2.0]], slope=50.0).distortion == pytest.approx(2, abs=1e-9)
    point = blahut_arimoto([0.4, 0.6], [[1.0], [2.0]], slope=1.0)
    assert (point.rate, point.distortion) == (pytest.approx(0, abs=1e-15), pytest.approx(1.6, abs=1e-12))


def test_refuses_bad_shapes_and_numbers():
    with pytest.raises(InputError, match="2 letters, distortion 3 rows"):
        blahut_arimoto([0.5, 0.5], np.zeros((3, 2)), slope=1.0)
    with pytest.raises(InputError, match="distortion has shape"):
        blahut_arimoto([0.5, 0.5], [0.0, 1.0], slope=1.0)
    with pytest.raises(InputError, match="inf or nan"):
        blahut_arimoto([0.5, 0.5], [[0.0, math.inf], [1.0, 0.0]], slope=1.0)
    with pytest.raises(InputError, match="slope is 0"):
        blahut_arimoto([0.5, 0.5], HAMMING, slope=0.0)
    with pytest.raises(InputError, match="p sums to"):
        blahut_arimoto([0.5, 0.6], HAMMING, slope=1.0)


def test_says_so_when_it_stops_short(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 1)
    with pytest.raises(InputError, match="stopped at a gap of"):
        blahut_arimoto([0.3, 0.7], HAMMING, slope=1.0)
