"""`python -m vae_rd.sweep --suggest`: a sweep file that the command itself then carries out."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from vae_rd import sweep
from vae_rd.config.fields import FitConfig
from vae_rd.experiment.preparing import prepare
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.launch.suggestion import Asked, content_of, parse
from vae_rd.run.record import RunRecord
from vae_rd.theory.forecast import Forecast

from helpers.common import TOY


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(path: str) -> list[FitConfig]:
    return [run.config for run in plan(read_sweep_file(Path(path), fixed={})).runs]


def test_the_betas_go_from_the_collapse_to_all_units_evenly_in_rate(here, capfd):
    assert sweep.main(["--suggest", "--latent_dim", "6", "--seed=3", "--count", "5", "-o", "mine.yaml"]) == 0
    configs = planned("mine.yaml")
    forecast = prepare(configs[0], None, None).forecast
    rates = [forecast.rate(config.beta) for config in configs]
    assert (len(configs), rates[0], forecast.units(configs[-1].beta)) == (5, 0, 6)
    assert np.diff(rates) == pytest.approx(rates[-1] / 4, rel=0.02)  # Three digits of beta.
    assert {(config.latent_dim, config.seed, config.run_dir) for config in configs} == {(6, 3, "runs/mine")}
    said = capfd.readouterr().out
    assert said.startswith("mine.yaml: 5 values of beta from 26.2 to ")
    assert said.endswith("python -m vae_rd.sweep mine.yaml\n")


def test_what_is_printed_is_the_file(here, capfd):
    flags = ["--config", "c.yaml", "--hidden", "[8, 4]"]
    Path("c.yaml").write_text("data: noisy_sprites\nbeta: 3\nlatent_dim: 4\n")
    assert sweep.main(["--suggest", *flags]) == 0
    printed = capfd.readouterr().out
    assert sweep.main(["--suggest", *flags, "--output", "mine.yaml"]) == 0
    assert Path("mine.yaml").read_text() == printed
    assert {(c.data, c.latent_dim, tuple(c.hidden)) for c in planned("mine.yaml")} == {("noisy_sprites", 4, (8, 4))}
    assert len(planned("mine.yaml")) == 8


def test_betas_that_are_close_keep_the_digits_that_tell_them_apart():
    asked = Asked(FitConfig(), {}, (), 6, None)
    betas = content_of(Forecast((1.0, 0.99999), values=1000), asked)["parameters"]["beta"]["values"]
    assert len(set(betas)) == 6


def test_a_dataset_of_hugging_face_keeps_its_place(here):
    asked = parse(["--suggest", "--data", "hf:ylecun/mnist", "--likelihood", "gaussian"])
    parameters = content_of(Forecast((8.0, 4.0)), asked)["parameters"]
    assert (parameters["data"], parameters["data_file"]) == ({"value": "hf"}, {"value": "ylecun/mnist"})


@pytest.mark.slow
def test_the_sweep_carries_it_out(here):
    assert sweep.main(["--suggest", *TOY, "--count", "2", "-o", "two.yaml"]) == 0
    assert sweep.main(["two.yaml", "--jobs", "1"]) == 0
    records = [RunRecord.read(path) for path in Path("runs/two").iterdir() if (path / "record.json").is_file()]
    betas = yaml.safe_load(Path("two.yaml").read_text())["parameters"]["beta"]["values"]
    assert {record.status for record in records} == {"finished"}
    assert sorted(record.config["beta"] for record in records) == sorted(betas)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--beta", "4"], "--beta: is what --suggest chooses; leave it out"),
        (["--bta", "4"], "unknown flag --bta; did you mean --beta?"),
        (["--seed", "x"], "--seed x: "),
        (["--likelihood_scale", "3"], "--likelihood_scale belongs to --likelihood gaussian"),
        (["--seed", "0", "--seed", "1"], "--seed is given twice"),
        (["--count", "1"], "argument --count: 1: give a whole number from 2 on"),
        (["--batch_size", "9999"], "the training split has 3584 examples"),
        (["--name", "x"], "each run of a sweep gets a name of its own"),
        (["--resume", "never"], "a sweep always goes on with what is there"),
        (["--jobs", "2"], "unknown flag --jobs"),
        (["-o", "there.yaml"], "--output there.yaml: is there already; remove it, or name another file"),
        (["-o", "none/mine.yaml"], "--output none/mine.yaml: cannot be used"),
        (["--data", "toy_channel", "--likelihood", "categorical"], "there is no forecast for --data toy_channel"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words, message, here, capfd):
    Path("there.yaml").write_text("mine\n")
    assert sweep.main(["--suggest", *words]) == 2
    shown = capfd.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert [path.name for path in here.iterdir()] == ["there.yaml"]
    assert Path("there.yaml").read_text() == "mine\n"


def test_help_says_what_it_takes(capfd):
    assert sweep.main(["--suggest", "--help"]) == 0
    assert "--count" in capfd.readouterr().out
