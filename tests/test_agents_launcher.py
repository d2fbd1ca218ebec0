"""`--launcher wandb`: a sweep is created once, agents are told what comes here, and runs are what it reports by."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from agents import LONG, User, a_user, launch, records_in, toy, wait_for, whole
from conftest import ROOT
from wandb_sweeps import ENTITY, ServedRun

from vae_rd.errors import InputError
from vae_rd.launch import wandb_api
from vae_rd.launch.agents import join_sweep
from vae_rd.launch.sweep_file import read_sweep_file
from vae_rd.launch.sweep_runs import report_of
from vae_rd.records import RunRecord


@pytest.fixture
def user(tmp_path):
    with a_user(tmp_path / "home") as somebody:
        yield somebody


@pytest.mark.slow
def test_the_launcher_reports_by_the_runs_and_passes_a_signal_on(user):
    run_dir = user.home / "runs"
    choices = [0, LONG, 2, LONG + 1, LONG + 2]
    path = user.sweep(toy(ROOT / "sweeps/beta.yaml", run_dir, beta=1.0, seed=0, max_epochs=choices))
    launcher = launch(user, path, run_dir, jobs=2)
    runs = user.server.runs
    begun = set[str]()

    def stop_the_first() -> bool:
        begun.update(record.config["max_epochs"] for record in records_in(run_dir) if record.wandb)
        for run in runs.values():
            if run.config.get("max_epochs") == LONG and LONG in begun:
                user.server.backend.stop(run.id)
        return {LONG + 1, LONG + 2} <= begun

    wait_for(stop_the_first, launcher)
    launched = psutil.Process(launcher.pid).children(recursive=True)
    launcher.send_signal(signal.SIGTERM)
    said = whole(launcher, code=128 + signal.SIGTERM).splitlines()

    gone, alive = psutil.wait_procs(launched, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], "agents or fits"
    assert len(gone) >= 4
    endings = {record.config["max_epochs"]: (record.status, record.error) for record in records_in(run_dir)}
    assert endings == {
        LONG: ("interrupted", "stopped by signal 15"),
        2: ("finished", None),
        LONG + 1: ("interrupted", "stopped by signal 2"),
        LONG + 2: ("interrupted", "stopped by signal 2"),
    }
    names = {record.config["max_epochs"]: record.name for record in records_in(run_dir)}
    (failed,) = [run.id for run in runs.values() if not run.started]
    assert any(line.startswith(f"{failed}: failed: error: --max_epochs 0") for line in said)
    assert any(line.startswith(f"{names[LONG]}: stopped early by the server: ") for line in said)
    assert sum(": interrupted: stopped by signal 2; see " in line for line in said) == 2
    assert said[-2] == "5 runs: 1 finished, 1 stopped early by the server, 2 interrupted, 1 failed"
    assert said[-1] == "interrupted by signal 15; give the command again"
    assert not any("wandb: " in line for line in said), "W&B's own words are in the logs"
    assert {path.name for path in user.home.glob("[!.]*")} == {"runs", "sweep.yaml"}


@pytest.mark.slow
def test_the_command_creates_the_sweep_once_and_a_second_call_joins_it(user):
    file = user.home / "four.yaml"
    file.write_text(yaml.safe_dump(toy(ROOT / "sweeps/beta.yaml", user.home / "runs", beta=[0.5, 4.0], seed=[0])))
    command = ["-m", "vae_rd.sweep", str(file), "--launcher", "wandb", "--jobs", "1"]
    first, second = (whole(user.start(*command)).splitlines() for _ in range(2))
    ((sweep_id, _),) = user.server.backend.sweeps.items()
    joined = f"another machine joins by: wandb agent -f {ENTITY}/vae_rd/{sweep_id}"
    assert first[0].startswith("W&B sweep: http")
    assert first[0].endswith(joined)
    assert first == second == [first[0], "2 runs: 2 finished"]
    assert sorted(record.config["beta"] for record in records_in(user.home / "runs")) == [0.5, 4.0]


@pytest.fixture
def here(user, monkeypatch):
    """This process as the user's."""
    for name in os.environ.keys() - user.environment.keys():
        monkeypatch.delenv(name)
    for name, value in user.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(user.home)
    return user


def sweep_file(folder: Path, **fixed: str):
    return read_sweep_file(ROOT / "sweeps/beta.yaml", fixed={"run_dir": str(folder), **fixed})


def test_a_sweep_is_created_once_and_joined_by_its_path(here, capfd):
    before = dict(os.environ)
    path = join_sweep(sweep_file(here.home), known=None)
    assert path == f"{ENTITY}/vae_rd/sweep0"
    line = (
        f"W&B sweep: {here.server.url}/{ENTITY}/vae_rd/sweeps/sweep0; another machine joins by: wandb agent -f {path}"
    )
    assert capfd.readouterr() == (line + "\n", "")
    assert join_sweep(sweep_file(here.home), known=path) == path
    assert capfd.readouterr() == (line + "\n", "")
    (served,) = here.server.backend.sweeps.values()
    assert served.config["parameters"]["beta"]["values"] == [0.003, 0.03, 0.3, 1, 3, 10, 1000]
    assert served.config["parameters"]["run_dir"]["value"] == str(here.home)
    assert dict(os.environ) == before, "wandb.sweep sets variables"
    assert list(here.home.iterdir()) == [], "nor does the client leave files"


def test_nobody_logged_in_is_one_line(here, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(InputError, match=r"No API key configured.*--launcher local needs no server"):
        join_sweep(sweep_file(here.home), known=None)


@pytest.mark.parametrize("fault", ["error", "silence"])
def test_a_server_that_does_not_answer_is_one_line_after_a_bounded_time(fault, here, monkeypatch):
    monkeypatch.setattr(wandb_api, "CONNECT_SECONDS", 1)
    here.server.fault, began = fault, time.monotonic()
    with pytest.raises(InputError, match=f"{here.server.url}: no answer; --launcher local"):
        join_sweep(sweep_file(here.home), known=None)
    assert time.monotonic() - began < 8


def test_the_client_has_a_time_limit_of_its_own(here):
    here.server.fault, began = "silence", time.monotonic()
    with pytest.raises(InputError, match=r"^W&B: no answer in 1\.5 s$"):
        wandb_api.ask("runs", path="a/b/c", seconds=1.5)
    assert time.monotonic() - began < 5


def test_a_sweep_that_is_gone_is_one_line(here):
    with pytest.raises(InputError, match="Could not find sweep"):
        join_sweep(sweep_file(here.home), known=f"{ENTITY}/vae_rd/gone")


def test_a_sweep_that_w_and_b_would_not_see_is_refused(here):
    with pytest.raises(InputError, match="wandb is off"):
        join_sweep(sweep_file(here.home, wandb="off"), known=None)
    assert here.server.backend.requests == []


def served(user: User, path: str, **states: dict[str, Any]) -> None:
    """Runs of the sweep with these attributes."""
    for run_id, attributes in states.items():
        sweep = path.rpartition("/")[2]
        user.server.runs[run_id] = ServedRun(run_id, "vae_rd", name=f"run-{run_id}", sweep=sweep, **attributes)


def leave(folder: Path, run_id: str, **changes: Any) -> None:
    name = f"run-{run_id}"
    (folder / name).mkdir(parents=True)
    RunRecord(name, "", {}, {}, wandb={"id": run_id}, **changes).write(folder / name)


def test_an_ending_is_the_record_s_or_else_the_server_s(here):
    path, folder = join_sweep(sweep_file(here.home), known=None), here.home / "runs"
    ended = {"started": True, "exit_code": 1}
    served(
        here,
        path,
        a={"started": True, "exit_code": 0},
        b={**ended, "stopping": True},
        c={**ended, "preempting": True},
        d=ended,
        e={"started": True},
        f={},
        **dict.fromkeys("ghij", ended),
    )
    leave(folder, "g", status="interrupted", error="stopped by signal 15")
    leave(folder, "h", status="interrupted", error="stopped by signal 10")
    leave(folder, "i", status="interrupted", error="stopped by signal 2")
    leave(folder, "j", status="failed", error="ValueError: out of luck")
    report = report_of(path, folder)
    assert report.missing == 14 - 10
    assert {run.name[-1]: run.ending for run in report.runs} == {
        "a": "finished",
        "b": "stopped early by the server",
        "c": "preempted",
        "d": "failed",
        "e": "running",
        "f": "pending",
        "g": "stopped early by the server",
        "h": "preempted",
        "i": "interrupted",
        "j": "failed",
    }
    assert report.runs[-1].line == "run-j: failed: ValueError: out of luck"


def test_a_run_that_said_something_before_it_began_is_told_by_its_agent_s_log(here):
    path, folder = join_sweep(sweep_file(here.home), known=None), here.home / "runs"
    served(here, path, a={}, b={})
    (folder / "logs").mkdir(parents=True)
    agent = "2026-01-01 00:00:00,000 - wandb.wandb_agent - "
    said = {"a": "error: --beta x: give a number", "b": "runs/b: finished already, nothing to do"}
    lines = [
        line
        for run_id, words in said.items()
        for line in (
            f"{agent}INFO - About to run command: /usr/bin/env python -m vae_rd.fit",
            f"{agent}INFO - Running runs: ['{run_id}']",
            words,
            f"{agent}INFO - Cleaning up finished run: {run_id}",
        )
    ]
    (folder / "logs/agent-0.log").write_text("\n".join(lines) + "\n")
    runs = report_of(path, folder).runs
    log = folder / "logs/agent-0.log"
    assert [(run.ending, run.why, run.log) for run in runs] == [
        ("failed", said["a"], log),
        ("finished", said["b"], log),
    ]


def test_without_the_server_the_records_speak(here, monkeypatch, capsys):
    monkeypatch.setattr(wandb_api, "CONNECT_SECONDS", 1)
    leave(here.home, "a", status="finished")
    leave(here.home, "b", status="interrupted", error="stopped by signal 15")
    here.server.fault = "error"
    report = report_of(f"{ENTITY}/vae_rd/sweep0", here.home)
    assert [run.ending for run in report.runs] == ["finished", "stopped early by the server"]
    assert report.is_as_asked
    assert capsys.readouterr().err.startswith("warning: W&B: ")


def stand_in(monkeypatch, tmp_path: Path, script: str) -> None:
    """Make `python -m wandb agent` run another script, in its session."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb/__main__.py").write_text(script)
    (tmp_path / "wandb/__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_fit_that_an_agent_left_behind_is_waited_for_and_told(tmp_path, monkeypatch):
    (tmp_path / "vae_rd").mkdir()
    (tmp_path / "vae_rd/__init__.py").write_text("")
    (tmp_path / "vae_rd/fit.py").write_text(
        "import signal, sys, time\nfrom pathlib import Path\n"
        "signal.signal(signal.SIGUSR1, lambda *_: Path(sys.argv[1], 'room').touch())\n"
        "signal.signal(signal.SIGINT, lambda *_: (Path(sys.argv[1], 'told').touch(), sys.exit()))\n"
        "Path(sys.argv[1], 'ready').touch(); time.sleep(60)\n"
    )
    child = [sys.executable, "-m", "vae_rd.fit", str(tmp_path)]
    stand_in(monkeypatch, tmp_path, f"import subprocess; subprocess.Popen({child!r}, process_group=0)\n")
    launched = subprocess.Popen(
        [sys.executable, "-c", _DIRECT.format(root=str(ROOT), folder=str(tmp_path / "runs"))],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_for((tmp_path / "ready").exists, launched, seconds=20)
    launched.send_signal(signal.SIGUSR1)
    wait_for((tmp_path / "room").exists, launched, seconds=20)
    launched.send_signal(signal.SIGTERM)
    assert whole(launched).splitlines()[-1] == str(int(signal.SIGTERM))
    assert (tmp_path / "told").exists()


_DIRECT = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from vae_rd.launch import agents
from vae_rd.launch.sweep_runs import SweepReport
agents.report_of = lambda path, folder: SweepReport([])
try:
    agents.run_agents("a/b/c", Path({folder!r}), slots=[{{}}])
except agents.Interrupted as stop:
    print(stop.signum)
"""
