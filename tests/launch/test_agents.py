"""Sweeps by W&B's real client, `wandb sweep` and `wandb agent`, against a server of our own."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from vae_rd import sweep
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import UNNAMED_FIELDS
from vae_rd.errors import InputError
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.run.record import RunRecord

from helpers.agents import LONG, User, a_user, config_of, fits, launch, records_in, toy, wait_for, whole
from helpers.common import ROOT
from helpers.wandb_sweeps import ENTITY, ServedRun, SweepBackend

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.fixture
def user(tmp_path):
    with a_user(tmp_path / "home") as somebody:
        yield somebody


# What the client writes on a command line


@pytest.mark.parametrize("form", ["args", "args_no_equals", "args_no_boolean_flags"])
def test_every_form_of_args_arrives_typed(form, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    values = {
        "beta": 4,
        "lr": 1e-05,
        "seed": 3,
        "data": "gaussian",
        "likelihood": "gaussian",
        "gaussian_eigenvalues": [2.5, 1.0],
        "hidden": [32, 64],
        "n_test": None,
        "grad_clip": None,
        "overwrite": False,
        "whiten": True,
        "name": "007",
        "run_dir": "1e3",
        "wandb_project": "on",
    }
    point = {name: {"value": value} for name, value in values.items()}
    argv = create_sweep_command_args({"args": point})[form]
    config = parse(argv).config
    found = {name: getattr(config, name) for name in values}
    assert found == values
    assert [type(value) for value in found.values()] == [float, *(type(value) for value in list(values.values())[1:])]


@pytest.mark.parametrize("form", ["args", "args_no_equals", "args_no_boolean_flags"])
def test_what_a_requeued_run_has_logged_is_no_flag(form, monkeypatch):
    run = ServedRun("a", "toys", logged_config={name: {"value": v} for name, v in to_dict(FitConfig(beta=4)).items()})
    run.logged_config["_wandb"] = {"value": {"cli_version": "0.31.0", "m": [{"1": "trainer/global_step", "6": [3]}]}}
    run.history = [{"epoch": 0, "val/rate": 0.5, "_step": 4, "beta_effective": 4.0}]
    run.summary = {"train/loss": -1.5, "test/rate_dim_0": 1e-9, "collapsed": True}
    argv = create_sweep_command_args({"args": run.arguments_when_requeued()})[form]
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert to_dict(parse(argv).config) == to_dict(FitConfig(beta=4))
    monkeypatch.delenv("WANDB_SWEEP_ID")
    with pytest.raises(InputError, match="unknown flag"):
        parse(argv)


@pytest.mark.parametrize("arguments", [["--beta", "-1"], ["--beta=-1"], ["--lr=-0.5"]])
def test_a_negative_number_is_a_value_and_out_of_range(arguments):
    with pytest.raises(InputError, match=r"--(beta|lr)"):
        parse(arguments)


# The installed command


@pytest.fixture(scope="module", params=[1, 2], ids=["one device", "two devices"])
def four_runs(request, tmp_path_factory):
    """beta.yaml cut to two betas and two seeds, by two agents at a time."""
    devices = {"devices": 2, "strategy": "ddp", "accelerator": "cpu"} if request.param == 2 else {}
    with a_user(tmp_path_factory.mktemp("agents")) as user:
        run_dir = user.home / "runs"
        content = toy(ROOT / "sweeps/beta.yaml", run_dir, beta=[0.5, 4.0], seed=[0, 1], **devices)
        path = user.sweep(content)
        for agent in [user.agent(path), user.agent(path)]:
            whole(agent)
        yield user, path, content, run_dir


@pytest.mark.slow
def test_two_agents_share_four_runs(four_runs):
    user, path, content, run_dir = four_runs
    points = [(0.5, 0), (0.5, 1), (4.0, 0), (4.0, 1)]
    runs = sorted(user.server.runs.values(), key=lambda run: (run.config["beta"], run.config["seed"]))
    assert [run.config for run in runs] == [config_of(content, beta=beta, seed=seed) for beta, seed in points]
    assert {(run.state, run.handed_out, run.sweep, run.project) for run in runs} == {
        ("finished", 1, path.rpartition("/")[2], "toys")
    }
    assert {agent for run in runs for agent in run.agents} == user.server.backend.agents.keys()
    assert len(user.server.backend.agents) == 2
    assert len(records_in(run_dir)) == 4


def epochs(run: ServedRun) -> list[int]:
    """The epochs that W&B has of a run, one a row; the last row is the chart's."""
    return [line["epoch"] for line in run.history if "epoch" in line]


@pytest.mark.slow
def test_the_server_has_each_record_s_numbers(four_runs):
    user, _, content, run_dir = four_runs
    devices = content["parameters"].get("devices", {"value": 1})["value"]
    for run in user.server.runs.values():
        record = RunRecord.read(run_dir / run.name)
        assert (record.status, record.config, record.environment["processes"]) == ("finished", run.config, devices)
        assert record.wandb == {"id": run.id, "project": "toys", "entity": ENTITY, "mode": "online"}
        for name in ("distortion", "rate", "mutual_information_lower", "active_units"):
            assert run.summary[f"test/{name}"] == record.metrics["test"][name]["value"]
        assert run.summary["collapsed"] is record.verdicts["collapse"]["collapsed"]
        assert epochs(run) == [0, 1]


@pytest.mark.slow
def test_a_run_that_the_server_stops_is_left_and_one_that_makes_room_is_resumed(user):
    run_dir = user.home / "runs"
    path = user.sweep(toy(ROOT / "sweeps/beta.yaml", run_dir, beta=1.0, seed=0, max_epochs=[LONG, 120]))
    agent = user.agent(path)
    runs = user.server.runs
    wait_for(lambda: list(run_dir.glob("*/checkpoints/last.ckpt")), agent)
    (stopped,) = list(runs)
    user.server.backend.stop(stopped)
    wait_for(lambda: len(list(run_dir.glob("*/checkpoints/last.ckpt"))) == 2, agent)
    (fit,) = fits(agent)
    fit.send_signal(signal.SIGUSR1)
    whole(agent)

    (preempted,) = set(runs) - {stopped}
    left, resumed = (RunRecord.read(run_dir / runs[run_id].name) for run_id in (stopped, preempted))
    assert (left.status, left.error) == ("interrupted", "stopped by signal 15")
    assert (runs[stopped].state, runs[stopped].handed_out) == ("killed", 1)
    assert (resumed.status, resumed.wandb["id"]) == ("finished", preempted)
    assert (runs[preempted].state, runs[preempted].handed_out) == ("finished", 2)
    assert epochs(runs[preempted]) == list(range(120))
    assert "--_wandb=" in resumed.command
    assert "--val/rate=" in resumed.command, "it was resumed with what it had logged"
    assert runs[preempted].summary["test/rate"] == resumed.metrics["test"]["rate"]["value"]


@pytest.mark.slow
def test_an_agent_that_finds_nothing_to_do_leaves_a_finished_sweep_with_exit_code_0(four_runs):
    user, path, _, run_dir = four_runs
    said = whole(launch(user, path, run_dir, jobs=1)).splitlines()
    assert said == ["4 runs: 4 finished"]


# Every sweep file


def first_points_by_an_agent(user: User, file: Path, *, count: int) -> list[RunRecord]:
    """The records of the first points of a sweep file at toy size, by `wandb sweep` and `wandb agent`."""
    run_dir = user.home / file.stem
    path = user.sweep(toy(file, run_dir), name=file.stem)
    whole(user.agent(path, "--count", str(count)))
    return records_in(run_dir)


def is_grid(file: Path) -> bool:
    return read_sweep_file(file, fixed={}).method == "grid"


def count_of(file: Path) -> int:
    """How many of its points are run: of a search two, of a grid, whose next point differs by a value, the first."""
    return 1 if is_grid(file) else 2


@pytest.fixture(scope="module")
def first_points(tmp_path_factory):
    """The records of the first points of every sweep file; three agents at a time, each with a sweep of its own."""
    with a_user(tmp_path_factory.mktemp("files")) as user, ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda file: first_points_by_an_agent(user, file, count=count_of(file)), SWEEPS))
        yield user, dict(zip(SWEEPS, found, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_the_first_points_of_every_file_run(file, first_points):
    user, records = first_points
    run_dir, content = user.home / file.stem, toy(file, user.home / file.stem)
    points = SweepBackend()
    points.on_UpsertSweep({"config": yaml.safe_dump(content), "projectName": "toys"})
    taken = [next(points.sweeps["sweep0"].points) for _ in range(count_of(file))]
    expected = [to_dict(FitConfig(**{name: entry["value"] for name, entry in point.items()})) for point in taken]
    assert [record.status for record in records[file]] == ["finished"] * count_of(file)
    assert sorted([record.config for record in records[file]], key=str) == sorted(expected, key=str)
    served = {run.name for run in user.server.runs.values() if run.config["run_dir"] == str(run_dir) and run.started}
    tracked = content["parameters"].get("wandb") != {"value": "off"}
    assert served == ({record.name for record in records[file]} if tracked else set())
    assert {path.name for path in run_dir.iterdir() if path.is_dir()} == {record.name for record in records[file]}


def essence(record: RunRecord, folder: Path) -> dict[str, Any]:
    """What a record says of the run itself, rather than of who started it, when and where."""
    own = {name: value for name, value in record.config.items() if name not in UNNAMED_FIELDS}
    kept = ("name", "status", "data", "model", "metrics", "estimates", "verdicts", "environment", "units")
    history = (folder / record.name / "history.csv").read_bytes()
    return {"config": own, "history": history, **{name: getattr(record, name) for name in kept}}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_the_local_launcher_leaves_the_same_records(file, first_points, tmp_path, monkeypatch):
    """Of a search, whose points are the server's to draw, it is given those that the agent got."""
    user, records = first_points
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    words = [str(user.home / f"{file.stem}.yaml"), f"--run_dir={tmp_path / 'runs'}", "--wandb=off"]
    if is_grid(file):
        assert sweep.main([*words, f"--count={count_of(file)}"]) == 0
    else:
        for record in records[file]:
            point = [f"--{name}={record.config[name]}" for name in ("lr", "hidden")]
            assert sweep.main([*words, *point, "--count=1"]) == 0
    by_agent = [essence(record, user.home / file.stem) for record in records[file]]
    assert [essence(record, tmp_path / "runs") for record in records_in(tmp_path / "runs")] == by_agent
