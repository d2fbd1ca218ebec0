"""Points of a run that holds many betas: found after it, each a record of its own, opened at its beta."""

import shutil
from dataclasses import replace

import pytest
import torch

import vae_rd
from analysis.rows.histories import load_histories
from analysis.rows.runs import load_runs
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment.loading import open_run
from vae_rd.run.finding import find_runs
from vae_rd.run.folder import KEPT
from vae_rd.run.points import point_folder, point_record, points_of, run_of_point
from vae_rd.run.record import RunRecord

SMALL = {"max_steps": 2, "hidden": [8], "latent_dim": 2, "n_train": 256, "wandb": "off", "media_every": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run at beta 1 with points at 0.5 and 10, the weights of one of which are its own, twice the run's."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    record = vae_rd.fit_model(FitConfig(name="mine", run_dir=str(folder.parent), **SMALL))
    for beta in (10.0, 0.5):
        (point := point_folder(folder, beta)).mkdir(parents=True)
        replace(point_record(record, beta), metrics=record.metrics).write(point)
    own = point_folder(folder, 10.0) / KEPT
    own.parent.mkdir()
    kept = torch.load(folder / KEPT, weights_only=True)
    torch.save(kept | {"state_dict": {name: 2 * value for name, value in kept["state_dict"].items()}}, own)
    return folder


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_a_run_leads_to_its_points_by_beta_and_a_point_to_itself(run, tmp_path):
    points = [point_folder(run, beta) for beta in (0.5, 10.0)]
    for entry in (run, run.parent, str(run.parent / "*")):
        assert find_runs(entry) == [run, *points]
    assert find_runs(points[1]) == [points[1]]
    assert find_runs(run / "record.json") == [run]
    assert points_of(run) == points
    assert [run_of_point(folder) for folder in (run, *points)] == [None, run, run]
    shutil.copytree(run, run / "wandb" / "copy")
    assert find_runs(run) == [run, *points], "W&B's copies are none"
    shutil.rmtree(run / "wandb")


def test_the_points_of_a_run_are_a_curve_of_analysis(run):
    rows = load_runs(run)
    assert rows[rows["split"] == "test"]["beta"].tolist() == [0.5, 1.0, 10.0]
    assert rows["run"].unique().tolist() == ["mine-beta0.5", "mine", "mine-beta10"]


def test_their_history_is_that_of_the_run(run, recwarn):
    assert load_histories(load_runs(run))["folder"].unique().tolist() == [str(run)]
    assert not recwarn


def test_a_point_has_its_own_weights_or_those_of_its_run(run):
    of_run = weights(vae_rd.load(run))
    assert torch.equal(weights(vae_rd.load(run, beta=1.0)), of_run)
    for beta, times in ((0.5, 1.0), (10.0, 2.0)):
        for found in (vae_rd.load(point_folder(run, beta)), vae_rd.load(run, beta=beta)):
            assert torch.equal(weights(found), times * of_run)
        opened = open_run(point_folder(run, beta))
        assert (opened.slope, opened.config.beta) == (beta, beta)


def test_a_beta_that_a_run_has_not_is_refused_with_those_that_it_has(run):
    with pytest.raises(InputError, match=r"not of this beta; choose one of its points, beta 0\.5, 10$"):
        vae_rd.load(run, beta=3.0)


def test_a_point_is_measured_and_named_like_any_run(run):
    record = vae_rd.evaluate_run(point_folder(run, 0.5), split="test")
    d, r, objective = (record.metrics["test"][name]["value"] for name in ("distortion", "rate", "objective"))
    assert objective == pytest.approx(d + 0.5 * r)
    assert RunRecord.read(run).model["slope"] == 1.0
