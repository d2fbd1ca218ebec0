"""A run of many betas: fitted, read at any beta, measured at several, searched for a rate, and found by analysis."""

import math

import pytest
import torch
from torch import nn

import vae_rd
from analysis.rows.runs import load_runs
from vae_rd import (
    VAE,
    BernoulliLikelihood,
    Decoder,
    DiagonalPosterior,
    Encoder,
    FitConfig,
    StandardNormalPrior,
    evaluate,
    generate,
)
from vae_rd.config.cli import parse, recorded
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.curve import rate_at
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.model.multirate import MultiRateVAE
from vae_rd.run.points import point_folder, points_of
from vae_rd.run.record import RunRecord

from helpers.runs import history

FLAGS = ["--data=digits", "--binarization=threshold", "--n_train=256", "--hidden=[16]", "--latent_dim=3"]
FLAGS += ["--batch_size=64", "--max_epochs=8", "--lr=0.02", "--wandb=off", "--eval_samples=2", "--media_every=0"]
FLAGS += ["--information_examples=100", "--name=many"]
BETAS = ["--objective=multirate", "--beta_range=[0.05, 5]"]


def config(folder, *flags: str):
    return parse([*FLAGS, *flags, f"--run_dir={folder}"]).config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    vae_rd.fit_model(config(folder, *BETAS, "--beta=0.5"))
    return folder / "many"


def test_history_has_validation_at_a_few_betas_and_the_epoch_kept_is_the_best_over_all(run):
    rows, record = history(run), RunRecord.read(run)
    columns = [name for name in rows[0] if name.startswith("val/objective_beta_")]
    betas = [float(name.rpartition("_")[2]) for name in columns]
    assert betas == pytest.approx([0.05, 0.05 * 10**0.5, 0.5, 0.5 * 10**0.5, 5.0], rel=1e-5)
    scores = [
        sum(2 / (1 + beta) * float(row[name]) for beta, name in zip(betas, columns, strict=True)) / len(betas)
        for row in rows
    ]
    assert [float(row["score"]) for row in rows] == pytest.approx(scores, rel=1e-5)
    assert record.model["kept_epoch"] == scores.index(min(scores))
    assert record.model["slope"] == 0.5
    assert all(row["train/objective"] == "" for row in rows), "a batch of many betas has no objective of one"


def test_evaluate_writes_a_record_for_each_beta_that_analysis_reads_as_a_curve(run, capsys):
    before = RunRecord.read(run)
    assert evaluate.main([str(run), "--betas", "logspace(-1, 0.6, 3)", "--split=test"]) == 0
    assert evaluate.main([str(run), "--betas", "[0.5]"]) == 0
    assert RunRecord.read(run).metrics == before.metrics, "at its own beta the run itself is measured, as it was"
    betas = [0.1, float(f"{10**-0.2:g}"), float(f"{10**0.6:g}")]
    assert points_of(run) == [point_folder(run, beta) for beta in betas]
    for beta, point in zip(betas, points_of(run), strict=True):
        record = RunRecord.read(point)
        d, r, objective = (record.metrics["test"][name]["value"] for name in ("distortion", "rate", "objective"))
        assert objective == pytest.approx(d + beta * r, rel=1e-6)
        assert (record.model["slope"], record.config["beta"]) == (beta, beta)
        assert record.verdicts["collapse"]["state"]
    rows = load_runs(run)
    rows = rows[rows["split"] == "test"]
    assert rows["beta"].tolist() == sorted([*betas, 0.5])
    assert rows["rate"].is_monotonic_decreasing


def test_a_point_says_what_the_model_at_its_beta_does(run):
    record = RunRecord.read(points_of(run)[0])
    data, model = open_run(run).data, vae_rd.load(run, beta=0.1)
    x = torch.cat([data.evaluation_chunk("test", chunk) for chunk in range(data.chunks("test"))])
    rate = model.terms(x, model.noise(1, x, torch.Generator())).rate[0]
    assert rate.double().mean().item() == pytest.approx(record.metrics["test"]["rate"]["value"], rel=1e-5)
    for opened in (vae_rd.load(points_of(run)[0]).at(0.1), open_run(points_of(run)[0]).model):
        assert torch.equal(opened.encoder(x).mean, model.encoder(x).mean)
    with pytest.raises(InputError, match=r"is of betas from 0\.05 to 5; choose one of these"):
        vae_rd.load(run, beta=7.0)


def test_a_rate_is_found_on_validation_and_measured_as_a_point(run, capsys):
    opened = open_run(run)
    most, least = rate_at(opened, 0.05), rate_at(opened, 5.0)
    asked = round((most * least) ** 0.5, 3)
    before = set(points_of(run))
    vae_rd.evaluate_run(run, split="val", target_rate=asked)
    (found,) = set(points_of(run)) - before
    record = RunRecord.read(found)
    assert record.metrics["val"]["rate"]["value"] == pytest.approx(asked, rel=1e-3)
    assert record.metrics.keys() == {"val"}, "test decides nothing, and was not asked for"
    assert 0.05 < record.model["slope"] < 5
    assert evaluate.main([str(run), "--target_rate", f"{2 * most:g}"]) == 2
    assert f"has rates from {least:.4g} (beta 5) to {most:.4g} (beta 0.05)" in capsys.readouterr().err


def test_its_parameters_are_those_that_were_trained(run):
    config = recorded(RunRecord.read(run).config, where="")
    trained = build.build_model(config, open_run(run).data.card)
    assert RunRecord.read(run).model["parameters"] == sum(p.numel() for p in trained.parameters())


def test_betas_asked_of_a_point_are_those_of_its_run(run):
    point = points_of(run)[0]
    vae_rd.evaluate_run(point, split="val", betas=[0.7])
    assert not points_of(point)
    assert RunRecord.read(point_folder(run, 0.7)).model["slope"] == 0.7


def test_a_point_is_explored_and_drawn_from_like_any_run(run, tmp_path):
    point = points_of(run)[0]
    assert "prior, x" in vae_rd.explore_run(point, "samples")["samples"]["numbers"]
    assert generate.main([str(point), "-n", "2", "-o", str(tmp_path / "x.npz")]) == 0


def test_estimates_are_of_the_points_too(run):
    point = points_of(run)[0]
    assert evaluate.main([str(run), "--nll", "importance", "--samples=3", "--examples=5"]) == 0
    assert [len(RunRecord.read(folder).estimates) for folder in (run, point)] == [1, 1]
    entries = [RunRecord.read(folder).estimates[0] for folder in (run, point)]
    assert all(math.isfinite(entry["value"]) for entry in entries)
    assert entries[0]["value"] != entries[1]["value"]


def test_a_model_of_many_betas_given_from_python_is_refused(tmp_path):
    torch.manual_seed(0)
    encoder = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), DiagonalPosterior(4, latent_dim=2))
    decoder = Decoder(nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, (1, 8, 8))), BernoulliLikelihood())
    plain = VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2)
    flags = FitConfig(
        objective="multirate", data="digits", binarization="threshold", max_steps=1, run_dir=str(tmp_path / "runs")
    )
    with pytest.raises(InputError, match="takes the networks of the flags alone; choose another objective"):
        vae_rd.fit_model(flags, model=MultiRateVAE(plain, low=0.1, high=10.0, beta=1.0))
    assert not (tmp_path / "runs").exists()


def test_a_model_at_a_beta_is_in_the_precision_of_its_run(tmp_path):
    flags = [*BETAS, "--beta=0.5", "--precision=64", "--max_epochs=1", "--hidden=[4]"]
    vae_rd.fit_model(config(tmp_path, *flags))
    made = vae_rd.load(tmp_path / "many", beta=0.1)
    with precision_of(config(tmp_path, *flags)):
        same = vae_rd.load(tmp_path / "many", beta=0.1)
    assert all(torch.equal(p, q) for p, q in zip(made.parameters(), same.parameters(), strict=True))
