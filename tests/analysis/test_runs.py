"""Records to tidy rows: what is found, what is left out, what is refused, and in which units."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import frontier
from analysis.rows.finding import RunWarning
from analysis.rows.histories import load_histories
from analysis.rows.runs import load_runs, of_split
from vae_rd.errors import InputError
from vae_rd.run.finding import find_runs
from vae_rd.run.record import SPLITS, Json

from helpers.fake_records import (
    SOURCES,
    SPRITES_H,
    estimated,
    mnist_sweep,
    sprites_card,
    sprites_point,
    sprites_sweep,
    write_run,
)

TIGHTENED = [f"mutual_information_upper{end}" for end in ("", "_stderr", "_method")]


def edit(folder: Path, **changes: object) -> None:
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_folders_globs_and_folders_of_runs_lead_to_the_same_runs(tmp_path):
    folders = sprites_sweep(tmp_path / "sweep", betas=[1.0, 2.0])
    for entry in (folders, tmp_path, str(tmp_path / "sw*" / "*"), [tmp_path / "sweep", *folders]):
        assert sorted(find_runs(entry)) == sorted(folders)
    assert find_runs(folders[0] / "record.json") == folders[:1]


def test_an_entry_without_a_record_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        find_runs(tmp_path / "nowhere*")
    with pytest.raises(InputError, match=r"no record\.json there"):
        find_runs(tmp_path)


def test_rows_carry_the_numbers_of_the_record_and_are_sorted_by_beta_and_seed(tmp_path):
    sprites_sweep(tmp_path, betas=[10.0, 0.5], seeds=[1, 0])
    runs = load_runs(tmp_path)
    assert len(runs) == 4 * len(SPLITS)
    assert runs["beta"].is_monotonic_increasing
    assert of_split(runs, "test")["seed"].tolist() == [0, 1, 0, 1]
    row, point = runs.iloc[0], sprites_point(0.5)
    assert (row["distortion"], row["rate"]) == (point.distortion, point.rate)
    assert row["mutual_information_lower"] == point.information
    assert row["decoder_kl"] == pytest.approx(point.distortion + point.information - SPRITES_H, abs=1e-12)
    assert row["decoder_kl"] >= 0
    assert (row["entropy"], row["entropy_kind"], row["population"]) == (SPRITES_H, "exact", True)


def test_units_scale_every_information_quantity_and_nothing_else(tmp_path):
    mnist_sweep(tmp_path, betas=[1.0], nll=True)
    nats, bits, per_dim = (load_runs(tmp_path, units=u).iloc[2] for u in ("nats", "bits", "bits_per_dim"))
    for column in ("distortion", "elbo_stderr", "mutual_information_lower_cap", "nll", "marginal_kl_upper"):
        assert bits[column] == pytest.approx(nats[column] / math.log(2), rel=1e-12), column
        assert per_dim[column] == pytest.approx(bits[column] / 784, rel=1e-12), column
    assert (bits["n"], bits["active_units"], bits["beta"]) == (nats["n"], nats["active_units"], nats["beta"])
    assert load_histories(load_runs(tmp_path, units="bits")).iloc[0]["rate"] == pytest.approx(
        load_histories(load_runs(tmp_path)).iloc[0]["rate"] / math.log(2), rel=1e-12
    )


def test_null_is_undefined_never_zero(tmp_path):
    mnist_sweep(tmp_path, betas=[1.0])
    row = load_runs(tmp_path).iloc[2]
    assert math.isnan(row["entropy"])
    assert math.isnan(row["decoder_kl"])
    assert math.isnan(row["nll"])


def test_the_nll_of_the_least_upper_limit_on_the_split_counts(tmp_path):
    found = [
        estimated("importance", value=12.0, stderr=0.1),
        estimated("ais", value=11.5, stderr=0.1),
        estimated("prior", value=11.2, stderr=3.0),  # the least value of all, by luck
        estimated("ais", value=2.0, split="val"),
        estimated("importance", value=None, stderr=None),
        estimated("dual", value=1.0, b=1.0, limit=0.9),
    ]
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    write_run(tmp_path, card=sprites_card(), beta=1.0, points=points, estimates=found)
    row = of_split(load_runs(tmp_path), "test").iloc[0]
    assert (row["nll"], row["nll_kind"], row["nll_source"]) == (11.5, "ais", SOURCES["ais"])


@pytest.mark.parametrize(("value", "is_tighter"), [(-1.0, True), (+1.0, False)])
def test_the_rate_under_a_fitted_prior_is_the_upper_bound_on_i_where_it_is_the_tighter_one(tmp_path, value, is_tighter):
    mnist_sweep(tmp_path, betas=[1.0])
    [folder] = tmp_path.iterdir()
    before = of_split(load_runs(tmp_path), "test").iloc[0]
    bound = before["mutual_information_upper"] + value
    found = [
        estimated("marginal_maf", value=bound, stderr=0.01),
        estimated("marginal_mixture", value=bound - 0.05, stderr=0.1),  # the least value, but not the least limit
        estimated("marginal_maf", value=0.1, split="val"),
    ]
    edit(folder, estimates=found)
    row = of_split(load_runs(tmp_path), "test").iloc[0]
    assert row["marginal_rate"] == bound
    assert row["marginal_rate_source"] == SOURCES["marginal_maf"]
    upper = (bound, 0.01, "fitted marginal") if is_tighter else tuple(before[TIGHTENED])
    assert tuple(row[TIGHTENED]) == upper
    edit(folder, estimates=[])
    assert math.isnan(of_split(load_runs(tmp_path), "test").iloc[0]["marginal_rate"])


def test_an_exact_information_is_no_bound_that_could_be_tightened(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    found = [estimated("marginal_maf", value=0.01, stderr=0.001)]
    write_run(tmp_path, card=sprites_card(), beta=1.0, points=points, estimates=found)
    row = of_split(load_runs(tmp_path), "test").iloc[0]
    assert (row["mutual_information_upper"], row["marginal_rate"]) == (pytest.approx(points["test"].information), 0.01)


def test_unfinished_runs_are_left_out_with_one_warning_that_names_them(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0, 4.0])
    edit(folders[0], status="interrupted", metrics={})
    edit(folders[1], status="running", metrics={})
    with pytest.warns(RunWarning) as caught:
        runs = load_runs(tmp_path)
    assert len(caught) == 1
    assert all(f.name in str(caught[0].message) for f in folders[:2])
    assert set(runs["run"]) == {folders[2].name}


def test_only_unfinished_runs_are_refused(tmp_path):
    edit(sprites_sweep(tmp_path, betas=[1.0])[0], status="failed")
    with pytest.warns(RunWarning), pytest.raises(InputError, match="none of the runs is finished"):
        load_runs(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        {"metrics": {}},
        {"metrics": []},
        {"metrics": {"test": {"rate": {"value": 1.0}}}},
        {"data": {"name": "sprites"}},
        {"config": None},
        {"estimates": [{"kind": "ais"}]},
        {"schema_version": 0},
    ],
)
def test_a_damaged_record_is_refused_by_file_name(tmp_path, damage):
    folder = sprites_sweep(tmp_path, betas=[1.0])[0]
    edit(folder, **damage)
    with pytest.raises(InputError, match=r"record\.json") as caught:
        load_runs(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_value_that_is_no_number_is_damage(tmp_path):
    folder = sprites_sweep(tmp_path, betas=[1.0])[0]
    content = json.loads((folder / "record.json").read_text())
    content["metrics"]["test"]["rate"]["value"] = "8.2"
    (folder / "record.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"record\.json: damaged, metrics test rate value '8\.2' is not a number"):
        load_runs(tmp_path)


def test_damaged_records_are_named_in_one_warning_and_the_others_shown(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[0.5, 1.0, 2.0, 4.0, 10.0, 20.0])
    (folders[0] / "record.json").write_text((folders[0] / "record.json").read_text()[:100])
    (folders[1] / "record.json").write_bytes(b"")
    (folders[2] / "record.json").unlink()
    (folders[2] / "record.json").mkdir()  # What root cannot read either.
    edit(folders[3], metrics={"test": {"rate": "much"}})
    edit(folders[4], metrics={"benchmark": {}})
    with pytest.warns(RunWarning) as caught:
        runs = load_runs(tmp_path)
    assert runs["folder"].unique().tolist() == [str(folders[5])]
    (said,) = [str(warning.message) for warning in caught]
    assert said.startswith("left out, cannot be read: ")
    assert all(str(folder) in said for folder in folders[:5])
    assert f"{folders[0]}, {folders[1]}: damaged, not JSON" in said
    assert "\n" not in said


def test_a_record_of_a_later_schema_is_read_as_far_as_it_is_known(tmp_path):
    one, other = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    before = load_runs(tmp_path).drop(columns="made")
    edit(one, schema_version=2, weather={"rain": True})
    with pytest.warns(RunWarning, match=f"later schema_version than 1, .*: {one.name} \\(2\\)") as caught:
        found = load_runs(tmp_path).drop(columns="made")
    assert len(caught) == 1
    assert found.equals(before)
    edit(other, schema_version=3, metrics="elsewhere")
    with pytest.warns(RunWarning, match=f"left out, cannot be read: {other}: damaged, metrics cannot be right"):
        assert set(load_runs(tmp_path)["run"]) == {one.name}


def test_a_run_without_metrics_on_a_split_is_named_and_left_out_and_refused_where_no_run_has_any(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    for folder, left in zip(folders, (folders[1:], []), strict=True):
        metrics = json.loads((folder / "record.json").read_text())["metrics"]
        edit(folder, metrics={split: found for split, found in metrics.items() if split != "val"})
        if left:
            with pytest.warns(RunWarning, match=f"left out, no metrics on the val split: {folder.name}$"):
                assert of_split(load_runs(tmp_path), "val")["folder"].tolist() == [str(left[0])]
    with pytest.raises(InputError, match=f"{folders[0].name}, {folders[1].name}; evaluate the runs again"):
        of_split(load_runs(tmp_path), "val")


def test_runs_that_are_left_out_under_one_name_are_told_apart_by_their_folders(tmp_path):
    *mine, other, _ = folders = sprites_sweep(tmp_path, betas=[0.5, 1.0, 2.0, 4.0])
    for folder in folders[:3]:
        metrics = json.loads((folder / "record.json").read_text())["metrics"]
        edit(folder, metrics={"test": metrics["test"]}, **({"name": "mine"} if folder in mine else {}))
    names = ", ".join([f"mine ({mine[0]})", f"mine ({mine[1]})", other.name])
    with pytest.warns(RunWarning) as caught:
        of_split(load_runs(tmp_path), "val")
    assert [str(warning.message) for warning in caught] == [f"left out, no metrics on the val split: {names}"]
    with pytest.warns(RunWarning, match=re.escape(f"no R and D on both val and test: {names}")):
        frontier(load_runs(tmp_path))


def test_the_kept_epoch_is_the_one_that_the_record_names(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(2.0))
    write_run(tmp_path, card=sprites_card(), beta=2.0, points=points, epochs=40, kept_epoch=31)
    rows = load_histories(load_runs(tmp_path))
    assert rows[rows["kept"]]["epoch"].unique().tolist() == [31]
    assert len(rows[rows["split"] == "train"]) == 40
    assert len(rows[rows["split"] == "val"]) == 20  # cells of epochs without validation are empty


def test_the_kept_epoch_of_an_older_record_is_the_lowest_objective_after_warm_up(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(2.0))
    folder = write_run(tmp_path, card=sprites_card(), beta=2.0, points=points, epochs=40, warmup=20, kept_epoch=None)
    history = folder / "history.csv"
    lines = [line.split(",") for line in history.read_text().splitlines()]
    column = lines[0].index("val/objective")
    lines[1 + 3][column] = "-100.0"  # still warming up
    lines[1 + 31][column] = "-50.0"
    history.write_text("\n".join(",".join(line) for line in lines) + "\n")
    rows = load_histories(load_runs(tmp_path))
    assert rows[rows["kept"]]["epoch"].unique().tolist() == [31]


def test_no_epoch_is_marked_kept_when_beta_never_reached_its_value(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(2.0))
    write_run(tmp_path, card=sprites_card(), beta=2.0, points=points, epochs=10, warmup=20, kept_epoch=None)
    assert not load_histories(load_runs(tmp_path))["kept"].any()


@pytest.mark.parametrize("text", [None, "", "epoch,step\n0,1\n", "\x00\x01", "HEADER\nx,1\n", "HEADER\n"])
def test_a_missing_or_damaged_history_is_refused_by_file_name(tmp_path, text):
    folder = sprites_sweep(tmp_path, betas=[1.0])[0]
    history = folder / "history.csv"
    header = history.read_text().splitlines()[0]
    history.unlink()
    if text is not None:
        history.write_text(text.replace("HEADER", header))
    with pytest.raises(InputError, match=r"history\.csv") as caught:
        load_histories(load_runs(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_run_without_its_history_is_left_out_of_the_epochs_by_name(tmp_path):
    one, other, third = sprites_sweep(tmp_path, betas=[1.0, 2.0, 4.0])
    (one / "history.csv").unlink()
    edit(third, files={"history.csv": "1f"})
    with pytest.warns(RunWarning, match="left out, no history: ") as caught:
        assert set(load_histories(load_runs(tmp_path))["folder"]) == {str(other)}
    assert all(str(folder) in str(caught[0].message) for folder in (one, third))


def test_two_fits_of_one_name_in_two_folders_are_two_runs(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    for place, excess in (("a", 0.0), ("b", 1e-12)):  # As on two machines, whose sums differ in their last digit.
        moved = {split: replace(point, distortion=point.distortion + excess) for split, point in points.items()}
        write_run(tmp_path / place, card=sprites_card(), beta=1.0, points=moved)
    assert of_split(load_runs(tmp_path), "test")["folder"].nunique() == 2


@pytest.mark.parametrize("sealed", [True, False])
def test_a_copied_run_folder_counts_once_and_both_are_named(tmp_path, sealed):
    folder = sprites_sweep(tmp_path / "runs", betas=[1.0])[0]
    if sealed:
        edit(folder, files={"checkpoints/kept.ckpt": "1f", "history.csv": "2e"})
    copy = tmp_path / "backup" / folder.name
    shutil.copytree(folder, copy)
    with pytest.warns(RunWarning) as caught:
        assert set(load_runs([tmp_path / "runs", tmp_path / "backup"])["folder"]) == {str(folder)}
    assert [str(warning.message) for warning in caught] == [f"left out, copies: {copy} (a copy of {folder})"]
    assert caught[0].filename == __file__


def test_of_a_run_and_its_copy_the_one_with_more_estimates_counts(tmp_path):
    folder = sprites_sweep(tmp_path / "runs", betas=[1.0])[0]
    copy = tmp_path / "backup" / folder.name
    shutil.copytree(folder, copy)
    for place in (folder, copy):
        edit(place, files={"checkpoints/kept.ckpt": "1f"})
    edit(copy, estimates=[estimated("ais", value=11.5)])
    with pytest.warns(RunWarning, match=f"{folder} \\(a copy of {copy}\\)"):
        assert load_runs(folder.parent.parent)["nll"].notna().any()


def test_one_folder_by_two_paths_is_one_run(tmp_path, monkeypatch, recwarn):
    folder = sprites_sweep(tmp_path / "runs", betas=[1.0])[0]
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert len(load_runs(["runs", folder, "link", "./runs/../link"])) == len(SPLITS)
    assert not recwarn.list


def test_the_units_of_z_are_those_of_the_model_not_of_the_flag(tmp_path):
    """README's network of two units, fitted under the default --latent_dim 16."""
    own: Json = {"is_own": True, "latent_dim": 2}
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    folder = write_run(tmp_path, card=sprites_card(), beta=1.0, points=points, model=own)
    assert json.loads((folder / "record.json").read_text())["config"]["latent_dim"] == 16
    assert set(load_runs(tmp_path)["latent_dim"]) == {2}


@pytest.mark.parametrize(("verdict", "units"), [({"collapsed": False, "latent_dim": 2}, 2), (None, 16)])
def test_of_an_older_record_the_verdict_knows_the_units_else_the_flag(tmp_path, verdict, units):
    points, model = dict.fromkeys(SPLITS, sprites_point(1.0)), {"is_own": True, "latent_dim": None}
    write_run(tmp_path, card=sprites_card(), beta=1.0, points=points, model=model, verdicts={"collapse": verdict})
    assert set(load_runs(tmp_path)["latent_dim"]) == {units}
