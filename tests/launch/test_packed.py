"""`--launcher packed`: which runs make a pack, and what becomes of each when its process ends, as it should or not."""

import contextlib
import json
import signal
import sys
from pathlib import Path

import pytest
import yaml

from vae_rd import sweep
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.local import launcher as local
from vae_rd.launch.local.tracker import Tracker
from vae_rd.launch.options import parse as command_line
from vae_rd.launch.packed import launcher
from vae_rd.launch.packed.launcher import packs
from vae_rd.launch.packed.task import End, Task, run_pack
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file
from vae_rd.run.record import RunRecord

from helpers.common import TOY
from helpers.runs import record_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory, and a process whose name a pack may change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return tmp_path


def runs_of(**parameters):
    content = {"command": COMMAND, "method": "grid", "parameters": {n: {"values": v} for n, v in parameters.items()}}
    Path("sweep.yaml").write_text(yaml.safe_dump(content))
    return plan(read_sweep_file(Path("sweep.yaml"), fixed={})).runs


def points(found):
    return [[tuple(run.point.values()) for run in pack] for pack in found]


def test_packs_are_of_one_kind_as_many_as_there_is_room_for_and_of_one_seed_where_that_goes(here):
    runs = runs_of(beta=[1, 2], seed=[0, 1], latent_dim=[2, 3])
    assert points(packs(runs, jobs=1, chunk=None)) == [
        [(1, 2, 0), (2, 2, 0), (1, 2, 1), (2, 2, 1)],
        [(1, 3, 0), (2, 3, 0), (1, 3, 1), (2, 3, 1)],
    ]
    assert [len(pack) for pack in packs(runs, jobs=4, chunk=None)] == [2] * 4
    assert points(packs(runs, jobs=4, chunk=None))[0] == [(1, 2, 0), (2, 2, 0)]
    assert [len(pack) for pack in packs(runs, jobs=1, chunk=3)] == [2] * 4  # 2 and 2 rather than 3 and 1.
    assert [len(pack) for pack in packs(runs, jobs=1, chunk=1)] == [1] * 8


class Inline:
    """The process of a pack as a call; `ends` says how those of so many runs end instead."""

    sentinel = 0

    def __init__(self, ends, task, *, log, environment, work):
        self.sizes = ends.setdefault("sizes", [])
        self.sizes.append(len(task.commands))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.code = ends[len(task.commands)] if len(task.commands) in ends else work(list(task))

    def send(self, signum):
        raise AssertionError("nothing is left to send to")


@pytest.fixture
def swept(here, monkeypatch):
    """Carries out a sweep of three betas; the ledger's states and how large the packs were."""

    def run(*words, **ends):
        by_size = {int(size[1:]): code for size, code in ends.items()}
        monkeypatch.setattr(launcher, "ForkedFit", lambda task, **given: Inline(by_size, task, **given))
        monkeypatch.setattr(launcher, "wait", lambda *_: None)
        monkeypatch.setattr(local, "server", lambda *_, **__: contextlib.nullcontext())
        runs_of(beta=[1, 2, 4])
        given = words or ["--jobs=1"]
        code = sweep.main(["sweep.yaml", "--launcher=packed", *given, "--run_dir=runs", *TOY, "--max_epochs=1"])
        ledger = Ledger.opened(Path("runs"), file="sweep.yaml", sweep={})
        return code, [entry.state for entry in ledger.runs.values()], by_size["sizes"]

    return run


def test_a_sweep_in_packs_leaves_what_its_runs_leave(swept):
    code, states, sizes = swept()
    assert (code, states, sizes) == (0, ["finished"] * 3, [3])
    for folder in (path for path in Path("runs").iterdir() if (path / "record.json").is_file()):
        record = RunRecord.read(folder)
        assert record.status == "finished"
        assert record.command.startswith(
            f"python -m vae_rd.fit --run_dir=runs --resume=auto --beta={record.config['beta']:g}"
        )
        log = Path(f"runs/logs/{folder.name}.log").read_text()
        assert log.count("epoch 1/1") == 1
    assert not list(Path("runs/logs").glob("*.pack.*"))


def test_devices_are_packs_at_a_time_each_on_one(swept):
    code, states, sizes = swept("--devices=2", "--batch_size=64")
    assert (code, states, sizes) == (0, ["finished"] * 3, [2, 1])
    for folder in (path for path in Path("runs").iterdir() if (path / "record.json").is_file()):
        record = RunRecord.read(folder)
        assert (record.status, record.config["devices"], record.environment["processes"]) == ("finished", 1, 1)
        assert record.command.endswith("--devices=1")


@pytest.mark.slow
def test_a_pack_that_memory_does_not_hold_goes_on_in_halves(swept):
    code, states, sizes = swept(_3=-signal.SIGKILL)
    assert (code, states, sizes) == (0, ["finished"] * 3, [3, 2, 1])


def test_a_pack_that_crashes_is_reported(swept, capsys):
    code, states, sizes = swept(_3=-signal.SIGSEGV)
    assert (code, states, sizes) == (1, ["failed"] * 3, [3])
    assert "its process was ended by SIGSEGV" in capsys.readouterr().out


def test_what_a_record_said_before_the_pack_began_is_not_how_it_ended(swept, capsys):
    runs_of(beta=[1, 2, 4])
    _, file = command_line(["sweep.yaml", "--run_dir=runs", *TOY, "--max_epochs=1"])
    for run in plan(file).runs:
        run.folder.mkdir(parents=True)
        record_of(run.config, run.name, status="failed", error="of an earlier call").write(run.folder)
    code, states, sizes = swept(**dict.fromkeys(("_3", "_2", "_1"), -signal.SIGKILL))
    assert (code, states, sizes) == (1, ["failed"] * 3, [3, 2, 1, 1, 1])
    said = capsys.readouterr().out
    assert "did memory run out?" in said
    assert "earlier" not in said


class Scripted:
    """The process of a pack that ends on being asked, `after` so many looks, with no answer; `sent` is what came."""

    sentinel = 0

    def __init__(self, after, sent, task, **_):
        self.after, self.sent, self.left = after[len(sent)], sent, None
        self.sent.append([])
        self.place = len(sent) - 1

    @property
    def code(self):
        if self.left is None:
            return None
        self.left -= 1
        return None if self.left >= 0 else 128 + self.sent[self.place][0]

    def send(self, signum):
        self.sent[self.place].append(signum)
        self.left = self.after


@pytest.fixture
def staged(here, monkeypatch):
    """Carries out a sweep of three betas, a pack each, which end so many looks after a signal: what each was sent."""

    def run(after, look):
        sent = []
        monkeypatch.setattr(launcher, "ForkedFit", lambda task, **given: Scripted(after, sent, task, **given))
        monkeypatch.setattr(launcher, "wait", lambda *_: None)
        monkeypatch.setattr(local, "server", lambda *_, **__: contextlib.nullcontext())
        monkeypatch.setattr(Tracker, "look", look)
        runs_of(beta=[1, 2, 4])
        code = sweep.main(["sweep.yaml", "--launcher=packed", "--jobs=3", "--run_dir=runs", *TOY])
        return code, sent

    return run


def test_a_disk_that_stays_full_keeps_no_pack_from_saving_what_it_has(staged, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def fill(*_):
        monkeypatch.setattr(Ledger, "write", full)
        full()

    code, sent = staged([1, 2, 3], fill)
    assert code != 0
    assert sent == [[signal.SIGTERM]] * 3, "none was killed"


def test_what_a_second_signal_kills_is_told_as_interrupted(staged, monkeypatch, capsys):
    def twice(*_):
        monkeypatch.setattr(launcher, "wait", lambda *_: signal.raise_signal(signal.SIGINT))
        signal.raise_signal(signal.SIGINT)

    code, sent = staged([9, 9, 9], twice)
    assert (code, sent) == (130, [[signal.SIGINT, signal.SIGKILL]] * 3)
    entries = Ledger.opened(Path("runs"), file="sweep.yaml", sweep={}).runs.values()
    assert {(entry.state, entry.error) for entry in entries} == {
        ("interrupted", "interrupted: it was killed, and goes on from its last epoch")
    }
    assert "runs: 3 runs, 3 interrupted" in capsys.readouterr().out


def test_how_each_run_of_a_pack_ended_is_told(here, tmp_path):
    argv = [*TOY, "--max_epochs=1", "--run_dir=runs"]
    (tmp_path / "runs/taken").mkdir(parents=True)
    (tmp_path / "runs/taken/file").touch()
    commands = [[*argv, "--name=fine"], [*argv, "--name=taken"], [*argv, "--name=broken", "--beta=1e300", "--lr=1e9"]]
    answer = tmp_path / "answer.json"
    assert run_pack(Task(commands, [tmp_path / f"{k}.log" for k in range(3)], answer)) == 0
    ends = [End(*end) for end in json.loads(answer.read_text())]
    assert [end.state for end in ends] == ["finished", "refused", "failed"]
    assert "holds files but no record.json" in ends[1].error
    assert ends[2].error.startswith("Diverged: step")
