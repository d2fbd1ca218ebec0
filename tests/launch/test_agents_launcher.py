"""`--launcher wandb`: a sweep is created once, agents are told what comes here, and runs are what it reports by."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from types import MappingProxyType
from typing import Any

import psutil
import pytest
import yaml

from vae_rd import fit
from vae_rd.errors import InputError
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.points.plan import Plan, plan
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.launch.slurm.launcher import SlurmOptions
from vae_rd.launch.wandb import agents
from vae_rd.launch.wandb import api as wandb_api
from vae_rd.launch.wandb import endings as sweep_runs
from vae_rd.launch.wandb import launcher as by_agents
from vae_rd.launch.wandb.agents import check_tracking, join_sweep
from vae_rd.launch.wandb.endings import report_of
from vae_rd.launch.wandb.launcher import agents_on_slurm, run_by_agents
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord

from helpers.agents import LONG, TOY, User, a_user, fits, launch, records_in, toy, wait_for, whole
from helpers.common import ROOT
from helpers.wandb_sweeps import ENTITY, ServedRun

FIT = {**TOY, "max_epochs": 1, "wandb": "off"}
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc, which tells of fits")


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
    (stopped,) = [run.id for run in runs.values() if run.stopping]
    logs = [path.read_text() for path in run_dir.glob(f"logs/agent-{socket.gethostname()}-{launcher.pid}-[01].log")]
    assert len(logs) == 2
    assert any(f" - wandb.wandb_agent - INFO - Stop: {stopped}\n" in log for log in logs), "it is told by these words"
    (failed,) = [run.id for run in runs.values() if not run.started]
    assert any(line.startswith(f"{failed}: failed: error: --max_epochs 0") for line in said)
    assert any(line.startswith(f"{names[LONG]}: stopped early by the server: ") for line in said)
    assert sum(": interrupted: stopped by signal 2; see " in line for line in said) == 2, said
    assert said[-2] == "5 runs: 1 finished, 1 stopped early by the server, 2 interrupted, 1 failed"
    assert said[-1] == "interrupted by signal 15; give the command again"
    assert not any("wandb: " in line for line in said), "W&B's own words are in the logs"
    assert {path.name for path in user.home.glob("[!.]*")} == {"runs", "sweep.yaml"}


def last_epoch(folder: Path, name: str = "*") -> int:
    """How many epochs the newest run there has finished; 0 where there is none."""
    histories = sorted(folder.glob(f"{name}/history.csv"), key=lambda path: path.stat().st_mtime)
    return len(histories[-1].read_text().splitlines()) - 1 if histories else 0


@pytest.mark.slow
def test_a_stop_on_the_page_is_the_server_s_and_a_kill_by_hand_is_not_and_can_be_gone_on_with(user):
    run_dir = user.home / "runs"
    path = user.sweep(toy(ROOT / "sweeps/beta.yaml", run_dir, beta=1.0, seed=0, max_epochs=[LONG, 150]))
    launcher = launch(user, path, run_dir, jobs=1)
    runs = user.server.runs
    wait_for(lambda: last_epoch(run_dir) > 2, launcher)
    (stopped,) = list(runs)
    user.server.backend.stop_on_page(stopped)
    wait_for(lambda: len(list(run_dir.glob("*/checkpoints/last.ckpt"))) == 2, launcher)
    (killed,) = set(runs) - {stopped}
    fits(launcher)[0].send_signal(signal.SIGTERM)
    said = whole(launcher, code=1).splitlines()

    left, halted = (RunRecord.read(run_dir / runs[run_id].name) for run_id in (stopped, killed))
    assert (left.status, left.error, runs[stopped].state) == ("interrupted", "stopped by signal 2", "killed")
    assert (halted.status, halted.error, runs[killed].state) == ("interrupted", "stopped by signal 15", "failed")
    assert said[0].startswith(f"{left.name}: stopped early by the server: stopped by signal 2; see ")
    assert "go on" not in said[0]
    assert said[1].startswith(f"{halted.name}: interrupted: stopped by signal 15; see ")
    assert said[2:] == ["2 runs: 1 stopped early by the server, 1 interrupted"]

    python, *words = shlex.split(said[1].rpartition("; go on: ")[2])
    assert (python, words[-2:]) == ("python", ["--wandb_project", "toys"])
    whole(user.start(*words))
    resumed = RunRecord.read(run_dir / halted.name)
    assert (resumed.status, resumed.wandb) == ("finished", halted.wandb)
    assert set(runs) == {stopped, killed}, "it is the same run at W&B as well"
    assert (runs[killed].state, runs[killed].project) == ("finished", "toys")
    assert [line["epoch"] for line in runs[killed].history if "epoch" in line] == list(range(150))


@pytest.mark.slow
@needs_proc
def test_a_warned_launcher_makes_room_and_its_agents_take_no_more(user):
    run_dir = user.home / "runs"
    path = user.sweep(toy(ROOT / "sweeps/beta.yaml", run_dir, beta=1.0, seed=0, max_epochs=[LONG, LONG + 1]))
    launcher = launch(user, path, run_dir, jobs=1)
    wait_for(lambda: last_epoch(run_dir) > 2, launcher)
    launched = psutil.Process(launcher.pid).children(recursive=True)
    launcher.send_signal(signal.SIGUSR1)
    said = whole(launcher, code=128 + signal.SIGUSR1).splitlines()
    (run,) = user.server.runs.values()
    assert (run.state, run.handed_out) == ("preempted", 1)
    assert said == [
        next(line for line in said if line.startswith(f"{run.name}: preempted: stopped by signal")),
        "1 run: 1 preempted; 1 more not handed out",
        f"interrupted by signal {int(signal.SIGUSR1)}; give the command again",
    ]
    assert psutil.wait_procs(launched, timeout=10)[1] == []


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


def planned(folder: Path, **fixed: str) -> Plan:
    return plan(read_sweep_file(ROOT / "sweeps/beta.yaml", fixed={"run_dir": str(folder), **fixed}))


def join(folder: Path, *, known: str | None = None) -> str:
    asked = planned(folder)
    return join_sweep(asked.file, asked.example.config, known=known, ledger=folder / "sweep.json")


def test_a_sweep_is_created_once_and_joined_by_its_path(here, capfd):
    before = dict(os.environ)
    path = join(here.home)
    assert path == f"{ENTITY}/vae_rd/sweep0"
    line = (
        f"W&B sweep: {here.server.url}/{ENTITY}/vae_rd/sweeps/sweep0; another machine joins by: wandb agent -f {path}"
    )
    assert capfd.readouterr() == (line + "\n", "")
    assert join(here.home, known=path) == path
    assert capfd.readouterr() == (line + "\n", "")
    (served,) = here.server.backend.sweeps.values()
    assert served.config["parameters"]["beta"]["values"] == [0.003, 0.03, 0.3, 1, 3, 10, 1000]
    assert served.config["parameters"]["run_dir"]["value"] == str(here.home)
    assert dict(os.environ) == before, "wandb.sweep sets variables"
    assert list(here.home.iterdir()) == [], "nor does the client leave files"


def test_nobody_logged_in_is_one_line(here, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(InputError, match=r"No API key configured.*--launcher local needs no server"):
        join(here.home)


@pytest.mark.parametrize("fault", ["error", "silence"])
def test_a_server_that_does_not_answer_is_one_line_after_a_bounded_time(fault, here, monkeypatch):
    monkeypatch.setattr(wandb_api, "CONNECT_SECONDS", 1)
    here.server.fault, began = fault, time.monotonic()
    with pytest.raises(InputError, match=f"{here.server.url}: no answer; --launcher local"):
        join(here.home)
    assert time.monotonic() - began < 8


def test_the_client_has_a_time_limit_of_its_own(here):
    here.server.fault, began = "silence", time.monotonic()
    with pytest.raises(InputError, match=r"^W&B: no answer in 1\.5 s$"):
        wandb_api.ask("runs", path="a/b/c", seconds=1.5)
    assert time.monotonic() - began < 5


def test_a_sweep_that_is_gone_is_one_line(here):
    asked = planned(here.home)
    ledger = Ledger.opened(here.home, file="", sweep=asked.file.upload())
    ledger.remember_wandb(f"{ENTITY}/vae_rd/gone")
    with pytest.raises(InputError, match="Could not find sweep") as error:
        by_agents._joined(asked)
    assert str(error.value).endswith(f'set "wandb" to null in {ledger.path} to create it anew')
    ledger.path.write_text(json.dumps({**json.loads(ledger.path.read_text()), "wandb": None}))
    assert by_agents._joined(asked) == f"{ENTITY}/vae_rd/sweep0"


def refused(asked: Plan, script: Path) -> list[str]:
    """What both ways of putting a sweep on the server say against it."""
    said = []
    for act in (lambda: run_by_agents(asked, jobs=1), lambda: agents_on_slurm(asked, SlurmOptions(), script)):
        with pytest.raises(InputError) as error:
            act()
        said.append(str(error.value))
    return said


@pytest.mark.parametrize("mode", ["off", "offline"])
@pytest.mark.parametrize("place", ["parameters", "command", "config file"])
def test_a_sweep_that_w_and_b_would_not_see_is_refused(here, mode, place):
    content = yaml.safe_load((ROOT / "sweeps/beta.yaml").read_text())
    (here.home / "fixed.yaml").write_text(f"wandb: {mode!r}\n")
    if place == "parameters":
        content["parameters"]["wandb"] = {"value": mode}
    else:
        content["command"].insert(-1, f"--wandb={mode}" if place == "command" else "--config=fixed.yaml")
    (here.home / "sweep.yaml").write_text(yaml.safe_dump(content))
    said = refused(plan(read_sweep_file(Path("sweep.yaml"), fixed={})), here.home / "script.sh")
    assert said == [f"sweep.yaml: wandb is {mode}, and W&B would hear of no run; add --wandb auto"] * 2
    assert here.server.backend.requests == []
    assert not (here.home / "runs").exists()


@pytest.mark.parametrize("mode", ["disabled", "offline", "dryrun"])
def test_a_mode_of_the_environment_with_which_w_and_b_sees_nothing_is_refused(here, mode, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", mode)
    said = refused(planned(here.home / "runs"), here.home / "script.sh")
    assert said == [f"WANDB_MODE is {mode}, and W&B would hear of no run; unset it, or add --wandb online"] * 2
    online = planned(here.home, wandb="online")
    check_tracking(online.file, online.example.config)
    assert here.server.backend.requests == []


@pytest.mark.parametrize(
    ("of_file", "of_runs", "of_environment", "project"),
    [
        ("mine", "theirs", "other", "mine"),
        (None, "theirs", "other", "theirs"),
        (None, "vae_rd", "other", "other"),
        (None, "vae_rd", None, "vae_rd"),
    ],
)
def test_a_sweep_s_project_is_the_file_s_or_its_runs_or_the_environment_s(
    of_file, of_runs, of_environment, project, tmp_path, monkeypatch
):
    content = yaml.safe_load((ROOT / "sweeps/beta.yaml").read_text())
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content | ({"project": of_file} if of_file else {})))
    asked = plan(read_sweep_file(tmp_path / "sweep.yaml", fixed={"wandb_project": of_runs}))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    if of_environment:
        monkeypatch.setenv("WANDB_PROJECT", of_environment)
    found = []
    monkeypatch.setattr(agents, "ask", lambda _, **details: found.append(details["project"]) or {"path": "", "url": ""})
    join_sweep(asked.file, asked.example.config, known=None, ledger=tmp_path)
    assert found == [project]


def test_two_calls_that_join_at_once_have_one_sweep(here):
    asked = planned(here.home / "runs")
    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(by_agents._joined, [asked, asked]))
    assert paths == {f"{ENTITY}/vae_rd/sweep0"}
    assert len(here.server.backend.sweeps) == 1


def test_whoever_joins_is_waited_for_and_the_sweep_is_free_when_agents_start(tmp_path, monkeypatch):
    asked = planned(tmp_path / "runs")
    monkeypatch.setattr(by_agents, "join_sweep", lambda *_, **__: "me/betas/abc")
    monkeypatch.delenv("WANDB_MODE")
    asked.folder.mkdir()
    with ExitStack() as held:
        held.enter_context(locked(asked.folder / "sweep"))
        monkeypatch.setattr(by_agents, "JOIN_SECONDS", 0.3)
        with pytest.raises(InputError, match=r"is working on this sweep; wait for it or choose another --run_dir"):
            by_agents._joined(asked)
        monkeypatch.setattr(by_agents, "JOIN_SECONDS", 20.0)
        Timer(0.5, held.pop_all().close).start()
        began = time.monotonic()

        def run(path: str, folder: Path, **_: object) -> int:
            with locked(folder / "sweep"):
                assert path == "me/betas/abc"
            return 0

        monkeypatch.setattr(by_agents, "run_agents", run)
        assert run_by_agents(asked, jobs=1) == 0
    assert time.monotonic() - began < 10


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
    path, folder = join(here.home), here.home / "runs"
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
    served(here, path, k={**ended, "stopping": True}, l={**ended, "stopping": True})
    for run_id, signum in zip("ghikl", (15, signal.SIGUSR1, 2, 2, 15), strict=True):
        leave(folder, run_id, status="interrupted", error=f"stopped by signal {int(signum)}", stopped_by=signum)
    leave(folder, "j", status="failed", error="ValueError: out of luck")
    report = report_of(path, folder, total=99)
    assert report.missing == 14 - 12, "the server knows better than the plan"
    assert {run.name[-1]: run.ending for run in report.runs} == {
        "a": "finished",
        "b": "stopped early by the server",
        "c": "preempted",
        "d": "failed",
        "e": "running",
        "f": "pending",
        "g": "interrupted",
        "h": "preempted",
        "i": "interrupted",
        "j": "failed",
        "k": "stopped early by the server",
        "l": "stopped early by the server",
    }
    assert report.runs[9].line == "run-j: failed: ValueError: out of luck"


def agent_log(
    folder: Path,
    *runs: tuple[str, str, Sequence[str]],
    name: str = "agent-here-1-0.log",
    argv: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Path:
    """The log of an agent that had the runs, each of an id, the time of its start, and what came then; flags by id."""
    agent = "wandb.wandb_agent - INFO -"
    log = folder / "logs" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = ["wandb: Starting wandb agent"]
    for run_id, began, said in runs:
        command = " ".join(["/usr/bin/env python -m vae_rd.fit", *argv.get(run_id, ())])
        lines += [f"2026-01-01 {began} - {agent} About to run command: {command}"]
        lines += [f"2026-01-01 {began} - {agent} Running runs: ['{run_id}']", *said]
        lines += [f"2026-01-01 {began} - {agent} Cleaning up finished run: {run_id}"]
    log.write_text("\n".join(lines) + "\n")
    return log


def test_an_agent_that_was_told_to_stop_a_run_says_so_of_its_last_start_alone(here):
    path, folder = join(here.home), here.home / "runs"
    stop = "2026-01-01 00:00:09,000 - wandb.wandb_agent - INFO - Stop: {}"
    served(here, path, a={"started": True, "exit_code": 1}, b={"started": True, "exit_code": 1})
    for run_id in ("a", "b"):
        leave(folder, run_id, status="interrupted", error="stopped by signal 15", stopped_by=15)
    (folder / "run-b/config.yaml").touch()
    told = {run_id: [stop.format(run_id)] for run_id in ("a", "b")}
    last = agent_log(folder, ("a", "00:00:01,000", []), ("b", "00:00:04,000", []))
    agent_log(folder, ("b", "00:00:02,000", told["b"]), ("a", "00:00:03,000", told["a"]), name="agent-here-0-0.log")
    runs = report_of(path, folder).runs
    assert [run.ending for run in runs] == ["stopped early by the server", "interrupted"]
    config = folder / "run-b/config.yaml"
    goes_on = f"go on: python -m vae_rd.fit --config {config} --resume auto"
    assert runs[1].line == f"run-b: interrupted: stopped by signal 15; see {last}; {goes_on}"


def test_a_log_of_many_runs_is_read_once(tmp_path, monkeypatch):
    names, read, read_text = [f"id{n}" for n in range(4)], [], Path.read_text
    answer = {"runs": [(name, name, "failed") for name in names], "expects": None}
    monkeypatch.setattr(sweep_runs, "ask", lambda *asked, **named: answer)
    log = agent_log(tmp_path, *((name, f"00:00:0{n},000", [f"E: of {name}"]) for n, name in enumerate(names)))
    monkeypatch.setattr(Path, "read_text", lambda place, **named: read.append(place) or read_text(place, **named))
    runs = report_of("me/betas/abc", tmp_path).runs
    assert [(run.why, run.log) for run in runs] == [(f"E: of {name}", log) for name in names]
    assert read.count(log) == 1


def test_a_run_that_was_ended_before_its_agent_named_it_has_its_log(here):
    """The agent names its runs every five seconds, the fit its address at W&B at once."""
    path, folder = join(here.home), here.home / "runs"
    served(here, path, a={"started": True, "exit_code": 1})
    leave(folder, "a", status="interrupted", error="stopped by signal 2", stopped_by=2)
    log = agent_log(folder, ("a", "00:00:01,000", ["W&B: http://here/me/betas/runs/a", "epoch 1/9"]))
    log.write_text("".join(line for line in log.open() if "'a'" not in line and "finished run" not in line))
    (run,) = report_of(path, folder).runs
    assert run.log == log


def test_a_run_that_said_something_before_it_began_is_told_by_its_agent_s_log(here, capsys):
    """One was wrong, another was finished already, under another id at W&B; the words are those of the command."""
    path, folder = join(here.home), here.home / "runs"
    served(here, path, a={}, b={}, c={})
    argv = [f"--{name}={value}" for name, value in {**FIT, "run_dir": folder}.items()]
    assert fit.main(argv) == 0
    first = capsys.readouterr().out.splitlines()
    assert fit.main([*argv, "--resume=auto"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert fit.main([*argv, "--beta=x"]) == 2
    wrong = capsys.readouterr().err.splitlines()
    assert "finished already" in again[0]
    assert again[-1] == first[-1]
    log = agent_log(
        folder,
        ("a", "00:00:01,000", wrong),
        ("b", "00:00:02,000", again),
        ("c", "00:00:03,000", again[:1]),
        argv={"a": [*argv, "--beta=x"], "b": argv, "c": argv},
    )
    runs = report_of(path, folder).runs
    assert [(run.ending, run.why, run.log) for run in runs] == [
        ("failed", wrong[-1], log),
        ("finished", "", log),
        ("finished", "", log),
    ]


@pytest.mark.slow
def test_without_the_server_the_records_speak(here, monkeypatch, capsys):
    monkeypatch.setattr(wandb_api, "CONNECT_SECONDS", 1)
    leave(here.home, "a", status="finished")
    leave(here.home, "b", status="finished")
    here.server.fault = "error"
    report = report_of(f"{ENTITY}/vae_rd/sweep0", here.home, total=4)
    assert list(report.lines()) == ["2 runs: 2 finished; 2 more without a record here"]
    assert not report.is_as_asked
    assert report_of(f"{ENTITY}/vae_rd/sweep0", here.home, total=2).is_as_asked
    leave(here.home, "c", status="interrupted", error="stopped by signal 15", stopped_by=15)
    report = report_of(f"{ENTITY}/vae_rd/sweep0", here.home, total=3)
    assert [run.ending for run in report.runs] == ["finished", "finished", "interrupted"]
    assert not report.is_as_asked
    assert capsys.readouterr().err.startswith("warning: W&B: ")


def test_half_of_a_sweep_is_an_exit_code_of_1_when_the_server_does_not_say_how_many_there_should_be(
    tmp_path, monkeypatch, capsys
):
    asked = planned(tmp_path)
    runs = [[str(number), f"run-{number}", "finished"] for number in range(asked.total // 2)]
    answers = {"join": {"path": "me/betas/abc", "url": ""}, "runs": {"runs": runs, "expects": None}}
    monkeypatch.delenv("WANDB_MODE")
    for module in (agents, sweep_runs):
        monkeypatch.setattr(module, "ask", lambda question, **_: answers[question])
    stand_in(monkeypatch, tmp_path, "")
    assert run_by_agents(asked, jobs=1) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "7 runs: 7 finished; 7 more not handed out"


def stand_in(monkeypatch, tmp_path: Path, script: str) -> None:
    """Make `python -m wandb agent` run another script, in its session."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb/__main__.py").write_text(script)
    (tmp_path / "wandb/__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@needs_proc
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_fit_that_an_agent_left_behind_is_waited_for_and_told(signum, tmp_path, monkeypatch):
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
    launched.send_signal(signum)
    assert whole(launched).splitlines()[-1] == str(int(signum))
    assert (tmp_path / "told").exists()


def test_where_an_agent_cannot_be_started_those_that_were_are_ended(tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, "import time; time.sleep(60)\n")
    start, started = agents._start, []

    def start_one(path, logs, number, slot):
        if started:
            raise OSError("no more processes")
        started.append(start(path, logs, number, slot))
        return started[0]

    monkeypatch.setattr(agents, "_start", start_one)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="no more processes"):
        agents.run_agents("a/b/c", tmp_path / "runs", slots=[{}, {}])
    assert started[0].poll() is not None
    assert signal.getsignal(signal.SIGINT) is before


def test_nohup_keeps_the_end_of_a_terminal_from_a_sweep():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with agents._noted_signals() as received:
            signal.raise_signal(signal.SIGHUP)
        assert received == []
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with agents._noted_signals() as received:
            signal.raise_signal(signal.SIGHUP)
        assert received == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)


_DIRECT = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from vae_rd.launch.wandb import agents
from vae_rd.launch.wandb.endings import SweepReport
agents.report_of = lambda path, folder, total: SweepReport([])
try:
    agents.run_agents("a/b/c", Path({folder!r}), slots=[{{}}])
except agents.Interrupted as stop:
    print(stop.signum)
"""
