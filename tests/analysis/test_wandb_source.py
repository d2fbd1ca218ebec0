"""Runs at W&B as a source of figures: the records that fit attached, downloaded once, from a loopback server."""

from __future__ import annotations

import csv
import json
import os
import time
from types import SimpleNamespace

import pytest

from analysis import load_runs
from analysis.__main__ import main
from analysis.rows.data_sets import data_sets
from analysis.rows.finding import RunWarning
from analysis.rows.groups import group_runs
from analysis.rows.running import load_running
from analysis.sources import wandb_client, wandb_runs
from analysis.sources.other_code import made_up
from analysis.sources.wandb_runs import local_runs
from analysis.statistics.frontiers import frontiers
from vae_rd.errors import InputError

from helpers.fake_records import sprites_sweep
from helpers.wandb_server import ServedRun, WandbServer


@pytest.fixture
def server(tmp_path, monkeypatch):
    with WandbServer() as running:
        for name, value in (running.environment() | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).items():
            monkeypatch.setenv(name, value)
        yield running


def served(server, folder, *, sweep=None, code=0, files=("record.json", "history.csv")):
    """The run of a folder as the server has it."""
    run = ServedRun(f"id{len(server.runs)}", "vae", folder.name, sweep=sweep, exit_code=code, started=True)
    run.files = {name: (folder / name).read_bytes() for name in files}
    server.runs[run.id] = run
    return run


def downloads(server):
    return [request for request in server.backend.requests if request.startswith("download")]


def test_a_figure_of_a_project_has_the_numbers_of_its_records_and_a_second_one_downloads_nothing(
    server, tmp_path, capsys
):
    folders = sprites_sweep(tmp_path / "runs", betas=[1.0, 2.0, 4.0])
    for folder in folders:
        served(server, folder)
    served(server, folders[0], code=None, files=())
    source, out = "wandb:tester/vae", tmp_path / "table.csv"
    assert main(["table", source, "-o", str(out)]) == 0
    assert capsys.readouterr().err == f"warning: left out, without a record at W&B: {folders[0].name} (running)\n"
    assert main(["table", str(tmp_path / "runs"), "-o", str(tmp_path / "own.csv")]) == 0
    first, second = (path.read_text().splitlines() for path in (out, tmp_path / "own.csv"))
    assert [line.split(",")[3:9] for line in first] == [line.split(",")[3:9] for line in second]
    assert sorted(downloads(server)) == ["download history.csv"] * 3 + ["download record.json"] * 3
    page = tmp_path / "report.html"
    assert main(["report", source, "-o", str(page)]) == 0
    assert folders[2].name in page.read_text(encoding="utf-8")
    assert load_runs(source)["run"].nunique() == 3
    assert len(downloads(server)) == 6
    server.runs["id1"].history.append({"val/rate": 1.0})  # W&B has heard from it since.
    local_runs(source)
    assert len(downloads(server)) == 8


def rows_at_wandb(folder, epochs):
    """What fit logs: the columns of its history, step by step, and the plane's own."""
    with (folder / "history.csv").open(newline="") as stream:
        found = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(stream)][:epochs]
    return [
        {"_step": int(row["step"]), "trainer/global_step": row["step"], "media/samples": {"path": "a.png"}, **row}
        for row in found
    ]


@pytest.mark.slow
def test_a_run_that_goes_on_stands_in_the_plane_by_what_it_has_logged_and_is_watched_to_its_end(
    server, tmp_path, monkeypatch, capsys
):
    first, second = sprites_sweep(tmp_path / "runs", betas=[1.0, 2.0])
    served(server, first)
    record = json.loads((second / "record.json").read_text())
    going = served(server, second, code=None, files=())
    going.files["record.json"] = json.dumps(record | {"status": "running", "metrics": {}}).encode()
    going.history = rows_at_wandb(second, epochs=10)
    last = going.history[-1]
    folders = local_runs("wandb:tester/vae")
    rows = load_running(folders)
    assert rows[["run", "epoch", "rate", "distortion"]].to_numpy().tolist() == [
        [second.name, 9, last["val/rate"], last["val/distortion"]]
    ]
    with pytest.warns(RunWarning, match=rf"not finished: {second.name} \(is running at W&B\)"):
        load_runs(folders)

    def end():
        going.exit_code, going.history = 0, [*going.history, {"_step": 999}]
        going.files = {name: (second / name).read_bytes() for name in ("record.json", "history.csv")}

    looks = iter([lambda: going.history.append({"_step": 998, "system/cpu": 1.0}), end])
    monkeypatch.setattr("analysis.watch.time.sleep", lambda seconds: next(looks)())
    out = tmp_path / "plane.svg"
    assert main(["plane", "wandb:tester/vae", "--watch", "-o", str(out)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2  # What the run logs besides changes no figure.
    drawn = {line.split(",")[0] for line in (tmp_path / "plane.csv").read_text().splitlines()[1:]}
    assert drawn == {first.name, second.name}


def test_a_run_that_was_killed_is_not_waited_for(server, tmp_path):
    first, second = sprites_sweep(tmp_path / "runs", betas=[1.0, 2.0])
    served(server, first)
    killed = served(server, second, code=1, files=())
    record = json.loads((second / "record.json").read_text())
    killed.files["record.json"] = json.dumps(record | {"status": "running", "metrics": {}}).encode()
    killed.history = rows_at_wandb(second, epochs=3)
    folders = local_runs("wandb:tester/vae")
    assert load_running(folders).empty
    with pytest.warns(RunWarning, match=rf"{second.name} \(is failed at W&B\)"):
        load_runs(folders)


@pytest.mark.slow
def test_runs_of_other_code_are_drawn_by_the_columns_that_the_user_names(server, tmp_path):
    for beta in (1.0, 2.0):
        run = ServedRun(f"own{beta:g}", "other", f"run{beta:g}", exit_code=0, started=True)
        run.logged_config = {"beta": {"value": beta}, "lr": {"value": 0.1}}
        run.summary = {"val/kl": 10 / beta, "val/recon": 80 * beta}
        server.runs[run.id] = run
    found = local_runs("wandb:tester/other", columns="beta=config.beta,rate=val/kl,distortion=val/recon")
    rows = load_runs(found)
    assert rows[["beta", "rate", "distortion", "elbo", "split"]].to_numpy().tolist() == [
        [1.0, 10.0, 80.0, -90.0, "val"],
        [2.0, 5.0, 160.0, -165.0, "val"],
    ]
    assert rows[["distortion_stderr", "n"]].isna().all(axis=None)
    out = tmp_path / "plane.svg"
    words = ["--wandb_columns", "beta=config.beta,rate=val/kl,distortion=val/recon", "--split", "val"]
    assert main(["plane", "wandb:tester/other", *words, "-o", str(out)]) == 0
    table = tmp_path / "table.md"
    assert main(["table", "wandb:tester/other", *words, "-o", str(table)]) == 0
    assert "(val –)" in table.read_text()
    server.runs["own2"].exit_code = None
    server.runs["own2"].history = [{"_step": 7, "val/kl": 5.0, "val/recon": 160.0}, {"_step": 8, "lr": 0.1}]
    running = load_running(local_runs("wandb:tester/other", columns=words[1]))
    assert running[["beta", "epoch", "rate", "distortion"]].to_numpy().tolist() == [[2.0, 7, 5.0, 160.0]]
    with pytest.raises(InputError, match="none of the 2 runs of the project has a record"):
        local_runs("wandb:tester/other")


def of_other_code(root, **configs):
    """Records of finished runs of one project, by name, which have these configs beside beta = 1."""
    columns = {"beta": "config.beta", "rate": "val/kl", "distortion": "val/recon"}
    for place, (name, config) in enumerate(configs.items()):
        (root / name).mkdir()
        numbers = {"val/kl": 5.0 + place, "val/recon": 80.0}
        known = {"name": name, "entity": "me", "project": "vae", "state": "finished", "summary": numbers}
        assert made_up(SimpleNamespace(**known, config={"beta": 1.0, **config}), root / name, columns) == ""
    return load_runs(root)


def test_data_sets_of_one_project_of_other_code_share_no_axes(tmp_path):
    configs = {"a": {"dataset": "mnist"}, "b": {"dataset": "omniglot"}, "c": {"data": {"name": "mnist"}}, "d": {}}
    found = data_sets(of_other_code(tmp_path, **configs))
    assert {name: rows["run"].tolist() for name, rows in found.items()} == {
        "me/vae": ["d"],
        "me/vae mnist": ["a"],
        "me/vae omniglot": ["b"],
        'me/vae {"name": "mnist"}': ["c"],
    }


def test_units_that_other_code_does_not_state_as_a_number_are_no_damage(tmp_path):
    configs = {"a": {"latent_dim": None}, "b": {"latent_dim": 8}, "c": {"latent_dim": [16, 8]}, "d": {}}
    runs = of_other_code(tmp_path, **configs).set_index("run")
    assert runs["latent_dim"].to_dict() == {"a": 0, "b": 8, "c": 0, "d": 0}
    assert json.loads(runs.loc["c", "config"])["latent_dims"] == [16, 8]


def test_runs_of_other_code_without_a_seed_are_all_of_a_point_of_the_frontier(tmp_path):
    runs = of_other_code(tmp_path, a={}, b={}, c={"seed": 0})
    [found] = frontiers(runs, group_runs(runs), split="val", chosen_on="val")
    assert found.points[["seeds", "rate", "rate_stderr"]].to_numpy().tolist() == [[3, 6.0, pytest.approx(3**-0.5)]]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("wandb:vae", "write wandb:ENTITY/PROJECT or wandb:ENTITY/PROJECT/SWEEP"),
        ("wandb:tester/../x", "write wandb:ENTITY/PROJECT"),
        ("wandb:tester/nowhere", "wandb:tester/nowhere: W&B: "),
        ("wandb:tester/vae/nosweep", "wandb:tester/vae/nosweep: W&B: "),
    ],
)
def test_what_cannot_be_answered_is_one_line(server, tmp_path, entry, says):
    with pytest.raises(InputError) as caught:
        local_runs(entry)
    assert says in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_columns_are_all_three():
    with pytest.raises(InputError, match="write beta=COLUMN,rate=COLUMN,distortion=COLUMN"):
        local_runs("wandb:a/b", columns="beta=config.beta")


def test_folders_are_left_as_they_are(tmp_path):
    assert local_runs([tmp_path, "runs/*"]) == [tmp_path, "runs/*"]


def test_what_a_killed_client_left_half_downloaded_is_removed_and_what_one_at_work_has_is_not(tmp_path):
    for name in (".abc.12", ".def.34", "abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").touch()
    long_ago = time.time() - wandb_runs.ANSWER_SECONDS - 60
    for name in (".abc.12", "abc"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    wandb_client._clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".def.34", "abc"}
    wandb_client._clear(tmp_path / "nothing yet")
