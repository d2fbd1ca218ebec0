"""A plain autoencoder through fit, record and evaluation: R and what takes it are null, D and its objective stand."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch

import vae_rd
from vae_rd import evaluate
from vae_rd.data.sprites import sprites
from vae_rd.errors import InputError
from vae_rd.model.posteriors.deterministic import PointPosterior

FLAGS = {"posterior": "deterministic", "beta": 0.0, "name": "ae"}


def test_a_point_is_in_single_precision_at_least_and_does_not_vary():
    q = PointPosterior(3, 2).bfloat16()(torch.randn(4, 3).bfloat16())
    assert q.mu.dtype == torch.float32
    assert torch.equal(q.variance, torch.zeros(4, 2))


def test_r_and_what_takes_it_are_null(toy, capsys):
    config = toy(**FLAGS)
    record = vae_rd.fit_model(config)
    folder = Path(config.run_dir) / "ae"
    test = json.loads((folder / "record.json").read_text())["metrics"]["test"]
    for name in ("rate", "rate_monte_carlo", "elbo", "mutual_information_lower", "marginal_kl_upper", "rate_per_dim"):
        assert test[name]["value"] is None, name
    assert test["objective"]["value"] == test["distortion"]["value"]
    assert test["mutual_information_upper"] == pytest.approx(test["mutual_information_upper"] | {"method": "entropy"})
    assert test["mutual_information_upper"]["value"] == pytest.approx(math.log(3584))
    assert test["active_units"]["value"] == 2
    assert record.verdicts["collapse"]["collapsed"] is None
    assert record.model["slope"] == 0.0
    with (folder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["val/rate"] for row in rows} == {""}
    assert [float(row["val/objective"]) for row in rows] == [float(row["val/distortion"]) for row in rows]
    assert "R -" in capsys.readouterr().out


def test_d_is_minus_ln_p_at_the_point(toy):
    config = toy(**FLAGS)
    record = vae_rd.fit_model(config)
    model = vae_rd.load(f"{config.run_dir}/ae")
    x = sprites().images["train"].float()
    d = -model.decoder(model.encoder(x).mean).log_prob(x).mean().item()
    assert record.metrics["test"]["distortion"]["value"] == pytest.approx(d, rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        ({"beta": 1.0}, "cannot be weighed; add --beta 0"),
        (
            {"beta": 1.0, "objective": "target_rate"},
            "leave out --objective target_rate with its flags, and add --beta 0",
        ),
        ({"prior": "mixture"}, "whose R is undefined; leave it out"),
    ],
)
def test_what_would_weigh_or_train_by_r_is_refused(toy, flags, remedy):
    with pytest.raises(InputError, match=remedy):
        vae_rd.fit_model(toy(**FLAGS | flags))


def test_estimates_that_take_ln_q_are_refused(toy, capsys):
    config = toy(**FLAGS)
    vae_rd.fit_model(config)
    for flags in (["--nll=importance"], ["--nll=prior"], ["--fit_marginal=vamp"]):
        assert evaluate.main([f"{config.run_dir}/ae", *flags]) == 2
        assert "takes a q(z|x) with a density; choose another run" in capsys.readouterr().err
    assert evaluate.main([f"{config.run_dir}/ae", "--ais"]) == 2
    assert "give --fit_marginal mixture first, then --marginal mixture with --ais" in capsys.readouterr().err
