"""Runs at W&B as a source of figures: the records that fit attached, downloaded once, from a loopback server."""

from __future__ import annotations

import pytest

from analysis import load_runs
from analysis.__main__ import main
from analysis.sources.wandb_runs import local_runs
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
    assert load_runs(source)["run"].nunique() == 3
    assert len(downloads(server)) == 6
    server.runs["id1"].history.append({"val/rate": 1.0})  # W&B has heard from it since.
    local_runs(source)
    assert len(downloads(server)) == 8


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
    assert rows["distortion_stderr"].isna().all()
    out = tmp_path / "plane.svg"
    words = ["--wandb_columns", "beta=config.beta,rate=val/kl,distortion=val/recon", "--split", "val"]
    assert main(["plane", "wandb:tester/other", *words, "-o", str(out)]) == 0
    with pytest.raises(InputError, match="none of the 2 runs of the project has a record"):
        local_runs("wandb:tester/other")


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
