"""Scores of disentanglement on codes whose scores are known: a unit a factor, mixtures, copies, and noise."""

import math

import numpy as np
import pytest

from vae_rd.estimators import disentanglement as module
from vae_rd.estimators.disentanglement import (
    Given,
    binned,
    dci,
    entropies,
    factor_vae,
    information,
    mig,
    modularity,
    resampled,
    sap,
    scores,
)

SIZES = (3, 4, 5)
MIXING = np.array([[2, 1, -2], [2, -2, 1], [1, 2, 2]]) / 3  # Orthogonal: each unit has a part of each factor.


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(module, "VOTES", 200)


def factors(repeats=40):
    """Every combination equally often, in random order: factors that are independent to the last digit."""
    grid = np.indices(SIZES).reshape(len(SIZES), -1).T
    return np.random.default_rng(0).permutation(np.tile(grid, (repeats, 1)))


def given(codes, classes, seed=1):
    return Given(np.asarray(codes, float), classes, np.random.default_rng(seed))


def standard(classes):
    return (classes - classes.mean(0)) / classes.std(0)


def test_a_unit_a_factor_has_every_score_of_one_whatever_its_order_sign_and_scale():
    classes = factors()
    codes = np.stack([-3 * classes[:, 2], 0.1 * classes[:, 0] + 7, classes[:, 1]], 1)
    found = scores(given(codes, classes))
    shares = [np.bincount(column[1::2]).max() / len(column[1::2]) for column in classes.T]  # What a guess tells.
    assert found.pop("sap") == pytest.approx(1 - np.mean(shares), abs=0.03)
    assert all(value == pytest.approx(1, abs=1e-9) for value in found.values())


def test_units_of_noise_beside_them_change_nothing_that_should_not():
    classes = factors()
    noise = np.random.default_rng(5).normal(size=(len(classes), 2))
    found = scores(given(np.concatenate([classes, noise], 1), classes))
    for name in ("factor_vae", "disentanglement", "completeness", "informativeness"):
        assert found[name] == pytest.approx(1, abs=0.01)
    assert found["mig"] == pytest.approx(1, abs=0.03)  # Plug-in information of noise is (bins - 1)(classes - 1) / 2N.


def test_mixed_units_score_low_where_each_has_a_part_of_each_factor():
    classes = factors()
    found = scores(given(standard(classes) @ MIXING, classes))
    assert found["mig"] < 0.25
    assert found["disentanglement"] < 0.4
    assert found["completeness"] < 0.4
    assert found["informativeness"] > 0.9  # All is there, in no unit alone.


def test_two_copies_of_a_factor_leave_no_gap_and_half_of_completeness():
    classes = factors()[:, :2]
    codes = np.stack([classes[:, 0], classes[:, 0], classes[:, 1]], 1)
    both = given(codes, classes)
    assert mig(both) == pytest.approx(0.5, abs=1e-9)  # 0 of the copied one, 1 of the other.
    assert modularity(both) == pytest.approx(1, abs=1e-2)
    found = dci(both)
    assert found["disentanglement"] == pytest.approx(1, abs=1e-6)
    # The forest is free to take either copy at each split: its importances lie between one unit and an even share.
    assert 1 - 0.5 * math.log(2) / math.log(3) - 1e-9 <= found["completeness"] < 1


def test_a_unit_of_two_factors_has_the_modularity_of_its_formula():
    """A unit that is the pair of two coins says ln 2 of each: 1 - 1 / (K - 1) of K = 3, and the third factor's is 1."""
    coins = np.stack(np.unravel_index(np.arange(800) % 8, (2, 2, 2)), 1)
    codes = np.stack([2 * coins[:, 0] + coins[:, 1], coins[:, 2]], 1)
    assert modularity(given(codes, coins)) == pytest.approx((0.5 + 1) / 2, abs=1e-12)


def test_information_is_the_sum_over_the_joint_distribution():
    noise = np.random.default_rng(3)
    bins, classes = noise.integers(0, 4, (60, 2)), noise.integers(0, 3, (60, 2))
    for d, k in np.ndindex(2, 2):
        slow = 0.0
        for a in range(4):
            for b in range(3):
                p = ((bins[:, d] == a) & (classes[:, k] == b)).mean()
                of_each = (bins[:, d] == a).mean() * (classes[:, k] == b).mean()
                slow += p * math.log(p / of_each) if p else 0.0
        assert information(bins, classes)[d, k] == pytest.approx(slow, abs=1e-12)
    assert entropies(np.array([[0], [1], [2], [3]]))[0] == pytest.approx(math.log(4))


def test_noise_alone_scores_what_a_guess_does():
    classes = factors()
    noise = given(np.random.default_rng(7).normal(size=(len(classes), 4)), classes)
    assert mig(noise) < 0.01
    assert abs(sap(noise)) < 0.03
    votes = factor_vae(noise)
    # A guess among three, and four standard errors of VOTES that are tested.
    assert abs(votes - 1 / 3) < 4 * math.sqrt(2 / 9 / module.VOTES)


def test_a_code_that_is_constant_says_nothing_and_has_no_modularity():
    classes = factors(4)
    still = given(np.ones((len(classes), 2)), classes)
    assert binned(still.codes).max() == 0
    assert mig(still) == 0
    assert math.isnan(modularity(still))
    assert math.isnan(factor_vae(still))
    assert [math.isnan(value) for value in dci(still).values()] == [True, True, False]


def test_a_single_unit_has_no_completeness_and_the_disentanglement_of_its_importances():
    classes = factors()
    found = dci(given(classes[:, :1], classes[:, :2]))
    assert math.isnan(found["completeness"])
    assert 0 <= found["disentanglement"] <= 1


def test_no_example_of_a_bootstrap_draw_is_learned_from_and_tested(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "scores", lambda one: seen.append(one.codes[:, 0]) or {"mig": 0.0})
    codes = np.arange(40.0)[:, None]
    resampled(given(codes, factors()[:40]), repeats=5)
    for drawn in seen:
        assert len(drawn) == 40
        assert not set(drawn[::2]) & set(drawn[1::2])


def test_a_unit_that_hardly_moves_has_no_vote():
    """Where it moves for a few examples alone, it is still in nearly every group, and would have all votes."""
    classes = factors()
    blurred = classes + 0.1 * np.random.default_rng(2).normal(size=classes.shape)
    for collapsed in (np.zeros(len(classes)), 1e-4 * (np.arange(len(classes)) < 5)):
        assert factor_vae(given(np.column_stack([blurred, collapsed]), classes)) == 1


def test_classes_of_one_example_have_no_vote():
    """Nothing varies there, so that the first unit would have every vote: here that of the wrong factor."""
    classes = factors()[:, :2]
    alone = np.arange(len(classes))  # A factor every value of which has one example.
    codes = classes + 0.1 * np.random.default_rng(2).normal(size=classes.shape)
    assert factor_vae(given(codes, np.column_stack([classes, alone]))) == 1
    rare = classes.copy()
    rare[:9, 1] = 4 + np.arange(9)  # Nine values of one example beside four of many.
    assert factor_vae(given(codes, rare)) > 0.99
    assert math.isnan(factor_vae(given(codes, np.column_stack([alone, alone]))))


def test_the_bootstrap_s_spread_is_that_over_samples(monkeypatch):
    monkeypatch.setattr(module, "scores", lambda one: {"mig": mig(one)})

    def sample(seed):
        classes = np.random.default_rng(seed).integers(0, SIZES, (400, 3))
        blurred = standard(classes) @ MIXING + 0.3 * np.random.default_rng(seed + 500).normal(size=(400, 3))
        return given(blurred, classes, seed)

    values = [mig(sample(seed)) for seed in range(150)]
    errors = [resampled(sample(seed), repeats=20)["mig"] for seed in range(10)]
    # A spread of 150 is known to 6 %; the bootstrap of a plug-in number repeats its bias, not its spread.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.35)
