"""A flag's value in every form in which somebody writes it down, and the forms that could be read in two ways."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from vae_rd.config.cli import from_mapping, parse
from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import data_root, run_name
from vae_rd.config.values import typed_value
from vae_rd.errors import InputError

FORMS = [
    ("latent_dim", [8, 8.0, "8", "8.0", "8e0", "0.8e1", np.int64(8), np.float64(8)], 8),
    ("n_train", [1000, 1e3, "1e3", "1000.0", "1_000"], 1000),
    ("seed", [2**60, str(2**60)], 2**60),
    (
        "hidden",
        [[64, 32], [64.0, 32.0], ["64", "3.2e1"], "[64, 32]", "[64.0, 32.0]", "[6.4e1, 32]", (64, 32)],
        [64, 32],
    ),
    ("gaussian_eigenvalues", [[1e-3, 4], "[1e-3, 4]", ["1e-3", 4.0]], [1e-3, 4.0]),
    ("whiten", [True, 1, 1.0, "True", "true", "TRUE", "yes", "on", "1", "1.0"], True),
    ("whiten", [False, 0, 0.0, "False", "false", "no", "off", "0", "0.0"], False),
    ("beta", [4, 4.0, "4", "4.0", "4e0", np.float32(4), np.int32(4)], 4.0),
    ("precision", ["32", 32, 32.0, "32.0"], "32"),
    ("grad_clip", [None, "None", "null"], None),
    ("data_dir", ["x", Path("x")], "x"),
]


@pytest.mark.parametrize(("name", "forms", "value"), FORMS)
def test_every_plain_form_of_a_value_is_taken(name, forms, value):
    for form in forms:
        found = typed_value(name, form)
        assert found == value, form
        assert type(found) is type(value), form
        if isinstance(value, list):
            assert [type(element) for element in found] == [type(element) for element in value]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("latent_dim", 8.5, "--latent_dim 8.5: give a whole number"),
        ("latent_dim", "8.5", "--latent_dim 8.5: give a whole number"),
        ("latent_dim", True, "give a whole number"),
        ("latent_dim", "inf", "give a whole number"),
        ("latent_dim", b"8", "give a whole number"),
        ("seed", 2.0**60, "give a whole number"),  # The float stands for 256 of them.
        ("seed", "9007199254740993.0", "give a whole number"),
        ("hidden", "[8, 8.5]", "give a list"),
        ("hidden", "[8, true]", "give a list"),
        ("hidden", "[010]", "give a list"),
        ("whiten", 2, "give true or false"),
        ("whiten", 0.5, "give true or false"),
        ("beta", False, "give a number"),
        ("precision", 16, "choose one of 32, 64, bf16"),
        ("precision", 32.5, "choose one of 32, 64, bf16"),
        ("wandb", False, "choose one of off, offline, online, auto; YAML reads on, off, yes and no as true or false"),
        ("name", 7, "give text or null; write it in quotes"),
        ("name", True, "YAML reads on, off, yes and no as true or false: write it in quotes"),
    ],
)
def test_what_could_mean_something_else_is_refused(name, value, message):
    with pytest.raises(InputError) as refused:
        typed_value(name, value)
    assert message in str(refused.value)


def test_w_and_b_s_values_are_the_config_s_whether_it_sends_json_or_text():
    """Its server keeps values as JSON, where a whole number may have become a float; its agent writes str(value)."""
    config = FitConfig(hidden=[64, 32], latent_dim=3, seed=2**52, whiten=True, grad_clip=2.0, precision="64")
    sent = {k: float(v) if type(v) is int else v for k, v in json.loads(json.dumps(to_dict(config))).items()}
    sent["hidden"] = [64.0, 32.0]
    argv = create_sweep_command_args({"args": {k: {"value": v} for k, v in sent.items()}})["args"]
    assert parse(argv).config == from_mapping(sent, where="") == config


def test_there_is_one_zero():
    assert run_name(parse(["--beta=-0.0"]).config) == run_name(parse(["--beta=0"]).config)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["run_dir", "data_dir", "data_file"])
def test_a_tilde_is_the_home_folder_wherever_it_is_written(name, home):
    (home / "c.yaml").write_text(yaml.safe_dump({"data": "npz", "data_file": "x", name: "~/mine"}))
    for argv in (["--data=npz", "--data_file=x", f"--{name}=~/mine"], ["--config=~/c.yaml"], ["--config", "c.yaml"]):
        assert getattr(parse(argv).config, name) == str(home / "mine")
    assert getattr(parse(["--data=npz", "--data_file=x", f"--{name}=a~b/~"]).config, name) == "a~b/~"
    with pytest.raises(InputError, match=f"--{name} ~nobody_of_this_name/x: there is no such home folder here"):
        parse([f"--{name}=~nobody_of_this_name/x"])


def test_the_environment_s_data_folder_may_begin_with_a_tilde(home, monkeypatch):
    monkeypatch.setenv("VAE_RD_DATA", "~/data")
    assert data_root(FitConfig()) == str(home / "data")
    assert data_root(parse(["--data_dir=~/other"]).config) == str(home / "other")


def test_a_key_that_a_config_file_has_twice_is_refused_with_its_line(tmp_path):
    (tmp_path / "c.yaml").write_text("beta: 1\nlr: 0.1\nbeta: 4\n")
    with pytest.raises(InputError, match=r"c\.yaml, line 3: beta is given here and in line 1"):
        parse([f"--config={tmp_path / 'c.yaml'}"])
