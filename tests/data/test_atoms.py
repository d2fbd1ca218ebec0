"""Where a learned scale shrinks without end, and where not: constant pixels, atoms, grids, few or flat images."""

import pytest
import torch

from vae_rd.data.atoms import is_grid, learned_scale_problem, repeats
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.run.record import SPLITS

NOISE = torch.randn(400, 1, 6, 6, generator=torch.Generator().manual_seed(0))
UNIFORM = torch.rand(NOISE.shape, generator=torch.Generator().manual_seed(1))


def masked() -> torch.Tensor:
    images = NOISE.clone()
    images[..., :2, :] = 0.0
    return images


@pytest.mark.parametrize(
    ("images", "grid"),
    [
        (NOISE, False),
        (NOISE.to(torch.float16).float(), False),
        (masked(), False),
        (torch.where(UNIFORM < 0.97, 0.0, NOISE), False),
        (NOISE[:2], False),
        ((UNIFORM * 3).floor() * 0.73, True),
        ((UNIFORM * 154).floor() / 153, True),
        (torch.where(UNIFORM < 0.9, 0.0, (NOISE * 5).round() * 0.3), True),
        (torch.zeros(400, 1, 2, 2), True),
    ],
)
def test_a_background_neither_makes_a_grid_nor_hides_one(images, grid):
    assert is_grid(images) is grid
    data = DataSet(Source("mine", dict.fromkeys(SPLITS, images), levels=None))
    assert data.card.support == ("grey" if grid else "real")


def test_pixels_that_stay_and_pixels_that_come_back_are_named():
    images = masked()
    images[:40, 0, 5, 5] = 0.5  # A tenth of the images.
    images[:10, 0, 5, 4] = 0.5  # A fortieth: no large share.
    images[:, 0, 4, 4] = (UNIFORM[:, 0, 4, 4] * 99).floor() + 0.1234  # A grid of its own.
    found = repeats(images)
    assert found.constant.tolist() == [[0, row, column] for row in range(2) for column in range(6)]
    assert found.atoms.tolist() == [[0, 4, 4], [0, 5, 5]]
    assert found.size == 36


@pytest.mark.parametrize(
    ("images", "distinct", "of_each", "of_all"),
    [
        (NOISE, 400, None, None),
        (
            masked(),
            400,
            "12 of its 36 pixels never change (channel, row, column (0, 0, 0), (0, 0, 1), (0, 0, 2), ...)",
            None,
        ),
        (NOISE.clamp(min=0), 400, "36 of its 36 pixels come back to the same values", None),
        (NOISE[:4].repeat(100, 1, 1, 1), 4, "its 400 training images are 4 distinct ones", "its 400 training images"),
        (NOISE[:, :, :1, :1].expand(NOISE.shape), 400, "one value in all pixels", "one value in all pixels"),
        (NOISE[:, :, :1, :1], 400, None, None),
    ],
)
def test_what_sends_a_learned_scale_to_nothing(images, distinct, of_each, of_all):
    for each_pixel, problem in ((True, of_each), (False, of_all)):
        found = learned_scale_problem(images, distinct, each_pixel=each_pixel)
        assert (found is None) if problem is None else (problem in str(found))
