"""The counting source: which scenes there are, how often, and what each label says, by counting and drawing apart."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
import torch

from vae_rd.data.base import group_sizes, uniform_entropy
from vae_rd.data.dataset import DataSet
from vae_rd.data.scenes import scenes
from vae_rd.theory.discrete import scenes_entropy

# Of the packed bits: the same on every platform, or the entropy and every number on `scenes` mean something else.
SHA256 = "ebd0a7f089865855b3bfb8812f16e8ba59597d2622bc26c14d695764e629f5e3"


@pytest.fixture(scope="module")
def source():
    return scenes()


def test_packed_images_have_the_pinned_digest(source):
    packed = np.packbits(source.images["train"].numpy())
    assert hashlib.sha256(packed.tobytes()).hexdigest() == SHA256


def test_the_count_is_uniform_and_so_are_the_scenes_of_each_count(source):
    rows = [image.tobytes() for image in source.images["train"].numpy()]
    counts = source.labels["train"]["count"].tolist()
    for count in range(5):
        times = Counter(row for row, c in zip(rows, counts, strict=True) if c == count)
        assert len(times) == math.comb(9, count) * 2**count
        assert set(times.values()) == {2016 // len(times)}
    assert len(set(rows)) == 1 + 18 + 144 + 672 + 2016  # No scene of one count is one of another.


def test_the_entropy_of_the_card_is_that_of_the_formula(source):
    exact = scenes_entropy([0.2] * 5, cells=9, shapes=2)
    entropy = DataSet(source).card.entropy["test"]
    assert (entropy.kind, entropy.value) == ("exact", pytest.approx(exact, abs=1e-12))
    assert uniform_entropy(group_sizes(source.images["train"])).value == pytest.approx(exact, abs=1e-12)


def test_labels_say_what_is_in_each_cell_and_how_many(source):
    images, labels = source.images["train"][:, 0], source.labels["train"]
    lit = torch.zeros_like(images)
    inside = {"empty": 0, "disc": 12, "square": 16}  # Pixels of each.
    words = source.params["factors"]["cell_1"]
    for cell in range(9):
        row, column = divmod(cell, 3)
        window = images[:, 1 + 5 * row : 5 + 5 * row, 1 + 5 * column : 5 + 5 * column]
        lit[:, 1 + 5 * row : 5 + 5 * row, 1 + 5 * column : 5 + 5 * column] = window
        found = [inside[words[held]] for held in labels[f"cell_{cell + 1}"]]
        assert window.flatten(1).sum(1).tolist() == found
    assert torch.equal(lit, images)  # Nothing lies between the cells.
    held = np.stack([labels[f"cell_{cell + 1}"] for cell in range(9)], 1)
    for name, kinds in (("discs", [1]), ("squares", [2]), ("count", [1, 2])):
        np.testing.assert_array_equal(labels[name], np.isin(held, kinds).sum(1))


def test_a_disc_is_a_square_without_its_corners(source):
    labels = source.labels["train"]
    alone = {name: np.flatnonzero((labels["count"] == 1) & (labels[name] == 1))[0] for name in ("discs", "squares")}
    disc, square = (source.images["train"][int(i), 0] for i in alone.values())
    assert square[1:5, 1:5].bool().all()
    assert sorted(map(tuple, (square - disc).nonzero().tolist())) == [(1, 1), (1, 4), (4, 1), (4, 4)]
