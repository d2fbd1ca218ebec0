"""`evaluate --quality`, and what an autoencoder's fitted prior and a GAN can be asked for, from Python."""

import json

import pytest
import torch

import vae_rd
from analysis import load_runs
from vae_rd import FitConfig, evaluate_run
from vae_rd.estimates.base import Settings
from vae_rd.estimates.quality import quality_lines
from vae_rd.experiment.loading import open_run
from vae_rd.experiment.measuring import check_estimates
from vae_rd.metrics.samples import sample_images
from vae_rd.run.record import RunRecord

TINY = {"data": "digits", "binarization": "threshold", "hidden": [16], "latent_dim": 2, "max_steps": 30, "wandb": "off"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A GAN and an autoencoder on digits."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    place = {"run_dir": str(folder), "media_every": 0}
    vae_rd.fit_model(FitConfig(model="gan", name="gan", **TINY, **place))
    vae_rd.fit_model(FitConfig(posterior="deterministic", beta=0.0, name="autoencoder", **TINY, **place))
    return folder


def test_the_space_is_a_classifier_of_the_labels_and_the_table_has_all_scores(runs):
    record = evaluate_run(runs / "gan", "quality", examples=200)
    (entry,) = record.estimates
    assert "classifier of the labels" in entry["space"]
    assert entry["accuracy"]["digit"]["value"] > 0.9
    (row,) = entry["table"]  # On a population training examples are the data themselves.
    assert {"precision", "recall", "density", "coverage", "frechet", "sharpness"} <= row.keys()
    assert entry["value"] == row["coverage"]["value"]
    assert row["coverage"]["n"] == 200
    assert quality_lines(entry)[-1].strip().startswith(entry["modes"]["state"])


@pytest.mark.slow
def test_a_prior_fitted_to_the_codes_of_an_autoencoder_is_what_it_is_sampled_under(runs):
    folder = runs / "autoencoder"
    record = evaluate_run(folder, "marginal_mixture", components=3)
    assert record.estimates[0]["value"] is None  # R stays undefined.
    assert record.metrics["test"]["rate"]["value"] is None
    for word in (None, "mixture"):
        fitted = evaluate_run(folder, "quality", examples=100, marginal=word)
    found = {e["marginal"]: e["value"] for e in fitted.estimates if e["kind"] == "quality"}
    assert found.keys() == {None, "mixture"}
    assert found[None] != found["mixture"]
    annealed = evaluate_run(folder, "ais", examples=2, chains=2, temperatures=40, marginal="mixture")
    entry = next(e for e in annealed.estimates if e["kind"] == "ais")
    assert entry["marginal"] == "mixture"
    assert entry["encoder_gap"] == {}
    assert entry["value"] > 0
    assert load_runs([folder])["nll"].isna().all()  # It is of another prior than the run's.


def test_a_gan_has_a_curve_of_its_own_and_a_likelihood(runs):
    record = evaluate_run(runs / "gan", "ais", examples=2, chains=2, temperatures=40)
    entry = next(e for e in record.estimates if e["kind"] == "ais")
    assert len(entry["curve"]["b"]) == 31
    assert entry["encoder_gap"] == {}
    record = evaluate_run(runs / "gan", "prior", samples=50, examples=5)
    entry = next(e for e in record.estimates if e["kind"] == "prior")
    assert entry["value"] > 0
    assert entry["log_samples_needed"]["value"] is None


def test_samples_are_bits_where_the_data_are(runs):
    model = open_run(runs / "gan").model
    x = sample_images(model, 7, noise=torch.Generator().manual_seed(0))
    assert x.shape == (7, 1, 8, 8)
    assert set(x.unique().tolist()) <= {0.0, 1.0}


def test_every_number_of_a_gan_that_takes_an_encoder_is_null_in_the_table_too(runs):
    rows = load_runs([runs / "gan"])
    assert rows[["distortion", "rate", "elbo", "objective", "mutual_information_upper", "beta"]].isna().all(axis=None)
    assert json.loads(rows["config"].iloc[0])["model"] == "gan"
    run = open_run(runs / "gan")
    check_estimates(run, Settings(), ["quality", "ais", "prior"])
    assert RunRecord.read(runs / "gan").verdicts["modes"]["state"] in ("covered", "modes lost", "off the data")
