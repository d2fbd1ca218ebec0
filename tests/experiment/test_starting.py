"""Training that starts from another run: its last weights and the moments of its gradients, under a name of its own."""

import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import differences, identity, run_name
from vae_rd.errors import InputError
from vae_rd.run.files import sha256
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


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of many betas, and one at beta 2 from it that takes no step worth the name."""
    folder = tmp_path_factory.mktemp("many")
    settings = {**SMALL, "run_dir": str(folder)}
    vae_rd.fit_model(
        FitConfig(name="many", objective="multirate", beta_range=[0.1, 4.0], **settings | {"max_steps": 6})
    )
    vae_rd.fit_model(FitConfig(beta=2.0, name="at2", start_from=str(folder / "many"), lr=STILL, **settings))
    return folder


def test_a_run_at_one_beta_starts_from_the_model_that_one_of_many_has_there(many):
    start, here = vae_rd.load(many / "many", beta=2.0), vae_rd.load(many / "at2")
    for name, value in here.state_dict().items():
        torch.testing.assert_close(value, start.state_dict()[name])
    away = vae_rd.load(many / "many", beta=1.0).state_dict()
    assert any(not torch.equal(value, away[name]) for name, value in here.state_dict().items()), "the beta counts"
    states = content(many / "at2" / LAST)["optimizer_states"][0]["state"]
    assert {state["step"].item() for state in states.values()} == {STEPS}, "an optimiser of its own"
    entry = RunRecord.read(many / "at2").model["start"]
    assert (entry["run"], entry["slope"], entry["direction"]) == ("many", 2.0, None)
    assert entry["checkpoint_sha256"] == sha256(many / "many" / KEPT)


def test_a_run_of_many_betas_goes_on_from_the_end_of_another(many, tmp_path):
    settings = {**SMALL, "run_dir": str(tmp_path), "objective": "multirate", "beta_range": [0.1, 4.0], "lr": STILL}
    vae_rd.fit_model(FitConfig(name="on", start_from=str(many / "many"), **settings))
    states = content(tmp_path / "on" / LAST)["optimizer_states"][0]["state"]
    assert {state["step"].item() for state in states.values()} == {6 + STEPS}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"beta": 5.0}, "--beta 5: .* is of betas from 0.1 to 4; choose one of these"),
        ({"objective": "geco", "target_distortion": 20.0}, "its network is another one"),
        ({"beta": 2.0, "latent_dim": 3}, "its network is another one"),
    ],
)
def test_what_a_run_of_many_betas_is_no_start_for(many, tmp_path, flags, said):
    with pytest.raises(InputError, match=said):
        vae_rd.fit_model(FitConfig(**{**SMALL, "run_dir": str(tmp_path), "start_from": str(many / "many"), **flags}))
    assert list(tmp_path.iterdir()) == []
