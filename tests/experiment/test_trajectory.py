"""One training through several betas: each leaves a model of its own, which is a run's like any other."""

import math
import signal

import pytest
import torch

import vae_rd
from analysis.rows.runs import load_runs
from vae_rd.config.cli import parse
from vae_rd.errors import InputError, Interrupted
from vae_rd.experiment import build
from vae_rd.experiment.loading import open_run
from vae_rd.objectives.trajectory import ends_of
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.points import points_of
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import summary_lines

from helpers.runs import history

BETAS = [0.1, 1.0, 4.0]
STEPS = 4 * 4  # Of which six are at the first beta, and five each at the others.


@pytest.fixture
def along(toy, tmp_path):
    def config(name: str, **changes):
        settings = {"objective": "trajectory", "trajectory": BETAS, "max_epochs": 4, "media_every": 0}
        return toy(name=name, information_examples=50, **{**settings, **changes})

    return config


def weights(folder, file=KEPT):
    state = torch.load(folder / file, weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if name.startswith("model.")}


def same(ours, theirs) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_model_of_each_beta_that_all_else_takes(along, tmp_path, capsys):
    record = vae_rd.fit_model(along("whole"))
    assert "2 of 2 units on at beta 0.1 to 4 and collapses from beta" in capsys.readouterr().out
    assert record.model["forecast"]["collapse_beta"] > 4.0
    run = tmp_path / "runs" / "whole"
    assert record.model["slope"] == 4.0, "the run's own is the last"
    assert [point.name for point in points_of(run)] == ["0.1", "1"]
    assert [float(row["beta_effective"]) for row in history(run)] == [0.1, 1.0, 4.0, 4.0]
    for point, beta in zip(points_of(run), BETAS, strict=False):
        found = RunRecord.read(point)
        values = {name: found.metrics["test"][name]["value"] for name in ("distortion", "rate", "objective")}
        assert values["objective"] == pytest.approx(values["distortion"] + beta * values["rate"], rel=1e-6)
        assert (found.model["slope"], found.config["beta"], found.status) == (beta, beta, "finished")
        opened, loaded = open_run(point), vae_rd.load(run, beta=beta)
        assert (opened.slope, found.model["forecast"]) == (beta, record.model["forecast"])
        for model in (opened.model, loaded):
            assert same({f"model.{name}": value for name, value in model.state_dict().items()}, weights(point))
        again = vae_rd.evaluate_run(point, split="test").metrics["test"]["distortion"]["value"]
        assert again == pytest.approx(values["distortion"], rel=1e-6)
    assert same({f"model.{name}": v for name, v in vae_rd.load(run, beta=4.0).state_dict().items()}, weights(run))
    with pytest.raises(InputError, match=r"choose one of its points, beta 0\.1, 1"):
        vae_rd.load(run, beta=2.0)
    shown = [line for line in summary_lines(record, run) if line.startswith("test")]
    assert [line.split()[-1] for line in shown] == [str(point) for point in points_of(run)]
    rows = load_runs(run)
    assert rows[rows["split"] == "test"]["beta"].tolist() == BETAS


def test_the_first_of_its_models_is_that_of_a_run_of_this_beta_and_length(along, toy, tmp_path, monkeypatch):
    """Same noise, order and learning rate: what follows changes nothing of it. Adam is given its longer memory."""
    monkeypatch.setattr(build, "SHORT", 0.999)
    vae_rd.fit_model(along("whole"))
    vae_rd.fit_model(toy(name="first", beta=BETAS[0], max_steps=ends_of(len(BETAS), steps=STEPS)[0], media_every=0))
    runs = tmp_path / "runs"
    assert same(weights(runs / "whole" / "betas" / "0.1"), weights(runs / "first", LAST))


def test_a_resumed_one_has_the_same_models_and_no_other_length(along, tmp_path, interrupt):
    vae_rd.fit_model(along("whole"))
    interrupt(3 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(along("parts"))
    interrupt(0, signal.SIGTERM)
    with pytest.raises(InputError, match="has its part of all steps, of --max_epochs 4; give these"):
        vae_rd.fit_model(along("parts", max_epochs=5, resume="auto"))
    vae_rd.fit_model(along("parts", resume="auto"))
    whole, parts = tmp_path / "runs" / "whole", tmp_path / "runs" / "parts"
    for ours, theirs in zip([parts, *points_of(parts)], [whole, *points_of(whole)], strict=True):
        assert same(weights(ours), weights(theirs))
        assert RunRecord.read(ours).metrics == RunRecord.read(theirs).metrics
    assert [*tmp_path.rglob("*.tmp")] == []


def test_learning_rates_rise_and_fall_once_for_each_beta(along, tmp_path):
    """Parts end after 8, 12, 16 and 20 steps, with epochs of 4; a row has the rate of the step to come."""
    vae_rd.fit_model(along("a", trajectory=[4.0, 1.0, 0.25, 0.0625], max_epochs=5, lr_schedule="cosine"))
    rates = [float(row["lr"]) for row in history(tmp_path / "runs" / "a")]
    assert rates == pytest.approx([5e-3, 4e-3, 1e-2 * 0.4**0.5, 1e-2, 0.0], abs=1e-12)


def test_betas_are_said_as_a_list_or_as_logspace():
    assert parse(["--trajectory=logspace(-1, 1, 3)"]).config == parse(["--trajectory=[0.1, 1, 10]"]).config
    config = parse(["--trajectory", "[0.1, 1]"]).config
    assert (config.objective, config.trajectory) == ("trajectory", [0.1, 1.0])
    with pytest.raises(InputError, match=r"--trajectory logspace\(1\): give a list"):
        parse(["--trajectory=logspace(1)"])
    for wrong in ("[1]", "[0, 1]", "[1, 3, 2]", "[1, 1]", f"[1, {math.inf}]"):
        with pytest.raises(InputError, match="give two betas or more, above 0, all the way up or down"):
            parse([f"--trajectory={wrong}"])
