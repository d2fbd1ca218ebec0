"""How the runs of a W&B sweep ended: by their records where there are any, else by W&B's states."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from vae_rd.config.cli import parse
from vae_rd.errors import InputError
from vae_rd.launch.wandb.api import ask
from vae_rd.run.files import CONFIG_FILE, ERROR_FILE, RECORD_FILE
from vae_rd.run.folder import folder_of
from vae_rd.run.record import RunRecord

REPORT_SECONDS = 120.0  # The server gives ten runs an answer.
LOGS = "logs"  # The folder of the agents' output within that of the runs.
Ending = Literal["finished", "stopped early by the server", "preempted", "interrupted", "failed", "running", "pending"]
AS_ASKED: tuple[Ending, ...] = ("finished", "stopped early by the server")
# The server ends a run by its agent, which sends SIGTERM, or by the run's own W&B client, which raises SIGINT; whoever
# sends either by hand leaves the same record.
_LIKE_THE_SERVER = (signal.SIGTERM, signal.SIGINT)
_BY_STATE: Mapping[str, Ending] = {
    "finished": "finished",
    "killed": "stopped early by the server",
    "preempted": "preempted",
    "preempting": "preempted",
    "running": "running",
    "pending": "pending",
}
_MEANING: Mapping[Ending, str] = {
    "preempted": "the next agent of this sweep goes on with it",
    "running": "another machine's agent has it, or it was killed",
    "pending": "it was handed out and never began",
}


@dataclass(frozen=True)
class SweepRun:
    """A run of the sweep and how it ended.

    Attributes:
        name: its name at W&B, which is that of its folder.
        ending: in a few words.
        why: what is known beyond that.
        log: where there is more, if it ran here.
        goes_on: the command that goes on with it, where W&B does not.
    """

    name: str
    ending: Ending
    why: str = ""
    log: Path | None = None
    goes_on: str = ""

    @property
    def line(self) -> str:
        """The run in one line.

        Example:
            >>> SweepRun("sprites-beta4", "failed", "ValueError: no", Path("runs/logs/agent-0.log")).line
            'sprites-beta4: failed: ValueError: no; see runs/logs/agent-0.log'
        """
        parts = [self.name, self.ending, self.why or _MEANING.get(self.ending, "")]
        more = (f"see {self.log}" if self.log else "", f"go on: {self.goes_on}" if self.goes_on else "")
        return "; ".join(filter(None, (": ".join(filter(None, parts)), *more)))


@dataclass(frozen=True)
class SweepReport:
    """All runs of the sweep, the number of those that there should be as well, and what is known of them."""

    runs: Sequence[SweepRun]
    missing: int = 0
    why_missing: str = "not handed out"

    @property
    def is_as_asked(self) -> bool:
        """Whether every run there should be is finished, or was stopped early by the server."""
        return bool(self.runs) and not self.missing and all(run.ending in AS_ASKED for run in self.runs)

    def lines(self) -> Iterator[str]:
        """A line for each run that is not finished, and one with the numbers of all.

        Example:
            >>> list(SweepReport([SweepRun("a", "finished"), SweepRun("b", "finished")], missing=2).lines())
            ['2 runs: 2 finished; 2 more not handed out']
        """
        yield from (run.line for run in self.runs if run.ending != "finished")
        counts = Counter(run.ending for run in self.runs)
        numbers = ", ".join(f"{counts[ending]} {ending}" for ending in get_args(Ending) if counts[ending])
        more = f"; {self.missing} more {self.why_missing}" if self.missing else ""
        some = "1 run" if len(self.runs) == 1 else f"{len(self.runs)} runs"
        yield f"{some}: {numbers}{more}" if self.runs else f"no run was begun{more}"


@dataclass(frozen=True)
class _Log:
    """What an agent's log here holds of one run, from the last time that the run was started.

    Attributes:
        path: of the log.
        flags: of the command that the agent ran, as it logged them.
        lines: those of the fit itself.
        has_ended: whether the agent saw the fit's end.
        told_to_stop: whether the server had the agent end it.
    """

    path: Path
    flags: str
    lines: Sequence[str]
    has_ended: bool
    told_to_stop: bool

    @property
    def last_line(self) -> str:
        """What the fit said in the end; "" while it runs."""
        return self.lines[-1] if self.has_ended and self.lines else ""

    def record(self) -> RunRecord | None:
        """The record of the run that the command is of: one that was finished before has no W&B run to go by."""
        with contextlib.suppress(InputError, ValueError):  # The agent does not quote what a shell would.
            record = RunRecord.read(folder_of(parse(shlex.split(self.flags)).config))
            return record if record.status == "finished" else None
        return None


_SAID = " - wandb.wandb_agent - "  # In every line of the agent's own.
_START = re.compile(rf"^(.*){_SAID}INFO - About to run command: (.*)\n", re.MULTILINE)
# Of a run that an agent has just started it has not said the id yet, which it does every five seconds; the fit has.
_NAMING = re.compile(rf"{_SAID}(.*)|^W&B: .*/runs/(.*)", re.MULTILINE)
_WORD = re.compile(r"[\w-]+")


class _Start(NamedTuple):
    """What an agent's log holds from one start of a run to the next: agents write the time before their lines."""

    time: str
    path: Path
    command: str
    text: str

    @property
    def words(self) -> set[str]:
        """All that may be the run's id."""
        return {word for said in _NAMING.findall(self.text) for part in said for word in _WORD.findall(part)}


def report_of(path: str, folder: Path, *, total: int | None = None) -> SweepReport:
    """The sweep's runs as the server and the records in the folder have them.

    Args:
        path: ENTITY/PROJECT/ID.
        folder: of the runs; without an answer of the server, its records are all there is to go by.
        total: how many runs there should be, where the server does not say; None if nobody knows.
    """
    records = _records(folder)
    why_missing = SweepReport.why_missing
    try:
        answer = ask("runs", path=path, seconds=REPORT_SECONDS)
    except InputError as error:
        print(f"warning: {error}; this is what the records in {folder} say", file=sys.stderr)
        answer = {"runs": [(run_id, record.name, "") for run_id, record in records.items()], "expects": None}
        why_missing = "without a record here"
    logs = _logs(folder / LOGS, {run_id for run_id, *_ in answer["runs"]})
    runs = [
        _judged(name, state, records.get(run_id), logs.get(run_id), folder) for run_id, name, state in answer["runs"]
    ]
    expected = answer["expects"] if answer["expects"] is not None else total or 0
    return SweepReport(runs, max(0, expected - len(runs)), why_missing)


def _judged(name: str, state: str, record: RunRecord | None, log: _Log | None, folder: Path) -> SweepRun:
    record = record or (log.record() if log else None)
    if record is None or record.status == "running":
        said = log.last_line if log else ""
        ended_before_it_began = state == "pending" and bool(said)
        ending = "failed" if ended_before_it_began else _BY_STATE.get(state, "failed")
        if record is not None and ending in ("failed", "running"):
            said = said or record.standing(folder / record.name)
        return SweepRun(name, ending, said, log.path if log else None)
    run = SweepRun(record.name, _ending(record, state, log), record.error or "", log.path if log else None)
    if run.ending == "interrupted":
        return replace(run, goes_on=_goes_on(record, folder / record.name))
    trace = folder / record.name / ERROR_FILE
    return replace(run, log=trace) if trace.is_file() else run


def _ending(record: RunRecord, state: str, log: _Log | None) -> Ending:
    """How a run that is not running has ended."""
    if record.status != "interrupted":
        return "finished" if record.status == "finished" else "failed"
    if record.stopped_by == signal.SIGUSR1:
        return "preempted"
    by_the_server = state == "killed" or (log is not None and log.told_to_stop)
    return "stopped early by the server" if by_the_server and record.stopped_by in _LIKE_THE_SERVER else "interrupted"


def _goes_on(record: RunRecord, folder: Path) -> str:
    """The command that goes on with an interrupted run, as the same W&B run; "" where its config is gone.

    An agent's runs are in the sweep's project, whatever their config says.
    """
    if not (folder / CONFIG_FILE).is_file():
        return ""
    words = ["python", "-m", "vae_rd.fit", "--config", str(folder / CONFIG_FILE), "--resume", "auto"]
    project = (record.wandb or {}).get("project")
    other = project is not None and project != record.config.get("wandb_project")
    return shlex.join([*words, "--wandb_project", str(project)] if other else words)


def _records(folder: Path) -> dict[str, RunRecord]:
    """The records in the folder that can be read, by the id of their W&B run."""
    found = {}
    for path in sorted(folder.glob(f"*/{RECORD_FILE}")):
        with contextlib.suppress(InputError):
            record = RunRecord.read(path.parent)
            if record.wandb is not None:
                found[str(record.wandb["id"])] = record
    return found


def _logs(place: Path, run_ids: Collection[str]) -> dict[str, _Log]:
    """What the agents' logs here hold of these runs, by id, each of its last start; a log is read once for all."""
    last: dict[str, _Start] = {}
    for start in _starts(place):
        for run_id in start.words.intersection(run_ids):
            if run_id not in last or start.time > last[run_id].time:
                last[run_id] = start
    return {run_id: _part(run_id, start) for run_id, start in last.items()}


def _starts(place: Path) -> Iterator[_Start]:
    for path in sorted(place.glob("agent-*.log")):
        _, *parts = _START.split(path.read_text(encoding="utf-8", errors="replace"))
        for time, command, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            yield _Start(time, path, command, text)


def _part(run_id: str, start: _Start) -> _Log:
    """What the log of an agent holds of a run between its start and that of the next."""
    of_run, end, _ = start.text.partition(f"INFO - Cleaning up finished run: {run_id}\n")
    lines = [line.strip() for line in of_run.splitlines() if line.strip() and _SAID.rstrip() not in line]
    _, _, flags = start.command.partition(" -m vae_rd.fit ")
    return _Log(start.path, flags, lines, bool(end), f"{_SAID}INFO - Stop: {run_id}\n" in of_run)
