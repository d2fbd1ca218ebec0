"""One's own images as all there are: each split is all of them, and H counts the equal ones."""

import math

import numpy as np
import pytest
from PIL import Image

from vae_rd.config.fields import FitConfig
from vae_rd.config.rules import refuse_unread
from vae_rd.data.description import described
from vae_rd.errors import InputError
from vae_rd.experiment import build

SEVEN = np.arange(7 * 4).reshape(7, 2, 2).astype(np.uint8)  # Too few to split, enough for a population.


def own(path, **flags):
    data = "image_folder" if path.is_dir() else "npz"
    return build.build_data(FitConfig(data=data, data_file=str(path), population=True, **flags))


def test_images_named_by_their_splits_are_joined_and_equal_ones_counted(tmp_path):
    """Of nine images one is there three times: H = ln 9 - (3 ln 3) / 9."""
    np.savez(tmp_path / "own.npz", train=SEVEN, test=SEVEN[[6, 6]], y_train=np.arange(7), y_test=[6, 6])
    data = own(tmp_path / "own.npz")
    assert data.pixels["train"] is data.pixels["val"] is data.pixels["test"]
    np.testing.assert_array_equal(data.pixels["test"][:, 0], np.concatenate([SEVEN, SEVEN[[6, 6]]]))
    assert data.labels["val"]["label"].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6]
    assert all(data.card.population.values())
    for entropy in data.card.entropy.values():
        assert entropy.value == pytest.approx(math.log(9) - 3 * math.log(3) / 9, abs=1e-12)
    assert described(data) == (
        "npz: 9 grey images 2 x 2, values 0..27 read as 28 levels, x = k/27, each split is the whole population, "
        "7 of them distinct, train, test joined"
    )


@pytest.mark.parametrize("rules", ["1", "2"])
def test_a_folder_of_images_is_one(tmp_path, rules):
    for i, image in enumerate(SEVEN * 9):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    data = own(tmp_path, file_rules=rules, binarization="threshold")
    np.testing.assert_array_equal(data.pixels["val"][:, 0], SEVEN * 9 >= 128)
    distinct = np.unique((SEVEN * 9 >= 128).reshape(7, -1), axis=0, return_counts=True)[1]
    assert data.card.entropy["test"].value == pytest.approx(-(distinct / 7 * np.log(distinct / 7)).sum(), abs=1e-12)
    assert data.card.params["split"] == "each is all images"


def test_a_training_sample_is_cut_from_it_as_from_any_population(tmp_path):
    np.savez(tmp_path / "own.npz", images=SEVEN)
    data = own(tmp_path / "own.npz", n_train=3)
    assert data.card.population == {"train": False, "val": True, "test": True}
    assert data.card.n == {"train": 3, "val": 7, "test": 7}
    assert [data.card.entropy[s].value for s in ("train", "test")] == pytest.approx([math.log(3), math.log(7)])


def test_real_values_are_one_too(tmp_path):
    """I of a population is exact whatever its values are; D of a density is not held to its H."""
    values = np.random.default_rng(0).normal(size=(30, 5))
    np.savez(tmp_path / "own.npz", images=values)
    card = own(tmp_path / "own.npz").card
    assert all(card.population.values())
    assert (card.support, card.measure, card.entropy["test"].measure) == ("real", "differential", "discrete")
    assert card.entropy["train"].value == card.entropy["test"].value == pytest.approx(math.log(30))


def test_it_is_for_one_s_own_files_alone():
    with pytest.raises(InputError, match="--population belongs to --data npz or image_folder"):
        refuse_unread(FitConfig(data="mnist", population=True))


def test_without_it_few_images_are_not_split(tmp_path):
    np.savez(tmp_path / "own.npz", images=SEVEN)
    with pytest.raises(InputError, match="7 images are too few to split"):
        build.build_data(FitConfig(data="npz", data_file=str(tmp_path / "own.npz")))
