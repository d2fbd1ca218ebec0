"""Scores of other images and gaps of the encoder, where the true model is known."""

import math

import pytest
import torch

from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.explore import inference, ood
from vae_rd.explore.base import Asked, page_of
from vae_rd.run.record import SPLITS

from helpers.true_models import SCALE, WEIGHT, linear_run


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(inference, "EXAMPLES", 25)
    monkeypatch.setattr(inference, "STEPS", 150)


def test_the_gaps_of_an_exact_posterior_are_0():
    numbers = inference.inference(linear_run(), Asked()).numbers
    run = linear_run()
    x = run.data.examples("test", torch.arange(1500)).flatten(1)
    law = torch.distributions.MultivariateNormal(torch.zeros(4), WEIGHT @ WEIGHT.T + SCALE**2 * torch.eye(4))
    nll = -law.log_prob(x)
    assert numbers["nll_ais"]["value"] == pytest.approx(nll.mean().item(), abs=4 * nll.std().item() / math.sqrt(25))
    for name in ("amortisation_gap", "approximation_gap", "inference_gap"):
        assert numbers[name]["value"] == pytest.approx(0, abs=0.02 + 4 * numbers[name]["stderr"])
        assert abs(numbers[name]["value"]) < 0.05


def test_an_encoder_that_is_off_by_one_standard_deviation_in_each_unit_loses_half_a_nat_in_each():
    numbers = inference.inference(linear_run(shift=1.0), Asked()).numbers
    assert numbers["amortisation_gap"]["value"] == pytest.approx(1.0, abs=0.05)
    assert numbers["approximation_gap"]["value"] == pytest.approx(0, abs=0.05)
    assert numbers["distortion_optimised"]["value"] < numbers["distortion_encoder"]["value"]


def test_scores_of_the_true_model_rank_as_its_likelihood_does_and_simpler_data_are_taken_for_likelier():
    run = linear_run()
    near = {split: 0.3 * run.data.pixels[split] for split in SPLITS}  # Of smaller z: likelier than the data.
    others = {"near": DataSet(Source("near", near, levels=None))}
    numbers = ood.ood(run, Asked(others=others)).numbers
    assert numbers["near"]["likelier"]
    assert numbers["near"]["auroc"]["nll"]["value"] < 0.4
    assert not numbers["noise"]["likelier"]
    assert numbers["noise"]["auroc"]["nll"]["value"] > 0.95
    train = numbers["train"]["auroc"]["nll"]
    assert abs(train["value"] - 0.5) < 4 * train["stderr"]
    line = ood.ood(run, Asked(others=others)).line
    assert "taken for likelier than the data: " in line
    assert "near" in line.split("taken for")[1]
    assert "training examples are known" not in line


def test_what_is_made_of_examples_keeps_what_it_says_it_keeps():
    x = torch.randint(2, (40, 1, 4, 4), generator=torch.Generator().manual_seed(0)).float()
    bits = DataSet(Source("bits", dict.fromkeys(SPLITS, x.byte()), levels=2))
    found = dict(ood.made(x, bits.card, noise=torch.Generator().manual_seed(0)))
    assert (found["inverted"] == 1 - x).all()
    assert (found["shuffled pixels"].sum((1, 2, 3)) == x.sum((1, 2, 3))).all()
    assert not (found["shuffled pixels"] == x).all()
    assert (found["blank"] == 0).all()
    assert set(found["noise"].unique().tolist()) == set(found["independent pixels"].unique().tolist()) == {0.0, 1.0}
    lit = x.clone()
    lit[:, :, 0, 0] = 1
    kept = dict(ood.made(lit, bits.card, noise=torch.Generator().manual_seed(0)))["independent pixels"]
    assert (kept[:, :, 0, 0] == 1).all()
    assert len(kept.flatten(1).unique(dim=0)) == 40  # Each image takes its pixels from examples of its own.
    real = DataSet(Source("real", dict.fromkeys(SPLITS, 3 + torch.randn(40, 1, 4, 4)), levels=None))
    of_real = dict(ood.made(real.pixels["test"], real.card, noise=torch.Generator().manual_seed(0)))
    assert of_real["blank"].unique().tolist() == [pytest.approx(real.pixels["test"].mean().item())]
    assert of_real["inverted"].mean().item() == pytest.approx(real.pixels["test"].mean().item(), abs=1e-5)
    assert abs(of_real["noise"].mean().item() - 3) < 4 / math.sqrt(640)
    assert not (kept == lit).all()


class Elsewhere(torch.Tensor):
    """As if on a GPU: it goes with nothing that lies on the CPU until it is brought there."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        if function is torch.cat and {type(each) for each in args[0]} != {cls}:
            raise RuntimeError("Expected all tensors to be on the same device")
        return super().__torch_function__(function, types, args, kwargs)


def test_a_page_takes_rows_from_several_devices():
    x = torch.rand(3, 1, 2, 2)
    page = page_of(linear_run(), [x.as_subclass(Elsewhere), 1 - x], "x, inverted")
    assert torch.equal(page.images, torch.cat([x, 1 - x]))
