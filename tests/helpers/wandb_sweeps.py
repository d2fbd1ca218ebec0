"""The sweep side of the stand-in for the W&B backend: points, agents, runs and their states, and the public API.

A grid is expanded, and any other method answered by independent draws, `run_cap` of them. The runs of a sweep are
handed to whichever agent asks first. A run that was marked preempting and ended with a code other than 0 is handed out
again under its id, with W&B's own entry of its config and every key that it logged among the arguments, as W&B does.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

ENTITY = "tester"

Json = dict[str, Any]


@dataclass
class ServedRun:
    """What W&B has been told of one run; `exit_code` is None until the client closes it.

    `agents` are those that were told to start it, one after the other.
    """

    id: str
    project: str
    name: str = ""
    sweep: str | None = None
    logged_config: Json = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)
    summary: Json = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    preempting: bool = False
    stopping: bool = False
    stopped_on_page: bool = False
    started: bool = False
    agents: list[str] = field(default_factory=list)

    @property
    def handed_out(self) -> int:
        """How often an agent was told to start it."""
        return len(self.agents)

    @property
    def config(self) -> Json:
        """The config without W&B's own entry."""
        return {name: entry["value"] for name, entry in self.logged_config.items() if name != "_wandb"}

    @property
    def state(self) -> str:
        """The state in W&B's words."""
        if not self.started:
            return "pending"
        if self.exit_code == 0:
            return "finished"
        if self.preempting:
            return "preempting" if self.exit_code is None else "preempted"
        if self.exit_code is None:
            return "running"
        return "killed" if self.stopping or self.stopped_on_page else "failed"

    def arguments_when_requeued(self) -> Json:
        """What the command of the run carries when it is handed out again."""
        logged = {name: {"value": value} for row in self.history for name, value in row.items()}
        return {**self.logged_config, **logged, **{name: {"value": value} for name, value in self.summary.items()}}


@dataclass
class ServedSweep:
    """A sweep, the points that no agent has taken yet, and the runs to be handed out again."""

    id: str
    project: str
    yaml_text: str
    points: Iterator[Json]
    requeued: list[str] = field(default_factory=list)
    state: str = "PENDING"

    @property
    def config(self) -> Json:
        """The sweep file as it was uploaded."""
        return yaml.safe_load(self.yaml_text)

    @property
    def expected(self) -> int | None:
        """How many runs there will be; None where the method has no end."""
        counts = [len(choices) for choices in _choices(self.config)] if self.config["method"] == "grid" else [math.inf]
        count = min(math.prod(counts), self.config.get("run_cap", math.inf))
        return None if math.isinf(count) else int(count)


class SweepBackend:
    """The GraphQL operations of sweeps, agents and the public API; one method an operation, found by its name.

    Attributes:
        runs: all runs by id, those of no sweep as well.
        sweeps: by id.
        agents: the sweep of each agent.
    """

    def __init__(self) -> None:
        self.url = ""
        self.runs: dict[str, ServedRun] = {}
        self.sweeps: dict[str, ServedSweep] = {}
        self.agents: dict[str, ServedSweep] = {}

    def stop(self, run_id: str) -> None:
        """End a run early, as hyperband does: its agent is told at its next heartbeat."""
        self.runs[run_id].stopping = True

    def stop_on_page(self, run_id: str) -> None:
        """End a run early, as "Stop run" on its page does: its own client is told, and interrupts its program."""
        self.runs[run_id].stopped_on_page = True

    def close(self, run: ServedRun, exit_code: int) -> None:
        """Take note of a run's end; one that had to make room is handed out again."""
        run.exit_code = exit_code
        if run.state == "preempted" and run.sweep in self.sweeps:
            self.sweeps[run.sweep].requeued.append(run.id)

    def on_UpsertSweep(self, variables: Json) -> Json:
        text, name = variables["config"], f"sweep{len(self.sweeps)}"
        project = variables["projectName"] or "uncategorized"
        sweep = self.sweeps[name] = ServedSweep(name, project, text, _points(yaml.safe_load(text)))
        shown = {"name": sweep.id, "project": shown_project(sweep.project)}
        return {"upsertSweep": {"sweep": shown, "configValidationWarnings": []}}

    def on_SweepWithRuns(self, variables: Json) -> Json:
        return {"project": {"sweep": {**self._shown_sweep(variables["sweep"]), "runs": {"edges": []}}}}

    def on_GetSweep(self, variables: Json) -> Json:
        return {
            "project": {"sweep": self._shown_sweep(variables["name"]) if variables["name"] in self.sweeps else None}
        }

    def on_Runs(self, variables: Json) -> Json:
        filters = json.loads(variables.get("filters") or "{}")
        sweeps = [wanted["sweep"] for wanted in filters.get("$and", ()) if "sweep" in wanted]
        runs = [run for run in self.runs.values() if run.project == variables["project"]]
        if not runs and not sweeps:
            return {"project": None}
        runs = [run for run in runs if not sweeps or run.sweep in sweeps]
        first = int(variables.get("cursor") or 0)
        last = first + variables["perPage"]
        edges = [{"node": _shown_run(run), "cursor": str(last)} for run in runs[first:last]]
        page = {"endCursor": str(last), "hasNextPage": last < len(runs)}
        found = {"internalId": "1", "runCount": len(runs), "readOnly": False}
        return {"project": {**found, "runs": {"edges": edges, "pageInfo": page}}}

    def on_RunFiles(self, variables: Json) -> Json:
        run, names = self.runs[variables["name"]], variables.get("fileNames")
        files = [name for name in run.files if not names or name in names]
        edges = [{"node": self._shown_file(run, name), "cursor": name} for name in files]
        page = {"endCursor": None, "hasNextPage": False}
        shown = {"fileCount": len(run.files), "files": {"edges": edges, "pageInfo": page}}
        return {"project": {"internalId": "1", "run": shown}}

    def on_RunHistoryKeys(self, variables: Json) -> Json:
        history = self.runs[variables["name"]].history
        keys = {"lastStep": max((row["_step"] for row in history), default=-1), "keys": {}}
        return {"project": {"run": {"historyKeys": keys}}}

    def on_RunParquetHistory(self, variables: Json) -> Json:
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}

    def on_HistoryPage(self, variables: Json) -> Json:
        first, last = variables["minStep"], variables["maxStep"]
        rows = [json.dumps(row) for row in self.runs[variables["run"]].history if first <= row["_step"] < last]
        return {"project": {"run": {"history": rows}}}

    def _shown_file(self, run: ServedRun, name: str) -> Json:
        url = f"{self.url}/storage/{run.id}/{name}"
        about = {"sizeBytes": len(run.files[name]), "mimetype": "text/plain", "updatedAt": None, "md5": None}
        return {"id": key("File", name), "name": name, "url": url, "directUrl": url, **about}

    def on_CreateAgent(self, variables: Json) -> Json:
        agent = key("Agent", str(len(self.agents)))
        self.agents[agent] = self.sweeps[variables["sweep"]]
        return {"createAgent": {"agent": {"id": agent}}}

    def on_Heartbeat(self, variables: Json) -> Json:
        busy = [run_id for run_id, alive in json.loads(variables["runState"]).items() if alive]
        commands = [{"type": "stop", "run_id": run_id} for run_id in busy if self.runs[run_id].stopping]
        if not busy:
            commands = [self._next_command(self.agents[variables["id"]], agent=variables["id"])]
        return {"agentHeartbeat": {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}}

    def _next_command(self, sweep: ServedSweep, *, agent: str) -> Json:
        if sweep.requeued:
            run = self.runs[sweep.requeued.pop(0)]
            run.preempting, run.exit_code = False, None
            run.agents.append(agent)
            return {"type": "resume", "run_id": run.id, "program": "", "args": run.arguments_when_requeued()}
        point = next(sweep.points, None)
        sweep.state = "RUNNING" if point else "FINISHED"
        if point is None:
            return {"type": "exit"}
        run = ServedRun(
            f"{sweep.id}run{len(self.runs)}", sweep.project, sweep=sweep.id, logged_config=point, agents=[agent]
        )
        self.runs[run.id] = run
        return {"type": "run", "run_id": run.id, "program": "", "args": point}

    def _shown_sweep(self, name: str) -> Json:
        sweep = self.sweeps[name]
        shown = {"__typename": "Sweep", "id": key("Sweep", sweep.id), "name": sweep.id, "displayName": None}
        count = sum(run.sweep == sweep.id for run in self.runs.values())
        about = {"method": sweep.config["method"], "state": sweep.state, "config": sweep.yaml_text}
        return {**shown, **about, "runCount": count, "runCountExpected": sweep.expected}


def _choices(config: Json) -> list[list[Any]]:
    return [spec.get("values") or [spec.get("value")] for spec in config["parameters"].values()]


def _points(config: Json) -> Iterator[Json]:
    """The points of a sweep in the form in which agents are told."""
    names = list(config["parameters"])
    points: Iterator[tuple[Any, ...]] = itertools.product(*_choices(config))
    if config["method"] != "grid":
        source = random.Random(0)
        points = (tuple(_draw(spec, source) for spec in config["parameters"].values()) for _ in itertools.count())
    for point in itertools.islice(points, config.get("run_cap")):
        yield {name: {"value": value} for name, value in zip(names, point, strict=True)}


def _draw(spec: Json, source: random.Random) -> Any:
    if "min" not in spec:
        return source.choice(spec.get("values") or [spec.get("value")])
    low, high = spec["min"], spec["max"]
    if spec.get("distribution") == "log_uniform_values":
        return math.exp(source.uniform(math.log(low), math.log(high)))
    whole = isinstance(low, int) and isinstance(high, int)
    return source.randint(low, high) if whole else source.uniform(low, high)


def _shown_run(run: ServedRun) -> Json:
    shown = {"id": run_key(run), "name": run.id, "displayName": run.name or run.id, "sweepName": run.sweep}
    nothing = dict.fromkeys(("group", "jobType", "commit", "heartbeatAt", "description", "notes"))
    rest = {"tags": [], "readOnly": False, "createdAt": "2026-01-01T00:00:00Z", "historyLineCount": len(run.history)}
    return {
        **shown,
        **nothing,
        **rest,
        "state": run.state,
        "config": json.dumps(run.logged_config),
        "summaryMetrics": json.dumps(run.summary),
        "systemMetrics": "{}",
        "projectId": "1",
        "user": {"name": ENTITY, "username": ENTITY},
    }


def key(kind: str, name: str) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def run_key(run: ServedRun) -> str:
    return key("Run", f"v1:{run.id}:{run.project}:{ENTITY}")


def shown_entity() -> Json:
    return {"id": key("Entity", ENTITY), "name": ENTITY}


def shown_project(name: str) -> Json:
    return {"id": key("Project", f"v1:{name}:{ENTITY}"), "name": name, "entity": shown_entity()}
