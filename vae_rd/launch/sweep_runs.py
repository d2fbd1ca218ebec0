"""How the runs of a W&B sweep ended: by their records where there are any, else by W&B's states."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vae_rd.errors import InputError, Interrupted
from vae_rd.launch.wandb_api import ask
from vae_rd.records import ERROR_FILE, RECORD_FILE, RunRecord

REPORT_SECONDS = 120.0  # The server gives ten runs an answer.
LOGS = "logs"  # The folder of the agents' output within that of the runs.

Ending = Literal["finished", "stopped early by the server", "preempted", "interrupted", "failed", "running", "pending"]
AS_ASKED: tuple[Ending, ...] = ("finished", "stopped early by the server")

# Only the server's word to an agent arrives in a fit as SIGTERM: the launcher passes every signal on as SIGINT.
_BY_SIGNAL: Mapping[str, Ending] = {
    str(Interrupted(signal.SIGTERM)): "stopped early by the server",
    str(Interrupted(signal.SIGUSR1)): "preempted",
}
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
    """

    name: str
    ending: Ending
    why: str = ""
    log: Path | None = None

    @property
    def line(self) -> str:
        """The run in one line.

        Example:
            >>> SweepRun("sprites-beta4", "failed", "ValueError: no", Path("runs/logs/agent-0.log")).line
            'sprites-beta4: failed: ValueError: no; see runs/logs/agent-0.log'
        """
        parts = [self.name, self.ending, self.why or _MEANING.get(self.ending, "")]
        return ": ".join(filter(None, parts)) + (f"; see {self.log}" if self.log else "")


@dataclass(frozen=True)
class SweepReport:
    """All runs of the sweep, and the number of those that the server has not handed out."""

    runs: Sequence[SweepRun]
    missing: int = 0

    @property
    def is_as_asked(self) -> bool:
        """Whether every run there should be is finished, or was stopped early by the server."""
        return bool(self.runs) and not self.missing and all(run.ending in AS_ASKED for run in self.runs)

    def lines(self) -> Iterator[str]:
        """A line for each run that is not finished, and one with the numbers of all.

        Example:
            >>> list(SweepReport([SweepRun("a", "finished"), SweepRun("b", "finished")], missing=2).lines())
            ['2 runs: 2 finished; 2 more were not handed out']
        """
        yield from (run.line for run in self.runs if run.ending != "finished")
        counts = Counter(run.ending for run in self.runs)
        numbers = ", ".join(f"{counts[ending]} {ending}" for ending in get_args(Ending) if counts[ending])
        more = f"; {self.missing} more were not handed out" if self.missing else ""
        yield f"{len(self.runs)} runs: {numbers}{more}" if self.runs else f"no run was begun{more}"


def report_of(path: str, folder: Path) -> SweepReport:
    """The sweep's runs as the server and the records in the folder have them.

    Args:
        path: ENTITY/PROJECT/ID.
        folder: of the runs; without an answer of the server, its records are all there is to go by.
    """
    records = _records(folder)
    try:
        answer = ask("runs", path=path, seconds=REPORT_SECONDS)
    except InputError as error:
        print(f"warning: {error}; this is what the records in {folder} say", file=sys.stderr)
        answer = {"runs": [(run_id, record.name, "") for run_id, record in records.items()], "expects": None}
    runs = [_judged(run_id, name, state, records.get(run_id), folder) for run_id, name, state in answer["runs"]]
    return SweepReport(runs, missing=max(0, (answer["expects"] or 0) - len(runs)))


def _judged(run_id: str, name: str, state: str, record: RunRecord | None, folder: Path) -> SweepRun:
    log, said = _log_of(run_id, folder / LOGS)
    if record is None or record.status == "running":
        if said.endswith("finished already, nothing to do"):
            return SweepRun(name, "finished", said, log)
        ended_before_it_began = state == "pending" and bool(said)
        return SweepRun(name, "failed" if ended_before_it_began else _BY_STATE.get(state, "failed"), said, log)
    why = record.error or ""
    if record.status == "interrupted":
        return SweepRun(record.name, _BY_SIGNAL.get(why, "interrupted"), why, log)
    trace = folder / record.name / ERROR_FILE
    return SweepRun(record.name, record.status, why, trace if trace.is_file() else log)


def _records(folder: Path) -> dict[str, RunRecord]:
    """The records in the folder that can be read, by the id of their W&B run."""
    found = {}
    for path in sorted(folder.glob(f"*/{RECORD_FILE}")):
        with contextlib.suppress(InputError):
            record = RunRecord.read(path.parent)
            if record.wandb is not None:
                found[str(record.wandb["id"])] = record
    return found


def _log_of(run_id: str, logs: Path) -> tuple[Path | None, str]:
    """The log of the agent that had it, and the last line of the fit's own there if it ended; None and "" otherwise."""
    for log in sorted(logs.glob("agent-*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        if re.search(rf"\b{re.escape(run_id)}\b", text):
            of_run = (
                text.rpartition(f"finished run: {run_id}\n")[0].rpartition("About to run command: ")[2].splitlines()
            )
            own = [line for line in of_run[1:] if line.strip() and " - wandb.wandb_agent - " not in line]
            return log, own[-1].strip() if own else ""
    return None, ""
