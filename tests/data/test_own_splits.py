"""Splits and labels of one's own: as arrays and folders are named, and what is missing is said."""

import numpy as np
import pytest
import torch

from vae_rd.data.files import npz
from vae_rd.data.folders import layout
from vae_rd.data.splits import split_source
from vae_rd.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 3, 4)).astype(np.uint8)
IMAGES[:, 0, 0] = np.arange(60)  # Each image says which one it is.
IMAGES[0, 2, 2] = 255


def source(folder, **arrays):
    np.savez(folder / "own.npz", **arrays)
    return npz(folder / "own.npz")


def who(source, split):
    return sorted(source.images[split][:, 0, 0, 0].tolist())


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("x_train", "x_valid", "x_test"),
        ("X_train", "X_dev", "X_test"),
        ("train_images", "validation_images", "testing_images"),
        ("images-Train", "images-Validation", "images-Test"),
        ("data.train", "data.val", "data.test"),
    ],
)
def test_arrays_of_these_names_are_the_split(tmp_path, names):
    parts = dict(zip(names, (IMAGES[:40], IMAGES[40:50], IMAGES[50:]), strict=True))
    found = source(tmp_path, **parts)
    assert [who(found, s) for s in ("train", "val", "test")] == [
        list(range(40)), list(range(40, 50)), list(range(50, 60))
    ]  # fmt: skip
    assert torch.equal(found.images["train"][:, 0], torch.tensor(IMAGES[:40]))
    assert found.params["split"] == "as it comes: train, val, test"


def test_a_missing_val_is_taken_from_train_and_never_from_test(tmp_path):
    found = source(tmp_path, x_train=IMAGES[:40], y_train=np.arange(40), x_test=IMAGES[40:], y_test=np.arange(40, 60))
    assert who(found, "test") == list(range(40, 60))
    assert len(who(found, "val")) == 4
    assert sorted(who(found, "train") + who(found, "val")) == list(range(40))
    assert found.params["split"] == "as it comes: train, test; val is a random tenth of train"
    for split, images in found.images.items():
        assert found.labels[split]["label"].tolist() == images[:, 0, 0, 0].tolist()


def test_a_missing_test_is_taken_from_train_too(tmp_path):
    found = source(tmp_path, train=IMAGES[:40], val=IMAGES[40:])
    assert who(found, "val") == list(range(40, 60))
    assert len(who(found, "test")) == 4
    assert sorted(who(found, "train") + who(found, "test")) == list(range(40))


def test_train_alone_is_split_as_images_are(tmp_path):
    named, plain = source(tmp_path, x_train=IMAGES), source(tmp_path, images=IMAGES)
    assert all(torch.equal(named.images[split], plain.images[split]) for split in plain.images)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"test": IMAGES}, "has no array images; it holds ['test']; name the array images, or train"),
        ({"train": IMAGES, "val": IMAGES, "valid": IMAGES}, "val and valid are one split by their names"),
        ({"images": IMAGES, "train": IMAGES}, "it holds images and train; keep images, or the splits"),
        ({"x_train": IMAGES, "x_test": IMAGES, "y_train": np.arange(60)}, "images of train, test, but labels of train"),
        ({"train": IMAGES, "test": IMAGES / 255}, "give images of one size and type"),
        ({"train": IMAGES, "test": IMAGES[:, :2]}, "give images of one size and type"),
        ({"train": IMAGES * 1.0, "test": IMAGES / 255}, "train has values 0..255 of 256 levels, another split real"),
        ({"train": IMAGES, "val": IMAGES[:1], "test": IMAGES}, "val holds 1 images; give at least 2"),
        ({"train": IMAGES[:19], "test": IMAGES}, "19 images are too few to split val off train; give at least 20"),
        (
            {"x_train": IMAGES, "x_test": IMAGES, "y_train": np.arange(60), "y_test": np.arange(60).astype(str)},
            "hold labels of several kinds",
        ),
    ],
)
def test_splits_of_no_plain_meaning_are_refused(tmp_path, arrays, fault):
    with pytest.raises(InputError) as refused:
        source(tmp_path, **arrays)
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)


def test_vectors_are_images_of_one_row(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 7))
    found = source(tmp_path, images=values)
    assert found.images["train"].shape == (32, 1, 1, 7)
    stored = torch.cat([found.images[split] for split in ("train", "val", "test")])[:, 0, 0]
    assert torch.equal(stored.sort(0).values, torch.tensor(values, dtype=torch.float32).sort(0).values)


@pytest.mark.parametrize(
    ("labels", "factors"),
    [
        (np.arange(60) // 20 * 1.0, {"label": [0, 1, 2]}),
        (np.array([b"cat", "é".encode()] * 30), {"label": ["cat", "é"]}),
        (np.arange(60)[:, None] % 2, {"label": [0, 1]}),
        (np.arange(60).astype(">i2") % 3, {"label": [0, 1, 2]}),
        (np.stack([np.arange(60) % 2, np.arange(60) // 30 + 5], 1), {"label_0": [0, 1], "label_1": [5, 6]}),
        (np.array([(0, "x"), (1, "y")] * 30, dtype=[("n", int), ("s", "U1")]), {"n": [0, 1], "s": ["x", "y"]}),
    ],
)
def test_labels_of_plain_meaning_are_factors(tmp_path, labels, factors):
    found = source(tmp_path, images=IMAGES, labels=labels)
    assert found.params["factors"] == factors
    for split, images in found.images.items():
        for number, name in enumerate(factors):
            column = labels[name] if labels.dtype.names else labels.reshape(60, -1)[:, number]
            wanted = [v.decode() if isinstance(v, bytes) else v for v in column[images[:, 0, 0, 0]].tolist()]
            assert [factors[name][code] for code in found.labels[split][name]] == wanted


def test_arrays_that_nobody_reads_are_said(tmp_path):
    found = source(tmp_path, images=IMAGES, weights=np.ones(60), y=np.arange(60))
    assert found.params["notes"] == ["arrays left out: weights, y"]
    assert found.params["file"] == "own.npz"


K = IMAGES / 255
SCALES = {
    "symmetric and not": (
        (2 * K - 1, K),
        ["train has values -1 to 1 in 255 steps of 256 levels, test has values k/255", "or add --levels 511"],
    ),
    "scaled and not": ((K, 255 * K), ["train has values k/255 of 256 levels, another split real values"]),
}


@pytest.mark.parametrize("name", SCALES)
def test_splits_of_which_one_has_been_scaled_are_refused(tmp_path, name):
    (train, test), words = SCALES[name]
    with pytest.raises(InputError) as refused:
        source(tmp_path, train=np.concatenate([train, [IMAGES[0] * 0 + train.min()]]), test=test)
    assert "scale all splits alike" in str(refused.value)
    assert all(word in str(refused.value) for word in words)


def test_the_remedies_of_splits_on_two_grids_are_taken(tmp_path):
    np.savez(tmp_path / "own.npz", train=2 * K - 1, test=K)
    assert npz(tmp_path / "own.npz", levels=511).images["test"].min() == 255, "the user's word that 0 is grey"
    found = source(tmp_path, train=K, test=K)
    assert found.levels == 256
    assert torch.equal(found.images["test"][:, 0], torch.tensor(IMAGES))


@pytest.mark.parametrize("train", [2 * K - 1, K - 0.5, K, IMAGES * 1.0])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_split_of_few_of_the_levels_is_no_other_scale(tmp_path, train, rows):
    """Black, white and half of one image tell nothing of the grid."""
    few = np.stack([np.where(IMAGES[0] > 127, train.max(), train.min()), train[0]][:rows] * 3)
    assert source(tmp_path, train=train, test=few).levels == 256


@pytest.mark.parametrize(
    ("folders", "splits", "labels"),
    [
        (
            [("Train", "a"), ("TEST", "b"), ("validation", "a")],
            {"train": [0], "test": [1], "val": [2]},
            ["a", "b", "a"],
        ),
        ([("training",), ("testing",)], {"train": [0], "test": [1]}, None),
        ([("all", "train", "a"), ("all", "dev", "b")], {"train": [0], "val": [1]}, ["a", "b"]),
        ([("cats", "train"), ("dogs", "test")], {"train": [0], "test": [1]}, ["cats", "dogs"]),
        ([("train", "a"), ("train", "b")], {"train": [0, 1]}, ["a", "b"]),
        ([("training", "train", "a"), ("training", "test", "a")], {"train": [0], "test": [1]}, ["a", "a"]),
        ([("all", "train"), ("all", "train")], {"train": [0, 1]}, None),
        ([("a", "x"), ("b", "y"), ()], {}, ["a", "b", ""]),
        ([("one",), ("one",)], {}, ["one", "one"]),
        ([(), ()], {}, None),
    ],
)
def test_folders_of_these_names_are_the_split(folders, splits, labels):
    found, named = layout(folders, where="here")
    assert {split: index.tolist() for split, index in found.items()} == splits
    assert (named if named is None else named.tolist()) == labels


@pytest.mark.parametrize(
    ("folders", "fault"),
    [
        ([("train",), ("cats",)], "here: folders train name splits, but images are in cats too; move"),
        ([("train", "val"), ("train", "x")], "folders val name splits, but images are in x too"),
        ([("test",), ("test",)], "here: test without train; add a folder train, or give one of them itself"),
        ([("train",), ()], "images are in none too"),
        ([("test",), ("val",)], "here: test, val without train; add a folder train"),
        ([("train",), ("val",), ("valid",)], "val and valid are one split by their names"),
    ],
)
def test_folders_that_split_in_part_are_refused(folders, fault):
    with pytest.raises(InputError) as refused:
        layout(folders, where="here")
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[::-1],
        lambda a: a[:, :, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], a.shape),
    ],
    ids=["plain", "backwards", "mirrored", "by columns", "repeated"],
)
@pytest.mark.parametrize("shape", [(6, 4, 5), (6, 4, 5, 3)], ids=str)
def test_arrays_however_they_lie_in_memory_are_copied_as_they_are(shape, view, recwarn):
    images = view(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
    where = {"train": slice(0, 4), "val": np.array([5, 4]), "test": slice(2, 6)}
    made = split_source("mine", images, where=where, levels=256, factors={}, params={})
    for split, part in where.items():
        expected = images[part][:, None] if images.ndim == 3 else images[part].transpose(0, 3, 1, 2)
        assert made.images[split].numpy().tolist() == expected.tolist()
        assert made.images[split].is_contiguous()
        assert not np.may_share_memory(made.images[split].numpy(), images)
    assert not recwarn.list
