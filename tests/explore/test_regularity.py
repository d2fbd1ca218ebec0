"""Holes, smoothness and overlap of models whose answer is known."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from vae_rd import (
    VAE,
    Decoder,
    DiagonalNormal,
    FitConfig,
    GaussianLikelihood,
    LazyDistribution,
    StandardNormalPrior,
)
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.estimates.base import Fitted
from vae_rd.explore import interpolation, regularity
from vae_rd.explore.base import Asked

SCALE = 0.1
WEIGHT = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


class Given(LazyDistribution):
    """x = W z + noise back to z, times a width, and moved."""

    def __init__(self, width: float, moved: float) -> None:
        super().__init__()
        self.width, self.moved = width, moved

    def forward(self, context: torch.Tensor) -> DiagonalNormal:
        z = context.flatten(1) @ torch.linalg.pinv(WEIGHT).T
        return DiagonalNormal(self.width * z + self.moved, torch.full_like(z, 2 * math.log(1e-3 * self.width)))


def made(width: float = 1.0, moved: float = 0.0, *, dims: int = 2) -> Fitted:
    """The true model of x = W z + N(0, SCALE^2), z ~ N(0, I), in units of z so much wider, and moved."""
    noise = torch.Generator().manual_seed(0)
    x = {split: torch.randn(1500, dims, generator=noise) @ WEIGHT.T for split in ("train", "val", "test")}
    x = {
        split: (each + SCALE * torch.randn(each.shape, generator=noise)).view(-1, 1, 2, 2) for split, each in x.items()
    }
    linear = nn.Linear(2, 4)
    linear.weight.data, linear.bias.data = WEIGHT / width, -WEIGHT @ torch.full((2,), moved / width)
    decoder = Decoder(nn.Sequential(linear, nn.Unflatten(-1, (1, 2, 2))), GaussianLikelihood(SCALE))
    model = VAE(Given(width, moved), decoder, StandardNormalPrior(2), latent_dim=2).eval()
    return Fitted(Path("none"), FitConfig(), model, DataSet(Source("mine", x, levels=None)), 1.0)


@pytest.fixture(autouse=True)
def _no_record(monkeypatch):
    monkeypatch.setattr(regularity, "_recorded", lambda run: {})


def test_the_true_model_has_no_holes_and_its_codes_overlap_the_prior():
    numbers = regularity.regularity(made(), Asked()).numbers
    for kinds in numbers["holes"].values():
        shares = [kinds["draw"]["data"], kinds["draw"]["codes"], kinds["mean"]["codes"]]
        assert all(abs(share["value"] - 0.05) < 4 * share["stderr"] for share in shares)
    assert all(one["p_value"] > 0.01 for one in numbers["overlap"].values())
    assert numbers["stretch"]["value"] == pytest.approx(2.0, rel=0.1)  # W's, times a width of about 1.
    assert numbers["stretch"]["stderr"] == pytest.approx(0, abs=1e-6)
    assert numbers["detour"]["value"] == pytest.approx(1, abs=1e-4)
    assert numbers["longest_step"]["value"] == pytest.approx(1, abs=1e-3)


def test_codes_of_another_place_leave_holes_in_the_prior_and_none_in_the_normal_of_their_moments():
    numbers = regularity.regularity(made(width=0.2, moved=9.0), Asked()).numbers
    prior, matched = numbers["holes"]["prior"], numbers["holes"]["matched normal"]
    assert prior["draw"]["data"]["value"] > 0.99
    assert abs(matched["draw"]["data"]["value"] - 0.05) < 4 * matched["draw"]["data"]["stderr"]
    assert numbers["overlap"]["prior"]["p_value"] < 0.01 < numbers["overlap"]["matched normal"]["p_value"]
    assert numbers["stretch"]["value"] == pytest.approx(2.0, rel=0.1)  # Whatever the width.


def test_paths_of_a_linear_decoder_are_alike_and_lie_where_the_data_are():
    numbers = interpolation.interpolation(made(), Asked()).numbers
    assert numbers["geodesic"]["length"]["value"] == pytest.approx(numbers["chord"]["value"], rel=1e-4)
    assert numbers["straight"]["length"]["value"] == pytest.approx(numbers["chord"]["value"], rel=1e-4)
    assert numbers["arc"]["length"]["value"] > 1.01 * numbers["chord"]["value"]
    assert numbers["geodesic"]["longer"]["value"] <= 0
    assert numbers["straight"]["distance"]["value"] < numbers["ends"]["value"] + 4 * numbers["ends"]["stderr"]
