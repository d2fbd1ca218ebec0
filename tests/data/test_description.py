"""The line that a fit begins with, for ten data sets of different kinds."""

import numpy as np
import pytest
import torch
from PIL import Image

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.description import described
from vae_rd.experiment import build
from vae_rd.run.record import SPLITS

DIGITS = np.arange(60 * 16).reshape(60, 4, 4) * 7919 % 1009 % 17
REAL = np.random.default_rng(0).normal(size=(60, 4, 4))


def npz_line(folder, images, **flags):
    np.savez(folder / "own.npz", images=images)
    return described(build.build_data(FitConfig(data="npz", data_file=str(folder / "own.npz"), **flags)))


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"data": "sprites"}, "sprites: 3,584 binary images 16 x 16, values 0..1, each split is the whole population"),
        (
            {"data": "sprites", "n_train": 256},
            "sprites: 3,584 binary images 16 x 16, values 0..1, split 256 / 3,584 / 3,584, "
            "of which val and test are the whole population",
        ),
        (
            {"data": "toy_channel", "n_test": 500},
            "toy_channel: endless one-hot vectors of 30, values 0..1, fresh ones at every step, "
            "evaluated on 10,000 / 10,000 / 500",
        ),
    ],
)
def test_of_data_that_need_no_file(flags, line):
    assert described(build.build_data(FitConfig(**flags))) == line


@pytest.mark.parametrize("data", ["gaussian", "sphere", "noisy_sprites"])
def test_of_every_source_without_end(data):
    line = described(build.build_data(FitConfig(data=data, n_test=100)))
    assert line.startswith(f"{data}: endless ")
    assert line.endswith("fresh ones at every step, evaluated on 10,000 / 10,000 / 100")


@pytest.mark.parametrize(
    ("images", "flags", "line"),
    [
        (DIGITS, {}, "npz: 60 grey images 4 x 4, values 0..16 read as 17 levels, x = k/16, "),
        (DIGITS, {"levels": 256}, "npz: 60 grey images 4 x 4, values 0..16 read as 256 levels (--levels), x = k/255, "),
        (DIGITS / 16, {"binarization": "dynamic"}, "values k/16 read as 17 levels, binarised anew at every use with P"),
        (DIGITS, {"dequantize": "uniform"}, "values 0..16 read as 17 levels, x = (k + u)/17, "),
        (DIGITS % 2, {}, "npz: 60 binary images 4 x 4, values 0..1 read as 2 levels, split"),
        (np.stack([DIGITS] * 3, -1), {}, "npz: 60 colour images 4 x 4, "),
        (REAL.reshape(60, 16), {}, "npz: 60 vectors of 16, real values -"),
        (DIGITS * 0.73, {}, "real values 0..11.68, which repeat as on a grid, "),
    ],
)  # fmt: skip
def test_of_one_s_own_npz(tmp_path, images, flags, line):
    found = npz_line(tmp_path, images, **flags)
    assert line in found
    assert ", split 48 / 6 / 6 (at random, 80/10/10), " in found
    assert "\n" not in found


def test_images_in_two_splits_are_counted():
    pixels = torch.arange(40, dtype=torch.uint8).reshape(40, 1, 1, 1).expand(40, 1, 2, 2)
    parts = {"train": pixels[:30], "val": pixels[28:33], "test": torch.cat([pixels[:3], pixels[32:]])}
    line = described(DataSet(Source("mine", parts, levels=40)))
    assert "2 of 5 val images are training images too" in line
    assert "4 of 11 test images are training or val images too" in line
    apart = {"train": pixels[:30], "val": pixels[30:33], "test": pixels[33:]}
    assert described(DataSet(Source("mine", apart, levels=40))).endswith(", no image in two splits")


def test_of_a_folder_with_splits_and_files_left_out(tmp_path):
    for split, n in (("train", 20), ("test", 4)):
        (tmp_path / split).mkdir()
        for i in range(n):
            Image.fromarray(np.full((3, 5), 200 + i, np.uint8)).save(tmp_path / split / f"{i:02}.png")
    (tmp_path / "train" / "a.heic").write_text("")
    line = described(build.build_data(FitConfig(data="image_folder", data_file=str(tmp_path))))
    assert line.startswith(
        "image_folder: 24 grey images 3 x 5, values 200..219 read as 256 levels, x = k/255, "
        "split 18 / 2 / 4 (as it comes: train, test; val is a random tenth of train), "
    )
    assert "4 of 4 test images are training or val images too, left out: 1 .heic" in line


def test_of_data_from_python():
    data = DataSet(Source("mine", dict.fromkeys(SPLITS, torch.randn(9, 2, 3, 4)), levels=None))
    assert described(data).startswith("mine: 27 2-channel images 3 x 4, real values ")
