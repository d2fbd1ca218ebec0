"""The embedded source against an independent floating-point drawing, and against the facts its entropy rests on."""

import hashlib
import math

import numpy as np
import pytest
import torch

from vae_rd.data.sprites import sprites

# Of the packed bits: the same on every platform, or the entropy and every number on `sprites` mean something else.
SHA256 = "041d86c22eab7e1ccc29f9c94ecbbdec39310f0644e423a7810069439d49297d"


@pytest.fixture(scope="module")
def source():
    return sprites()


def test_packed_images_have_the_pinned_digest(source):
    packed = np.packbits(source.images["train"].numpy())
    assert hashlib.sha256(packed.tobytes()).hexdigest() == SHA256


def test_is_one_binary_population_of_3584_distinct_images(source):
    images = source.images["train"]
    assert (source.name, source.levels, source.population, list(source.images)) == ("sprites", 2, True, ["train"])
    assert images.shape == (3584, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert images.is_contiguous()
    assert images.unique().tolist() == [0, 1]
    assert len(torch.unique(images.flatten(1), dim=0)) == 3584


def drawn_in_floats(shape, side, degrees, x, y):
    """One sprite by plain trigonometry, pixel after pixel, in pixels and with y downward."""
    centre = 0.0 if side % 2 else 0.5
    image = np.zeros((16, 16), np.uint8)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for row in range(16):
        for column in range(16):
            right, up = column - (x - centre), (y - centre) - row
            u, v, r = c * right + s * up, c * up - s * right, side / 2
            image[row, column] = {
                "square": max(abs(u), abs(v)) <= r,
                "ellipse": (u / r) ** 2 / 1.75 + (v / r) ** 2 / (7 / 12) <= 1,
                "heart": u**2 + (v + 0.4 * r - 0.9 * abs(u)) ** 2 <= 0.9 * r**2,
            }[shape]
    return image


def test_every_sprite_is_the_drawing_its_labels_describe(source):
    values, labels = source.params["factors"], source.labels["train"]
    chosen = np.random.default_rng(0).permutation(3584)[:300]
    for i in chosen:
        described = [values[name][labels[name][i]] for name in ("shape", "scale", "rotation", "x", "y")]
        np.testing.assert_array_equal(source.images["train"][i, 0].numpy(), drawn_in_floats(*described), str(described))


def test_no_sprite_is_cut_off_by_the_canvas(source):
    labels, areas = source.labels["train"], source.images["train"].sum(dim=(1, 2, 3)).numpy()
    template = labels["shape"] * 100 + labels["scale"] * 10 + labels["rotation"]
    for kind in np.unique(template):
        here = areas[template == kind]
        assert len(here) == 64
        assert here.min() == here.max() >= 11


def test_only_rotations_that_repeat_an_image_are_left_out(source):
    labels = source.labels["train"]
    kept = {shape: np.unique(labels["rotation"][labels["shape"] == shape]).tolist() for shape in range(3)}
    assert kept == {0: [0, 1], 1: [0, 1, 2, 3], 2: list(range(8))}
    assert {name: np.bincount(labels[name]).tolist() for name in ("scale", "x", "y")} == {
        "scale": [896] * 4,
        "x": [448] * 8,
        "y": [448] * 8,
    }


def test_a_heart_turned_by_a_half_turn_is_upside_down(source):
    labels, images = source.labels["train"], source.images["train"][:, 0]
    upright, turned = (
        images[(labels["shape"] == 2) & (labels["scale"] == 3) & (labels["rotation"] == r)] for r in (0, 4)
    )
    assert torch.equal(upright.flip(1, 2).flip(0), turned)
    assert upright[0].any(1).nonzero()[-1] == 8  # Its tip, four rows below the first centre.
    assert upright[0][8].sum() == 1
