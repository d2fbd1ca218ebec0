"""Training that starts from another run: its last weights and the moments of its gradients, under a name of its own."""

import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import differences, identity, run_name
from vae_rd.errors import InputError
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import RunRecord

STEPS = 2  # Of 256 examples by 128: an epoch.
STILL = 1e-30  # A learning rate at which no weight moves.
SMALL = {"max_steps": STEPS, "hidden": [8], "latent_dim": 2, "n_train": 256, "wandb": "off", "media_every": 0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run at beta 4, and one from it down to beta 1 that takes no step worth the name."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {**SMALL, "run_dir": str(folder)}
    vae_rd.fit_model(FitConfig(beta=4.0, name="first", **settings))
    vae_rd.fit_model(FitConfig(beta=1.0, name="next", start_from=str(folder / "first"), lr=STILL, **settings))
    return folder


def content(path):
    return torch.load(path, weights_only=True)


def test_weights_and_moments_are_those_of_the_other_runs_end(runs):
    before, after = content(runs / "first" / LAST), content(runs / "next" / LAST)
    for name, value in content(runs / "next" / KEPT)["state_dict"].items():
        torch.testing.assert_close(value, before["state_dict"][name])
    states = before["optimizer_states"][0]["state"], after["optimizer_states"][0]["state"]
    assert {s["step"].item() for s in states[0].values()} == {STEPS}
    assert {s["step"].item() for s in states[1].values()} == {2 * STEPS}
    assert after["global_step"] == STEPS
    # Each step's squared gradient, which is 0 or more, adds a thousandth to what remains of those before.
    for key, state in states[0].items():
        assert (states[1][key]["exp_avg_sq"] >= 0.999**STEPS * state["exp_avg_sq"] * (1 - 1e-6)).all()
    assert after["optimizer_states"][0]["param_groups"][0]["lr"] <= STILL, "the settings are the run's own"


def test_the_record_says_where_it_started_and_the_name_depends_on_it(runs, tmp_path):
    start = RunRecord.read(runs / "next").model["start"]
    assert (start["run"], start["slope"], start["direction"]) == ("first", 4.0, "down")
    assert RunRecord.read(runs / "first").model["start"] is None
    here, there, other = (FitConfig(start_from=path) for path in ("runs/a", str(tmp_path / "a"), "runs/b"))
    assert run_name(here) == run_name(there) != run_name(other)
    assert run_name(here) != run_name(FitConfig())
    assert differences(here, identity(there), allowed=frozenset()) == {}
    assert differences(here, identity(other), allowed=frozenset()) == {"start_from": "b"}


def test_a_run_of_other_data_or_another_network_is_no_start(runs, tmp_path):
    settings = {**SMALL, "run_dir": str(tmp_path), "start_from": str(runs / "first")}
    with pytest.raises(InputError, match="its network is another one"):
        vae_rd.fit_model(FitConfig(**settings | {"latent_dim": 3}))
    with pytest.raises(InputError, match="was fitted to other data: other pixels"):
        vae_rd.fit_model(FitConfig(**settings | {"data_seed": 1}))
    assert list(tmp_path.iterdir()) == []
