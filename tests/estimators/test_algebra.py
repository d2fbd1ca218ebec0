"""Sums of codes where their answers are known: codes that add up, codes that do not, and who may be asked."""

from itertools import permutations, product

import numpy as np
import pytest

from vae_rd.data.scenes import scenes
from vae_rd.data.sprites import sprites
from vae_rd.estimators.algebra import (
    attribute_weights,
    changed,
    combined,
    edits,
    outcomes,
    own,
    quadruples,
    thickness,
)
from vae_rd.estimators.judges import classifier, nearest

SIZES = (3, 4, 5, 6)


@pytest.fixture(scope="module")
def grid():
    """Every combination of four attributes once, in random order."""
    return np.random.default_rng(9).permutation(np.indices(SIZES).reshape(len(SIZES), -1).T)


def there(classes):
    return frozenset(map(tuple, classes.tolist()))


def added(classes, dims=7):
    """Codes that add up: a random vector for each class of each attribute, and their sum."""
    noise = np.random.default_rng(3)
    return sum(noise.normal(size=(column.max() + 1, dims))[column] for column in classes.T)


def told(codes, sums, classes):
    """Classes of the example whose code is nearest to each sum."""
    return classes[nearest(sums, [codes])]


def shares(codes, classes, seed=0):
    """Shares of edits and of analogies that are right; vectors are of every other example, edits of the rest."""
    noise = np.random.default_rng(seed)
    asked, weights = edits(classes[::2], classes[1::2], there(classes), 200, noise)
    edited = codes[1::2][asked.places[:, 0]] + weights @ codes[::2]
    four = quadruples(classes, there(classes), 100, noise)
    a, b, c = (codes[places] for places in four.places.T)
    return {
        "edit": outcomes(told(codes, edited, classes), asked)["right"].mean(),
        "analogy": outcomes(told(codes, a - b + c, classes), four)["right"].mean(),
        "another's": outcomes(told(codes, np.roll(a - b, 1, 0) + c, classes), four)["right"].mean(),
        "n": (len(asked.places), len(four.places)),
    }


def test_all_sums_of_codes_that_add_up_are_right(grid):
    found = shares(added(grid), grid)
    assert found["n"][0] > 150
    assert found["n"][1] > 60
    assert found["edit"] == found["analogy"] == 1
    assert found["another's"] < 0.15


def test_sums_of_codes_that_are_given_out_at_random_are_right_by_chance(grid):
    """The same codes, each of another image: what an image has in common with others its code has not."""
    found = shares(np.random.default_rng(5).permutation(added(grid, dims=24)), grid)
    assert found["edit"] < 0.05
    assert found["analogy"] < 0.05


def test_vectors_go_from_mean_to_mean_of_examples_that_agree_in_all_else():
    noise = np.random.default_rng(0)
    classes, codes = noise.integers(0, 3, (60, 3)), noise.normal(size=(60, 4))
    for old, new in permutations(range(3), 2):
        differences = []
        for rest in product(range(3), repeat=2):
            of = [codes[(classes[:, 1] == v) & (classes[:, [0, 2]] == rest).all(1)] for v in (old, new)]
            if all(map(len, of)):
                differences.append(of[1].mean(0) - of[0].mean(0))
        weights = attribute_weights(classes[:, 1], combined(classes[:, [0, 2]]), old, new)
        np.testing.assert_allclose(weights @ codes, np.mean(differences, 0), atol=1e-12)
    assert attribute_weights(np.array([0, 1]), np.array([0, 1]), 0, 1) is None  # No two agree in all else.


def test_a_vector_leaves_alone_what_goes_with_its_attribute():
    """Of the class 1 of the first attribute there are mostly 1s of the second: a mean of all would change both."""
    classes = np.array([[0, 0]] * 6 + [[0, 1]] * 2 + [[1, 0]] + [[1, 1]] * 9)
    (_, weights) = edits(classes, np.array([[0, 0]] * 20), there(classes), 20, np.random.default_rng(0))
    moves = weights @ classes
    assert {tuple(move.round(12)) for move in moves} == {(1.0, 0.0), (0.0, 1.0)}


def test_quadruples_are_analogies_and_share_no_example(grid):
    asked = quadruples(grid, there(grid), 1000, np.random.default_rng(1))
    assert len(asked.places) > 80
    assert len(np.unique(asked.places)) == asked.places.size
    for (a, b, c), k, wanted in zip(asked.places, asked.attribute, asked.wanted, strict=True):
        assert np.flatnonzero(grid[a] != grid[b]).tolist() == [k]
        assert grid[b, k] == grid[c, k]
        assert tuple(wanted) == changed(grid[c], k, grid[a, k])
        assert tuple(wanted) != tuple(grid[a])
    assert set(asked.attribute) == set(range(4))


def test_no_sum_asks_for_what_does_not_exist():
    columns = list(sprites().labels["train"].values())
    classes = np.stack(columns, 1)
    noise, exists = np.random.default_rng(2), there(classes)
    asked, weights = edits(classes[::2], classes[1::2], exists, 300, noise)
    four = quadruples(classes, exists, 300, noise)
    assert there(asked.wanted) | there(four.wanted) <= exists
    assert len(four.places) == 300
    assert 2 in asked.attribute  # Rotations: eight of a heart, two of a square.
    assert weights.sum(1) == pytest.approx(0, abs=1e-9)
    assert np.abs(weights).sum(1) == pytest.approx(2)


def test_attributes_that_are_functions_of_others_are_left_out():
    labels = scenes().labels["train"]
    kept = own(np.stack(list(labels.values()), 1))
    assert [list(labels)[k] for k in kept] == [f"cell_{i}" for i in range(1, 10)]
    columns = np.stack(list(sprites().labels["train"].values()), 1)
    assert own(columns) == [0, 1, 2, 3, 4]
    assert own(np.stack([columns[:, 0], columns[:, 0]], 1)) == [1]


def test_nothing_is_asked_where_nothing_can_change_alone():
    alone = np.arange(12)[:, None].repeat(2, 1)
    noise = np.random.default_rng(0)
    assert len(quadruples(alone, there(alone), 9, noise).places) == 0
    asked, weights = edits(alone, alone, there(alone), 9, noise)
    assert (len(asked.places), weights.shape) == (0, (0, 12))


@pytest.mark.parametrize(("width", "length"), [(1, 9), (2, 7), (3, 3)])
def test_thickness_is_that_of_a_line(width, length):
    images = np.zeros((2, 12, 12))
    images[0, 1 : 1 + width, 2 : 2 + length] = 1
    assert thickness(images).tolist() == pytest.approx([1 / (1 / width + 1 / length), 0])
    assert thickness(images / 2)[0] == pytest.approx(thickness(images)[0])  # Paler ink is no thinner.


def test_the_nearest_is_that_of_all_distances():
    noise = np.random.default_rng(0)
    images, candidates = noise.normal(size=(20, 5)), noise.normal(size=(33, 5))
    distances = ((images[:, None] - candidates) ** 2).sum(-1)
    parts = [candidates[:10], candidates[10:31], candidates[31:]]
    assert nearest(images, parts).tolist() == distances.argmin(1).tolist()
    own_distances = ((candidates[:, None] - candidates) ** 2).sum(-1) + np.diag(np.full(33, np.inf))
    assert nearest(candidates, parts, but_itself=True).tolist() == own_distances.argmin(1).tolist()


def test_a_classifier_tells_what_no_line_does():
    x = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    ring = (np.hypot(*x.T) > 0.7).astype(np.int64)
    assert (classifier(x[:200], ring[:200])(x[200:]) == ring[200:]).mean() > 0.93
