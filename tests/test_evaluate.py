"""`python -m vae_rd.evaluate` as a user meets it: what it adds to a record, how it goes on, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TOY

from analysis.load import load_runs
from vae_rd import evaluate, fit
from vae_rd.data.base import EVAL_CHUNK
from vae_rd.estimates.base import Settings
from vae_rd.estimates.nll import importance_nll
from vae_rd.estimates.partials import FOLDER, by_chunks, forget
from vae_rd.experiment import open_run
from vae_rd.records import RunRecord
from vae_rd.theory.gaussian import at_level

GAUSSIAN = ["--data=gaussian", "--encoder=linear", "--decoder=linear", "--likelihood=gaussian", "--latent_dim=4"]
SMALL = ["--samples=40", "--examples=30", "--chains=4", "--temperatures=20"]


def fitted(folder: Path, *flags: str) -> Path:
    assert fit.main([*flags, "--max_steps=20", "--wandb=off", f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def gaussian_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    return fitted(folder, *GAUSSIAN, "--gaussian_eigenvalues=[2, 0.5]", "--n_test=1000", "--batch_size=64")


@pytest.fixture(scope="module")
def sprites_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return fitted(tmp_path_factory.mktemp("runs"), *TOY)


def entries(run: Path) -> dict[str, dict[str, Any]]:
    return {entry["kind"]: entry for entry in RunRecord.read(run).estimates}


@pytest.mark.parametrize("nll", ["importance", "prior"])
def test_each_estimate_joins_the_record_with_error_and_n(nll: str, sprites_run: Path) -> None:
    kinds = {nll, "ais", "bdmc", "gaps", "information"}
    assert evaluate.main([str(sprites_run), "--nll", nll, "--ais", "--gaps", "--information", *SMALL]) == 0
    found = entries(sprites_run)
    assert kinds <= found.keys()
    for entry in (found[kind] for kind in kinds):
        assert entry["n"] == 30
        assert entry["stderr"] > 0
        assert entry["source"]
    assert not (sprites_run / FOLDER).exists()
    assert load_runs([sprites_run])["nll"].notna().any()


def test_repeating_a_command_replaces_its_entry(sprites_run: Path) -> None:
    for _ in range(2):
        assert evaluate.main([str(sprites_run), "--nll", "importance", "--split", "val", *SMALL]) == 0
    of_val = [e for e in RunRecord.read(sprites_run).estimates if e["split"] == "val"]
    assert len(of_val) == 1


def test_without_a_flag_the_metrics_come_out_as_the_fit_wrote_them(sprites_run: Path) -> None:
    before = RunRecord.read(sprites_run)
    assert evaluate.main([str(sprites_run)]) == 0
    after = RunRecord.read(sprites_run)
    assert after.metrics == before.metrics


def test_an_importance_nll_lies_between_the_entropy_and_the_elbo(gaussian_run: Path) -> None:
    entry = importance_nll(open_run(gaussian_run), Settings(samples=200))
    test = RunRecord.read(gaussian_run).metrics["test"]
    entropy = RunRecord.read(gaussian_run).data["entropy"]["test"]["value"]
    forget(gaussian_run)
    assert entry["stderr"] < 0.2
    assert entropy - 4 * entry["stderr"] < entry["value"] < -test["elbo"]["value"]
    rise = [-test["elbo"]["value"], *list(entry["value_by_samples"].values())[1:], entry["value"]]
    assert rise == sorted(rise, reverse=True)


@pytest.mark.slow
def test_the_source_bounds_enclose_reverse_water_filling(gaussian_run: Path) -> None:
    assert evaluate.main([str(gaussian_run), "--dual"]) == 0
    found, config = entries(gaussian_run), RunRecord.read(gaussian_run).config
    s2, b = config["likelihood_scale"] ** 2, 1 / config["beta"]
    point = at_level([2.0, 0.5], level=s2 / b)
    constant = 2 / 2 * torch.tensor(2 * torch.pi * s2).log().item()
    exact = point.rate + b * (point.squared_error / (2 * s2) + constant)
    assert exact - 0.05 < found["dual"]["limit"] <= exact
    assert exact - 4 * found["particle"]["stderr"] <= found["particle"]["value"] < exact + 0.05
    assert found["particle"]["b"] == found["dual"]["b"] == b


REFUSED = {
    "no run": (["nowhere"], "nowhere"),
    "no runs at all": ([], "RUN"),
    "unknown flag": (["RUN", "--entropy"], "--entropy"),
    "one sample": (["RUN", "--nll", "importance", "--samples", "1"], "--samples"),
    "no such split": (["RUN", "--split", "training"], "training"),
    "finite source": (["RUN", "--dual"], "--dual bounds R(D) of an unlimited source"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(case: str, sprites_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = REFUSED[case]
    before = (sprites_run / "record.json").read_bytes()
    capsys.readouterr()
    assert evaluate.main([str(sprites_run) if word == "RUN" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert (sprites_run / "record.json").read_bytes() == before


def test_an_unfinished_run_is_refused(sprites_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((sprites_run / "record.json").read_text()) | {"status": "interrupted"}
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert evaluate.main([str(tmp_path)]) == 2
    assert "this run is interrupted" in capsys.readouterr().err


def test_an_interrupted_estimate_goes_on_from_its_last_chunk(gaussian_run: Path) -> None:
    data, settings = open_run(gaussian_run).data, {"kind": "importance", "split": "test", "seed": 0}
    seen: list[int] = []

    def measure(chunk: int, x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(chunk)
        if seen == [0, 1]:
            raise KeyboardInterrupt
        return {"sum": x.flatten(1).sum(1)}

    with pytest.raises(KeyboardInterrupt):
        by_chunks(gaussian_run, data, settings, measure, examples=EVAL_CHUNK + 7)
    values = by_chunks(gaussian_run, data, settings, measure, examples=EVAL_CHUNK + 7)
    assert seen == [0, 1, 1]
    assert torch.equal(values["sum"], data.pixels["test"][: EVAL_CHUNK + 7].flatten(1).sum(1))
    forget(gaussian_run)
    assert not (gaussian_run / FOLDER).exists()


def test_a_damaged_partial_is_measured_again(gaussian_run: Path) -> None:
    data, settings = open_run(gaussian_run).data, {"kind": "prior", "split": "val", "seed": 1}
    first = by_chunks(gaussian_run, data, settings, lambda _, x: {"sum": x.sum((1, 2, 3))}, examples=20)
    for path in (gaussian_run / FOLDER).iterdir():
        path.write_bytes(path.read_bytes()[:40])
    again = by_chunks(gaussian_run, data, settings, lambda _, x: {"sum": x.sum((1, 2, 3))}, examples=20)
    assert torch.equal(first["sum"], again["sum"])
    forget(gaussian_run)
