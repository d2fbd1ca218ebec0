"""Entropies by counting and enumeration, and the toy channel's published numbers."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import integrate, stats

from vae_rd.errors import InputError
from vae_rd.theory import discrete
from vae_rd.theory.toy_channel import PROBABILITY, SEPARATION, toy_channel


def plug_in_entropy(counts):
    total = sum(counts)
    return -sum(c / total * math.log(c / total) for c in counts)


def test_entropy_is_that_of_scipy():
    p = np.random.default_rng(0).dirichlet(np.ones(50))
    assert discrete.entropy(p) == pytest.approx(stats.entropy(p), abs=1e-13)
    assert discrete.entropy([1.0, 0.0]) == 0.0


def test_binary_entropy_is_that_of_two_letters():
    for p in (0.0, 1e-12, 0.3, 0.5, 1.0):
        assert discrete.binary_entropy(p) == pytest.approx(discrete.entropy([p, 1 - p]), abs=1e-15)


def test_bernoulli_rate_ends_at_its_limits():
    assert discrete.bernoulli_rate(0.3, distortion=0.0) == discrete.binary_entropy(0.3)
    assert discrete.bernoulli_rate(0.7, distortion=0.3 - 1e-9) == pytest.approx(0.0, abs=1e-8)
    assert [discrete.bernoulli_rate(p, distortion=d) for p, d in ((0.3, 0.3), (0.7, 0.4), (0.0, 0.0))] == [0, 0, 0]


def test_duplicates_are_counted():
    words = "".join(np.random.default_rng(0).choice(list("abcdefgh"), 500))
    counts = Counter(words[i : i + 2] for i in range(0, 500, 2)).values()
    assert discrete.duplicates_entropy(list(counts)) == pytest.approx(plug_in_entropy(counts), abs=1e-12)


def test_dsprites_grid():
    """46,080 points, of which 14 pairs coincide (truth.md section 3)."""
    assert discrete.duplicates_entropy([2] * 14 + [1] * 46_052) == pytest.approx(10.737713, abs=5.1e-7)


def test_scenes_by_enumeration():
    p, cells, shapes = [0.2, 0.5, 0.0, 0.3], 4, 2
    scenes = [
        p[c] / (math.comb(cells, c) * shapes**c)
        for c in range(4)
        for _ in itertools.product(itertools.combinations(range(cells), c), itertools.product(range(shapes), repeat=c))
    ]
    assert sum(scenes) == pytest.approx(1, abs=1e-12)
    assert discrete.scenes_entropy(p, cells=cells, shapes=shapes) == pytest.approx(discrete.entropy(scenes), abs=1e-12)
    padded = [*p, 0.0, 0.0]
    assert discrete.scenes_entropy(padded, cells=cells, shapes=shapes) == pytest.approx(discrete.entropy(scenes))


def test_toy_channel_has_the_published_numbers():
    channel = toy_channel()
    assert channel.entropy == pytest.approx(2.8970623, abs=5.1e-8)
    assert channel.information == pytest.approx(0.5, abs=5.1e-8)
    assert channel.entropy_z == pytest.approx(0.6108643, abs=5.1e-8)


def test_toy_channel_masses_are_integrals_of_the_normal_density():
    channel, half = toy_channel(), SEPARATION / 2
    edges = [-np.inf, *channel.edges, np.inf]
    assert len(edges) == 31
    assert np.allclose(np.diff(channel.edges), (SEPARATION + 8) / 30, atol=1e-12)
    for row, centre in zip(channel.p_x_given_z, (-half, half), strict=True):
        density = stats.norm(centre).pdf
        masses = [integrate.quad(density, a, b, epsabs=1e-300)[0] for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(row, masses, rtol=1e-9)
        assert row.sum() == pytest.approx(1, abs=1e-14)
    assert channel.p_z.tolist() == [1 - PROBABILITY, PROBABILITY]


def test_toy_channel_information_is_that_of_the_joint_table():
    channel = toy_channel(probability=0.4, separation=1.5, bins=9)
    joint = channel.p_z[:, None] * channel.p_x_given_z
    expected = (joint * np.log(joint / np.outer(joint.sum(1), joint.sum(0)))).sum()
    assert channel.information == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("p", [[0.5, 0.6], [1.5, -0.5], [], [math.nan, 1.0]])
def test_refuses_what_is_no_mass_function(p):
    with pytest.raises(InputError, match=r"^p "):
        discrete.entropy(p)


def test_refuses_what_is_out_of_range():
    with pytest.raises(InputError, match=r"p is 1\.1"):
        discrete.binary_entropy(1.1)
    with pytest.raises(InputError, match=r"distortion is -0\.1"):
        discrete.bernoulli_rate(0.5, distortion=-0.1)
    with pytest.raises(InputError, match="group_sizes"):
        discrete.duplicates_entropy([1.5, 1])
    with pytest.raises(InputError, match="3 sprites do not fit"):
        discrete.scenes_entropy([0.5, 0.0, 0.0, 0.5], cells=2, shapes=1)
    with pytest.raises(InputError, match="probability is 1"):
        toy_channel(probability=1.0)
