"""What Python hands over as data is what it says it is, or one line says what is wrong."""

import math
import re

import numpy as np
import pytest
import torch

from vae_rd.data.base import Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.own import bits, data_of

WRONG_SOURCES = {
    "pixels beyond levels": (torch.arange(10).repeat(20, 8).reshape(20, 1, 8, 10), 2, "holds 0 to 9; with levels=2"),
    "negative counts": (-torch.ones(9, 1, 2, 2, dtype=torch.int64), 256, "holds -1 to -1; with levels=256"),
    "real values as counts": (torch.rand(9, 1, 2, 2), 256, "more than whole numbers"),
    "counts without levels": (bits(9, 1, 2, 2), None, "holds uint8; say with levels="),
    "sequences of vectors": (torch.rand(9, 5, 20), None, "is [9, 5, 20]; give [N, C, H, W]"),
    "six axes": (torch.rand(9, 1, 4, 4, 4, 4), None, "is [9, 1, 4, 4, 4, 4]; give [N, C, H, W]"),
    "nothing": (torch.rand(0, 1, 4, 4), None, "is [0, 1, 4, 4]; give [N, C, H, W]"),
    "nan": (torch.full((9, 1, 2, 2), math.nan), None, "nan or infinite"),
    "nan as counts": (torch.full((9, 1, 2, 2), math.nan), 2, "more than whole numbers"),
    "masked values": (
        np.ma.masked_equal(np.arange(36).reshape(9, 1, 2, 2), 5),
        256,
        "has 1 masked values; give each a",
    ),
    "a sparse tensor": (bits(9, 1, 2, 2).to_sparse(), 2, "is a sparse, quantised or meta tensor; give a dense one"),
    "a tensor without data": (bits(9, 1, 2, 2).to("meta"), 2, "is a sparse, quantised or meta tensor"),
    "a list": ([[0, 1]], 2, "is a list; give a tensor or array of numbers"),
    "text": (np.array(["a"]), 2, "is a array of <U1; give a tensor or array of numbers"),
    "levels of 1": (bits(9, 1, 2, 2), 1, "levels is 1; give 2 for binary"),
    "levels as text": (bits(9, 1, 2, 2), "2", "levels is '2'; give 2 for binary"),
    "doubles beyond singles": (torch.full((9, 1, 2, 2), 1e300, dtype=torch.float64), None, "beyond single precision"),
}


@pytest.mark.parametrize("name", WRONG_SOURCES)
def test_pixels_that_are_not_what_they_are_said_to_be_are_refused(name):
    pixels, levels, words = WRONG_SOURCES[name]
    with pytest.raises(InputError, match=re.escape(words)):
        data_of(pixels, levels)


WRONG_FACTS = {
    "a name of no word": (Source("a\nb", {}, levels=2), {}, "give a word"),
    "params that are no JSON": (Source("a", {}, levels=2, params={"x": np.zeros(2)}), {}, "go into a record as JSON"),
    "a split of one image": (Source("a", dict.fromkeys(SPLITS, bits(1, 1, 2, 2)), levels=2), {}, "has 1 image; give 2"),
    "a population of three splits": (
        Source("a", {split: bits(9, 1, 2, 2) for split in SPLITS}, levels=2, population=True),
        {},
        "a population is all in images['train']; leave out val, test",
    ),
    "another binarization": (Source("a", {}, levels=2), {"binarization": "dynamik"}, "choose one of none, static, dyn"),
    "another dequantization": (Source("a", {}, levels=2), {"dequantize": "gaussian"}, "choose one of none, uniform"),
    "both": (Source("a", {}, levels=2), {"dequantize": "uniform", "binarization": "static"}, "no bins to fill"),
    "no images": (Source("a", {}, levels=2), {"n_train": 0}, "n_train is 0; give a whole number from 2 on"),
    "images by halves": (Source("a", {}, levels=2), {"n_test": 9.0}, "n_test is 9.0; give a whole number from 2 on"),
    "a seed below 0": (Source("a", {}, levels=2), {"data_seed": -1}, "data_seed is -1; give a whole number from 0 on"),
    "grey draws": (UnlimitedSource("a", "grey", lambda n, noise: torch.zeros(n, 1, 1, 2)), {}, "support is 'grey'; ch"),
    "entropy as a number": (
        UnlimitedSource("a", "real", lambda n, noise: torch.zeros(n, 1, 1, 2), entropy=3.0),
        {},
        "entropy is 3.0; give vae_rd.data.base.Entropy",
    ),
    "chance of its own": (
        UnlimitedSource("a", "real", lambda n, noise: torch.rand(n, 1, 1, 2)),
        {},
        "two draws from one seed differ",
    ),
}


@pytest.mark.parametrize("name", WRONG_FACTS)
def test_a_source_or_a_setting_that_is_none_is_refused(name):
    source, settings, words = WRONG_FACTS[name]
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        DataSet(source, **settings)
    assert "\n" not in str(refusal.value)


def test_splits_of_several_shapes_missing_splits_and_wrong_labels_are_refused():
    images = {"train": bits(9, 1, 2, 2), "val": bits(9, 1, 2, 2), "test": bits(9, 1, 2, 3)}
    with pytest.raises(InputError, match="shapes of an image differ"):
        DataSet(Source("mine", images, levels=2))
    with pytest.raises(InputError, match="images has no val; give train, val, test"):
        DataSet(Source("mine", {"train": images["train"], "test": images["val"]}, levels=2))
    with pytest.raises(InputError, match="images has 'validation', which is no split; give train, val, test"):
        DataSet(Source("mine", {**dict.fromkeys(SPLITS, bits(9, 1, 2, 2)), "validation": bits(9, 1, 2, 2)}, levels=2))
    square = dict.fromkeys(SPLITS, bits(9, 1, 2, 2))
    with pytest.raises(InputError, match=re.escape("labels['val']['digit'] has 8 of 9 labels")):
        DataSet(Source("mine", square, levels=2, labels={"val": {"digit": np.zeros(8)}}))
    with pytest.raises(InputError, match="labels has 'valid', which is no split"):
        DataSet(Source("mine", square, levels=2, labels={"valid": {"digit": np.zeros(9)}}))
    with pytest.raises(InputError, match="give labels by split and factor"):
        DataSet(Source("mine", square, levels=2, labels={"val": np.zeros(9)}))


@pytest.mark.parametrize(
    "pixels",
    [
        bits(9, 1, 2, 2).to(torch.int64),
        bits(9, 1, 2, 2).to(torch.bool),
        bits(9, 1, 2, 2).to(torch.float16),
        bits(9, 1, 2, 2).numpy(),
        bits(9, 1, 2, 2).numpy().astype(">u2"),
        bits(9, 1, 2, 2).numpy().astype(np.longdouble),
        np.ma.masked_array(bits(9, 1, 2, 2).numpy()),
    ],
)
def test_whole_numbers_of_any_type_are_counts(pixels):
    data = data_of(pixels)
    assert data.pixels["train"].dtype == torch.uint8
    assert data.card.support == "binary"
    assert np.array_equal(data.evaluation_chunk("train", 0).numpy(), np.asarray(pixels, dtype=np.float32))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (lambda n, noise: torch.randn(n, 4, generator=noise), "gives [10000, 4]; let it give [n, C, H, W]"),
        (lambda n, noise: torch.full((n, 1, 1, 4), math.nan), "nan or infinite"),
    ],
)
def test_draws_that_are_no_images_are_refused(rows, words):
    with pytest.raises(InputError, match=re.escape(words)):
        DataSet(UnlimitedSource("mine", "real", rows), n_test=50)
    with pytest.raises(InputError, match="holds 0 to 2; with levels=2"):
        DataSet(UnlimitedSource("mine", "binary", lambda n, noise: torch.arange(3).repeat(n, 1)[:, None, None]))
