"""Every likelihood, precision and config file trains, and what could mean nothing is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.run.summary import summary_lines

from helpers.common import ROOT
from helpers.families import gaussian_data
from helpers.reference import EIGENVALUES, S2, water_filling
from helpers.runs import history, only_run

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
GRID = sorted((ROOT / "configs" / "grid").glob("*.yaml"))


@pytest.mark.parametrize(
    ("support", "likelihood", "word"),
    [("grey", "bernoulli", "binarization"), ("real", "bernoulli", "gaussian"), ("binary", "gaussian", "bernoulli")]
    + [("grey", name, "dequantize") for name in ("gaussian_shared", "gaussian_pixel", "gaussian_optimal")],
)
def test_a_likelihood_that_cannot_score_the_data_is_refused(support, likelihood, word):
    levels = {"grey": 256, "real": None, "binary": 2}[support]
    pixels = torch.randint(2, (20, 1, 2, 2), dtype=torch.uint8)
    pixels = pixels.float() if levels is None else pixels
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), pixels), levels=levels))
    with pytest.raises(InputError, match=word):
        build.build_model(FitConfig(likelihood=likelihood), data.card)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_shared", "gaussian_pixel", "gaussian_optimal"])
def test_every_grey_likelihood_trains_on_dequantised_images_of_one_s_own(toy, tmp_path, likelihood):
    images = (np.linspace(0, 250, 64 * 5 * 6 * 3).reshape(64, 5, 6, 3) % 251).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", images=images)
    config = toy(
        data="npz",
        data_file=str(tmp_path / "mine.npz"),
        dequantize="uniform",
        likelihood=likelihood,
        **({"likelihood_scale": 0.1} if likelihood == "gaussian" else {}),
        n_train=None,
        batch_size=16,
        encoder="conv",
        decoder="conv",
        max_epochs=8,
    )
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert float(rows[-1]["train/distortion"]) < float(rows[0]["train/distortion"])
    assert record.data["shape"] == [3, 5, 6]
    assert record.data["pixel_scale"] == "(k + u) / 256"
    weight = record.model["distortion"]["squared_error_weight"]
    if likelihood == "gaussian_pixel":
        assert weight is None
    else:
        assert weight == pytest.approx(50) if likelihood == "gaussian" else 0 < weight < 50
        assert f"C = 1 / (2 scale^2) = {weight:g}" in "\n".join(summary_lines(record, only_run(config)))


@pytest.mark.parametrize("grid", [np.arange(154) / 153, np.arange(8) / 7, np.arange(256) / 127.5 - 1])
def test_a_learned_scale_is_refused_on_any_grid(toy, tmp_path, grid):
    np.savez(tmp_path / "grid.npz", images=np.random.default_rng(0).choice(grid, (80, 12, 12)).astype(np.float32))
    config = toy(data="npz", data_file=str(tmp_path / "grid.npz"), n_train=None, batch_size=20)
    with pytest.raises(InputError, match="repeating values"):
        vae_rd.fit_model(replace(config, likelihood="gaussian_shared"))
    vae_rd.fit_model(replace(config, likelihood="gaussian"))


@pytest.mark.parametrize("precision", ["64", "bf16"])
def test_other_precisions_train_to_about_the_same_place(toy, precision, tmp_path):
    single = vae_rd.fit_model(toy(run_dir=str(tmp_path / "single"))).metrics["test"]["distortion"]
    other = vae_rd.fit_model(toy(precision=precision)).metrics["test"]["distortion"]
    assert other["value"] == pytest.approx(single["value"], rel=0.03)
    assert torch.get_default_dtype() == torch.float32
    stored = {"64": torch.float64, "bf16": torch.float32}[precision]
    assert {p.dtype for p in vae_rd.load(only_run(toy())).parameters()} == {stored}


def test_bfloat16_keeps_rates_positive(toy):
    config = toy(precision="bf16", beta=1000.0, max_epochs=15)
    vae_rd.fit_model(config)
    rates = [
        float(row[f"{s}/rate_dim_{d}"]) for row in history(only_run(config)) for s in ("train", "val") for d in (0, 1)
    ]
    assert min(rates) > -1e-6


@pytest.mark.slow
@pytest.mark.parametrize("beta", [3.0, 10.0])
def test_training_reaches_the_water_filling_optimum(toy, beta):
    """A wrong weight of beta, or a sum taken for a mean, would train to the optimum of another beta."""
    data, exact = gaussian_data(5000, population=True), water_filling(EIGENVALUES, s2=S2, beta=beta)
    config = toy(
        n_train=None, encoder="linear", decoder="linear", hidden=None, latent_dim=6, likelihood="gaussian", beta=beta
    )
    config = replace(config, likelihood_scale=math.sqrt(S2), batch_size=500, max_epochs=200, lr=0.02, val_every=20)
    test = vae_rd.fit_model(config, data=data).metrics["test"]
    constant = 3 * math.log(2 * math.pi * S2)
    sse = 2 * S2 * (test["distortion"]["value"] - constant)
    assert test["rate"]["value"] == pytest.approx(exact["rate"], rel=0.02)
    assert sse == pytest.approx(exact["sse"], rel=0.02)
    assert test["active_units"]["value"] == exact["active"]


@pytest.mark.parametrize(
    "path", [*CONFIGS, *(pytest.param(path, marks=pytest.mark.slow) for path in GRID)], ids=lambda p: p.stem
)
def test_every_config_file_is_parsed_built_and_stepped(path, tmp_path):
    """On stand-in pixels of the data set's own size and levels, so that no file is needed.

    Those of the grid have one batch of 8 and no pictures: a decoder that reads x, cut to each of 32 units in turn, and
    drawn from value by value, takes minutes for more. tests/explore has pictures of such decoders.
    """
    flags = {"max_epochs": 1, "batch_size": 16, "val_every": 1, "beta_warmup": 1, "n_test": 16}
    flags |= {"media_every": 0, "batch_size": 8, "n_test": 8} if path in GRID else {}
    flags |= {"run_dir": str(tmp_path), "wandb": "off"}
    config = parse(["--config", str(path), *(f"--{name}={value}" for name, value in flags.items())]).config
    record = vae_rd.fit_model(config, data=stand_in(config))
    assert record.status == "finished"


def stand_in(config: FitConfig) -> DataSet | None:
    """Random pixels in place of a data set's files; None for a source that has none."""
    shapes = {"mnist": (1, 28, 28, 256), "static_mnist": (1, 28, 28, 2), "omniglot": (1, 28, 28, 256)}
    shapes |= {"cmu_faces": (1, 60, 64, 154), "sprites": (1, 16, 16, 2)}
    if config.data not in shapes:
        return None
    *shape, levels = shapes[config.data]
    pixels = torch.randint(levels, (config.batch_size, *shape), dtype=torch.uint8)
    return build.data_set(Source(config.data, dict.fromkeys(("train", "val", "test"), pixels), levels=levels), config)


def test_config_files_hold_only_differences_from_the_defaults():
    defaults = vars(FitConfig())
    for path in [*CONFIGS, *GRID]:
        for name, value in yaml.safe_load(path.read_text()).items():
            assert name == "data" or defaults[name] != value, f"{path.name}: {name} is the default"
