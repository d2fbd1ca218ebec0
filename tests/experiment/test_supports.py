"""A likelihood is taken for the x that it is a distribution of, and for no other; the record says what D is then."""

import math
from dataclasses import replace

import pytest
import torch

import vae_rd
from analysis import load_runs
from analysis.rows.runs import of_split
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import DataCard, Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.experiment.supports import check_support
from vae_rd.run.record import SPLITS

from helpers.members import card


def grey(levels: int | None = 5, **settings: str) -> DataCard:
    pixels = torch.arange(4 * 5 * 9).reshape(9, 1, 4, 5) % 5
    pixels = pixels.to(torch.uint8) if levels is not None else pixels / 7.3
    return DataSet(Source("npz", dict.fromkeys(SPLITS, pixels), levels=levels), **settings).card


@pytest.mark.parametrize(
    ("x", "kinds"),
    [
        (grey(), ("levels", "grey")),
        (grey(None), ("grey",)),
        (grey(dequantize="uniform"), ("unit", "real")),
        (grey(binarization="dynamic"), ("binary",)),
        (card("real"), ("real",)),
        (card("one_hot"), ("one_hot",)),
    ],
    ids=str,
)
def test_a_card_says_what_x_is_and_a_likelihood_what_it_is_of(x, kinds):
    assert x.kinds == kinds
    for word, row in tables.LIKELIHOODS.items():
        config = FitConfig(likelihood=word)
        if set(row(config, x).supports) & set(kinds):
            check_support(config, x)
        else:
            with pytest.raises(InputError, match=f"--likelihood {word}: x of --data npz is .*; choose ") as refused:
                check_support(config, x)
            named = str(refused.value).partition("choose ")[2].partition(",")[0].split(" or ")
            for other in named:
                check_support(replace(config, likelihood=other), x)


def test_the_record_says_whether_d_is_of_a_probability(toy):
    record = vae_rd.fit_model(toy(max_epochs=1))
    assert record.model["distortion"]["measure"] == "discrete"


@pytest.mark.parametrize(("likelihood", "held"), [("beta_binomial", True), ("gaussian", False)])
def test_d_of_grey_images_is_held_to_their_entropy_where_it_is_of_a_probability(toy, likelihood, held):
    """A population of nine images, all distinct: D + R = H + both gaps, of which no density has the second."""
    pixels = torch.arange(4 * 5 * 9).reshape(9, 1, 4, 5).remainder(5).roll(1, 0).to(torch.uint8)
    pixels[:, 0, 0, :2] = torch.tensor([[i // 5, i % 5] for i in range(9)])
    data = DataSet(Source("nine", {"train": pixels}, levels=5, population=True))
    config = toy(likelihood=likelihood, max_epochs=2, batch_size=9, n_train=None)
    record = vae_rd.fit_model(config, data=data)
    test = record.metrics["test"]
    assert (test["decoder_kl"]["value"] is not None) == held
    row = of_split(load_runs(config.run_dir, units="bits_per_dim" if held else "nats"), "test").iloc[0]
    assert math.isnan(row["entropy"]) != held
    assert (row["pixel_scale"] is None) == held
    if held:
        assert row["entropy"] == pytest.approx(math.log2(9) / 20)
        total = test["decoder_kl"]["value"] + test["marginal_kl_upper"]["value"] + math.log(9)
        assert -test["elbo"]["value"] == pytest.approx(total, abs=1e-3)
