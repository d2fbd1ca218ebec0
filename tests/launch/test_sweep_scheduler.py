"""How runs are carried out: which slot, how often, and what becomes of each exit code; fits are played by a script."""

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from vae_rd.errors import Interrupted
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.local import scheduler
from vae_rd.launch.local.progress import SweepProgress
from vae_rd.launch.local.scheduler import Scheduler, log_of
from vae_rd.launch.local.supply import supply_of
from vae_rd.launch.local.tracker import Tracker
from vae_rd.launch.points.plan import PlannedRun, plan
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file

from helpers.runs import record_of

NUMBER = {"value": 1.0, "stderr": 0.1, "n": 9}
METRICS = {split: {"distortion": NUMBER, "rate": NUMBER, "objective": NUMBER} for split in ("train", "val", "test")}


@dataclass
class Stage:
    """The fits of a sweep as a script: by beta, the exit codes of its attempts, and for how many looks each runs."""

    script: Mapping[float, list[int]]
    looks: int = 1
    on_stage: list[str] = field(default_factory=list)
    started: list[tuple[float, str]] = field(default_factory=list)
    most: int = 0
    signals: list[tuple[float, int]] = field(default_factory=list)


@pytest.fixture
def carry_out(tmp_path, monkeypatch):
    """Run a grid over the script's betas; the scheduler's ledger."""
    monkeypatch.chdir(tmp_path)

    def run(stage: Stage, *, slots: int = 1, **content) -> Ledger:
        parameters = {"beta": {"values": list(stage.script)}, "run_dir": {"value": "runs"}}
        written = {"command": COMMAND, "method": "grid", "parameters": parameters, **content}
        Path("sweep.yaml").write_text(yaml.safe_dump(written))
        asked = plan(read_sweep_file(Path("sweep.yaml"), fixed={}))
        by_argv = {run.argv: run for run in asked.runs}
        monkeypatch.setattr(scheduler, "ForkedFit", lambda argv, **given: Played(stage, by_argv[argv], **given))
        monkeypatch.setattr(scheduler, "wait", lambda *_: None)
        monkeypatch.setattr(scheduler, "LOOK_SECONDS", 0.0)
        ledger = Ledger.opened(asked.folder, file="sweep.yaml", sweep={})
        places = [{"SLOT": str(k)} for k in range(slots)]
        with SweepProgress(asked.total, 0) as progress:
            Scheduler(asked, supply_of(asked, ledger), places, Tracker(ledger, progress)).run()
        return ledger

    return run


class Played:
    """A fit that leaves what a fit of this exit code leaves."""

    sentinel = 0

    def __init__(self, stage: Stage, run: PlannedRun, *, log: Path, environment: Mapping[str, str]) -> None:
        self.stage, self.run, self.beta = stage, run, run.config.beta
        attempts = [beta for beta, _ in stage.started].count(self.beta)
        self._code, self._left = stage.script[self.beta][attempts], stage.looks
        stage.started.append((self.beta, environment["SLOT"]))
        stage.on_stage.append(run.name)
        stage.most = max(stage.most, len(stage.on_stage))
        log.parent.mkdir(parents=True, exist_ok=True)  # As a fit does.
        log.write_text("a line\nerror: --lr: bad input\n")

    @property
    def code(self) -> int | None:
        if self._left > 0:
            self._left -= 1
            return None
        if self.run.name in self.stage.on_stage:
            self.stage.on_stage.remove(self.run.name)
            self._leave()
        return self._code

    def send(self, signum: int) -> None:
        self.stage.signals.append((self.beta, signum))
        self._code, self._left = 128 + signum, 0

    def _leave(self) -> None:
        status = {0: "finished", 1: "failed"}.get(self._code, "interrupted")
        self.run.folder.mkdir(exist_ok=True)
        if self._code == 1:
            (self.run.folder / "error.log").write_text("Traceback")
        error = "ValueError: out of luck" if self._code == 1 else None
        record = record_of(self.run.config, self.run.name, status=status, error=error, metrics=METRICS)
        record.write(self.run.folder)


def states(ledger: Ledger) -> dict[float, tuple[str, int]]:
    return {entry.point["beta"]: (entry.state, entry.attempts) for entry in ledger.runs.values()}


def errors(ledger: Ledger) -> dict[float, str | None]:
    return {entry.point["beta"]: entry.error for entry in ledger.runs.values()}


def test_every_run_once_and_no_slot_twice_at_a_time(carry_out):
    stage = Stage({float(beta): [0] for beta in range(1, 8)}, looks=3)
    ledger = carry_out(stage, slots=3)
    assert set(states(ledger).values()) == {("finished", 1)}
    assert stage.most == 3
    assert [beta for beta, _ in stage.started] == list(stage.script)
    assert {slot for _, slot in stage.started} == {"0", "1", "2"}


def test_a_failure_is_tried_once_more_after_the_others(carry_out):
    stage = Stage({1.0: [1, 0], 2.0: [0], 3.0: [1, 1], 4.0: [-9, 0]})
    ledger = carry_out(stage)
    assert [beta for beta, _ in stage.started] == [1.0, 2.0, 3.0, 4.0, 1.0, 3.0, 4.0]
    assert states(ledger) == {1.0: ("finished", 2), 2.0: ("finished", 1), 3.0: ("failed", 2), 4.0: ("finished", 2)}
    assert errors(ledger) == {1.0: None, 2.0: None, 3.0: "failed: ValueError: out of luck", 4.0: None}


def test_bad_input_is_not_tried_again(carry_out):
    ledger = carry_out(Stage({1.0: [2], 2.0: [0]}))
    assert states(ledger) == {1.0: ("refused", 1), 2.0: ("finished", 1)}
    assert errors(ledger)[1.0] == "refused: --lr: bad input"


@pytest.mark.parametrize("code", [130, 143, 138, -signal.SIGTERM, -signal.SIGINT])
def test_a_run_that_somebody_else_stopped_is_left(code, carry_out):
    ledger = carry_out(Stage({1.0: [code], 2.0: [0]}))
    assert states(ledger) == {1.0: ("interrupted", 1), 2.0: ("finished", 1)}


def test_the_ledger_on_disk_is_the_one_in_memory(carry_out):
    ledger = carry_out(Stage({1.0: [2], 2.0: [0]}))
    written = json.loads((ledger.path).read_text())
    assert written["schema_version"] == 1
    assert {n: (e["state"], e["error"]) for n, e in written["runs"].items()} == {
        name: (entry.state, entry.error) for name, entry in ledger.runs.items()
    }


def test_a_second_call_does_what_is_left(carry_out):
    script = {1.0: [1, 1, 0], 2.0: [0], 3.0: [130, 0]}
    carry_out(Stage(script))
    stage = Stage(script)
    stage.started = [(1.0, ""), (1.0, ""), (3.0, "")]
    ledger = carry_out(stage)
    assert [beta for beta, _ in stage.started[3:]] == [1.0, 3.0]
    assert {state for state, _ in states(ledger).values()} == {"finished"}


def test_a_run_whose_folder_is_gone_is_run_again(carry_out):
    ledger = carry_out(Stage({1.0: [0], 2.0: [0]}))
    name = next(iter(ledger.runs))
    (ledger.path.parent / name / "record.json").unlink()
    (ledger.path.parent / name).rmdir()
    again = Stage({1.0: [0], 2.0: [0]})
    carry_out(again)
    assert [beta for beta, _ in again.started] == [1.0]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_goes_to_every_run_and_nothing_more_is_started(signum, carry_out, monkeypatch):
    stage = Stage({float(beta): [0] for beta in range(1, 6)}, looks=5)
    looked = iter(range(100))
    look = Scheduler._look

    def look_until_signalled(self: Scheduler) -> None:
        if next(looked) == 3:
            signal.raise_signal(signum)
        look(self)

    monkeypatch.setattr(Scheduler, "_look", look_until_signalled)
    with pytest.raises(Interrupted) as stop:
        carry_out(stage, slots=2)
    assert stop.value.signum == signum
    assert stage.signals == [(1.0, signum), (2.0, signum)]
    ledger = Ledger.opened(Path("runs"), file="", sweep={})
    assert states(ledger) == {
        **dict.fromkeys((1.0, 2.0), ("interrupted", 1)),
        **dict.fromkeys((3.0, 4.0, 5.0), ("waiting", 0)),
    }


def test_a_second_signal_does_not_wait(carry_out, monkeypatch):
    """A run that does not end on being asked is killed, and the launcher ends."""
    stage = Stage({1.0: [0], 2.0: [0]}, looks=10**9)

    def deaf(self: Played, signum: int) -> None:
        stage.signals.append((self.beta, signum))

    monkeypatch.setattr(Played, "send", deaf)
    waits = iter(range(100))
    carried = carry_out

    def raise_twice(*_: object) -> None:
        if next(waits) in (2, 6):
            signal.raise_signal(signal.SIGINT)

    def arm() -> None:
        monkeypatch.setattr(scheduler, "wait", raise_twice)

    original = Scheduler.run
    monkeypatch.setattr(Scheduler, "run", lambda self: (arm(), original(self)))
    with pytest.raises(Interrupted):
        carried(stage, slots=2)
    assert stage.signals == [(b, s) for s in (signal.SIGINT, signal.SIGKILL) for b in (1.0, 2.0)]


def test_a_failure_of_the_launcher_lets_every_run_save_what_it_has(carry_out, monkeypatch):
    stage = Stage({1.0: [0], 2.0: [0], 3.0: [0]}, looks=9)
    looked = iter(range(100))

    def fail(self: Scheduler) -> None:
        if next(looked) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Scheduler, "_look", fail)
    with pytest.raises(OSError, match="No space"):
        carry_out(stage, slots=2)
    assert stage.signals == [(1.0, signal.SIGTERM), (2.0, signal.SIGTERM)]
    found = states(Ledger.opened(Path("runs"), file="", sweep={}))
    assert found == {1.0: ("interrupted", 1), 2.0: ("interrupted", 1), 3.0: ("waiting", 0)}


def test_a_disk_that_stays_full_keeps_no_run_from_saving_what_it_has(carry_out, monkeypatch):
    stage = Stage({1.0: [0], 2.0: [0], 3.0: [0]}, looks=9)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fill(_: Scheduler) -> None:
        monkeypatch.setattr(Ledger, "write", full)
        full()

    def end_one_after_another(self: Played, signum: int) -> None:
        stage.signals.append((self.beta, signum))
        self._code, self._left = 128 + signum, int(self.beta)

    monkeypatch.setattr(Scheduler, "_look", fill)
    monkeypatch.setattr(Played, "send", end_one_after_another)
    with pytest.raises(OSError, match="No space"):
        carry_out(stage, slots=3)
    assert stage.signals == [(beta, signal.SIGTERM) for beta in stage.script], "none was killed"


def test_a_log_that_was_removed_is_no_failure_of_the_launcher(carry_out, monkeypatch):
    leave = Played._leave

    def leave_no_log(self: Played) -> None:
        leave(self)
        log_of(self.run).unlink()

    monkeypatch.setattr(Played, "_leave", leave_no_log)
    assert errors(carry_out(Stage({1.0: [2], 2.0: [0]})))[1.0] == "refused: exit code 2"


def test_a_fit_without_its_server_says_so_and_is_tried_again(carry_out):
    ledger = carry_out(Stage({1.0: [255, 0], 2.0: [255, 255]}))
    assert states(ledger) == {1.0: ("finished", 2), 2.0: ("failed", 2)}
    assert errors(ledger)[2.0] == "failed: the process that forks the runs was killed; did memory run out?"


def test_hyperband_stops_what_is_worse_and_the_second_call_leaves_it(carry_out, monkeypatch):
    """Three runs of three validations; seed 2 is worse than all but the best third and the next, and is stopped."""
    losses = {0: [5.0, 1.0, 1.0], 1: [5.0, 3.0, 3.0], 2: [5.0, 4.0, 4.0]}
    seeds = {"beta": {"value": 1.0}, "run_dir": {"value": "runs"}, "seed": {"values": [0, 1, 2]}}
    rule = {"type": "hyperband", "min_iter": 2, "eta": 3, "strict": False}
    content = {"parameters": seeds, "early_terminate": rule, "metric": {"name": "val/objective"}}

    def history(folder: Path) -> list[dict[str, str]]:
        values = losses[int(folder.name.split("seed")[1][0])]
        return [{"epoch": str(k), "step": str(k + 1), "val/objective": str(v)} for k, v in enumerate(values)]

    monkeypatch.setattr(scheduler, "history_of", history)
    stage = Stage({1.0: [0, 0, 0]}, looks=4)
    ledger = carry_out(stage, slots=3, **content)
    ended = {entry.point["seed"]: (entry.state, entry.error) for entry in ledger.runs.values()}
    worse = "stopped early, worse than others after 2 validations"
    assert ended == {0: ("finished", None), 1: ("finished", None), 2: ("stopped early", worse)}
    again = Stage({1.0: []})
    carry_out(again, **content)
    assert again.started == []


def test_the_log_of_a_run_lies_beside_the_runs(carry_out):
    ledger = carry_out(Stage({1.0: [0]}))
    ((name, _),) = ledger.runs.items()
    run = plan(read_sweep_file(Path("sweep.yaml"), fixed={})).runs[0]
    assert log_of(run) == Path("runs/logs") / f"{name}.log"
    assert log_of(run).read_text().startswith("a line")
