"""Real handwriting out of scikit-learn's folder: what the file says, H of it by hand, and no import of scikit-learn."""

import gzip
import hashlib
import importlib.util
import math
import sys
from collections import Counter
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.config.rules import refuse_unread
from vae_rd.data import digits as module
from vae_rd.data.dataset import DataSet
from vae_rd.data.description import described
from vae_rd.data.digits import digits
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.metrics.split import evaluate_split

# Of the pixels as bytes: the same with every version, or the entropy and every number on `digits` mean something else.
SHA256 = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"


@pytest.fixture(scope="module")
def table():
    """The file, read by numpy: 64 counts and a class a row."""
    folder = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    return np.loadtxt(Path(folder, module.FILE), delimiter=",")


def entropy_by_hand(images) -> float:
    """-sum p ln p over distinct images, counted one by one."""
    counts = Counter(np.asarray(image).tobytes() for image in images)
    return -sum(c / len(images) * math.log(c / len(images)) for c in counts.values())


def test_images_and_classes_are_those_of_the_file(table):
    source = digits()
    assert (source.name, source.levels, source.population, list(source.images)) == ("digits", 17, True, ["train"])
    np.testing.assert_array_equal(source.images["train"].flatten(1), table[:, :64])
    np.testing.assert_array_equal(source.labels["train"]["digit"], table[:, 64])
    assert source.params["factors"] == {"digit": list(range(10))}
    assert source.images["train"].dtype == torch.uint8
    assert hashlib.sha256(source.images["train"].numpy().tobytes()).hexdigest() == SHA256


def test_scikit_learn_is_not_run(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    digits()
    assert "sklearn" not in sys.modules


def test_all_grey_images_are_distinct_and_their_entropy_is_ln_1797(table):
    card = DataSet(digits()).card
    assert all(card.population.values())
    assert (card.support, card.measure) == ("grey", "differential")  # D is that of a density, H of the images.
    for split, entropy in card.entropy.items():
        assert entropy.value == pytest.approx(math.log(1797), abs=1e-12), split
        assert (entropy.kind, entropy.measure) == ("exact", "discrete")
    assert entropy_by_hand(table[:, :64]) == pytest.approx(math.log(1797), abs=1e-12)


def test_from_half_of_the_top_level_on_pixels_are_one(table):
    """At least 8, not more than 8, of 0..16: 1,750 distinct images, where the other comparison leaves 1,752."""
    data = DataSet(digits(), binarization="threshold")
    bits = (table[:, :64] >= 8).astype(np.uint8)
    np.testing.assert_array_equal(data.evaluation_chunk("train", 0).flatten(1), bits[:500])
    assert len(np.unique(bits, axis=0)) == 1750
    assert data.card.params["duplicates"]["test"] == 47
    for entropy in data.card.entropy.values():
        assert entropy.value == pytest.approx(entropy_by_hand(bits), abs=1e-12)
        assert round(entropy.value, 4) == 7.4433
    assert all(data.card.population.values())


def test_a_training_sample_has_the_entropy_of_its_own_images():
    data = DataSet(digits(), binarization="threshold", n_train=500)
    assert data.card.population == {"train": False, "val": True, "test": True}
    assert data.card.entropy["train"].value == pytest.approx(entropy_by_hand(data.pixels["train"].numpy()), abs=1e-12)
    assert round(data.card.entropy["test"].value, 4) == 7.4433


@pytest.mark.parametrize("flags", [{"binarization": "dynamic"}, {"dequantize": "uniform"}])
def test_x_drawn_anew_from_a_population_is_none(flags):
    """Draws from 1,797 images are a sample of more x than that: I of the source is bounded, its H not known."""
    data = DataSet(digits(), **flags)
    assert not any(data.card.population.values())
    assert [entropy.value for entropy in data.card.entropy.values()] == [None] * 3
    line = described(data)
    assert line.startswith("digits: 1,797 grey images 8 x 8, values 0..16 of 17 levels, ")
    assert line.endswith("each split is all of them")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({}, "values 0..16 of 17 levels, x = k/16, each split is the whole population"),
        (
            {"binarization": "threshold"},
            "17 levels, binarised to 1 where k >= 8, each split is the whole population, 1,750 of them distinct",
        ),
        ({"binarization": "static"}, "17 levels, binarised once with P(1) = k/16, each split is the whole population"),
    ],
)
def test_the_start_line_says_how_pixels_were_read(flags, line):
    assert described(DataSet(digits(), **flags)) == f"digits: 1,797 grey images 8 x 8, {line}"


@pytest.mark.parametrize(
    ("flags", "is_held"), [({"binarization": "threshold"}, True), ({"likelihood": "gaussian"}, False)]
)
def test_distortion_is_held_to_the_entropy_only_where_both_are_of_bits(flags, is_held):
    config = FitConfig(data="digits", hidden=[8], latent_dim=2, **flags)
    data = build.build_data(config)
    metrics = evaluate_split(build.build_model(config, data.card), data, "test", slope=1.0, seed=0)
    information, h = metrics["mutual_information_lower"], data.card.entropy["test"].value
    assert (information["kind"], metrics["rate"]["resampled"]) == ("exact", "z")
    assert 0 <= information["value"] <= h
    gap = metrics["decoder_kl"]["value"]
    assert (gap is not None) == is_held
    if is_held:
        assert gap == pytest.approx(metrics["distortion"]["value"] + information["value"] - h, abs=1e-9)


@pytest.mark.parametrize("word", ["none", "threshold"])
def test_nothing_of_it_reads_the_data_seed(word):
    with pytest.raises(InputError, match="--data_seed: nothing reads it"):
        refuse_unread(FitConfig(data="digits", binarization=word, data_seed=1))
    refuse_unread(FitConfig(data="digits", binarization="static", data_seed=1))


def elsewhere(monkeypatch, folder: Path | None) -> None:
    """Let scikit-learn lie in this folder, or nowhere."""
    spec = None if folder is None else ModuleSpec("sklearn", None, is_package=True)
    if spec is not None:
        spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    elsewhere(monkeypatch, None)
    with pytest.raises(InputError, match=r"not installed; pip install scikit-learn$"):
        digits()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"1,2,3", "cannot be read (Not a gzipped file"),
        (gzip.compress(b"0" * 99, mtime=0)[:-9], "cannot be read (Compressed file ended"),
        (gzip.compress(b"1,2,3\n", mtime=0), "its text has sha256 "),
    ],
)
def test_another_file_in_its_place_is_refused(tmp_path, monkeypatch, content, fault):
    file = tmp_path / module.FILE
    file.parent.mkdir(parents=True)
    if content is not None:
        file.write_bytes(content)
    elsewhere(monkeypatch, tmp_path)
    with pytest.raises(InputError) as refusal:
        digits()
    assert str(refusal.value).startswith(f"{file}: {fault}")
    assert str(refusal.value).endswith("; install scikit-learn again")
