"""A package with Hydra configs makes a FitConfig by its name, with whichever omegaconf stands beside it."""

import pytest

import vae_rd
from vae_rd.config.names import run_name


def test_hydra_makes_a_config_that_fits(tmp_path):
    hydra = pytest.importorskip("hydra.utils")
    settings = {"beta": 4, "hidden": [8], "latent_dim": 2, "n_train": 256, "max_steps": 2, "wandb": "off"}
    config = hydra.instantiate({"_target_": "vae_rd.FitConfig", **settings, "run_dir": str(tmp_path)})
    record = vae_rd.fit_model(config)
    assert (record.status, record.config["beta"], record.config["hidden"]) == ("finished", 4.0, [8])
    assert record.name == run_name(vae_rd.FitConfig(**settings | {"beta": 4.0}))
    assert run_name(config).startswith("sprites-beta4-seed0-")
