"""A stand-in for the W&B backend on the loopback interface, as far as `wandb.init`, `wandb sweep` and `wandb agent` go.

    with WandbServer() as server:
        subprocess.run([...], env={**os.environ, **server.environment()})
        server.runs["<run id>"].summary

It keeps what it is told, so that a test can ask what reached W&B, and misbehaves on demand: `server.fault` makes every
answer an error, late, or none at all. Sweeps are served by `wandb_sweeps`; nothing is authenticated.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from helpers.wandb_sweeps import ENTITY, Json, ServedRun, SweepBackend, key, run_key, shown_entity, shown_project

API_KEY = "local-" + "5ec2e7" * 6 + "abcde"  # The client wants at least 40 characters; tests look for leaks of these.

SLOW_SECONDS = 5.0

Fault = Literal["error", "slow", "silence"]


class Backend(SweepBackend):
    """The state and the GraphQL operations; one method an operation, found by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    def answer(self, query: str, variables: Json) -> Json:
        """The body of the response to a GraphQL query; what is not served here is an error, as on an old server."""
        named = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
        operation = named.group(1) if named else "anonymous"
        self.requests.append(operation)
        method: Callable[[Json], Json] | None = getattr(self, f"on_{operation}", None)
        if method is None:
            return {"data": None, "errors": [{"message": f"{operation} is not served"}]}
        return {"data": method(variables)}

    def on_Viewer(self, variables: Json) -> Json:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        viewer = {"id": key("User", ENTITY), "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": teams}
        return {"viewer": viewer}

    def on_GetDefaultEntity(self, variables: Json) -> Json:
        return {"viewer": {"id": key("User", ENTITY), "entity": ENTITY}}

    def on_UpsertBucket(self, variables: Json) -> Json:
        run = self._run(variables)
        inserted, run.started = not run.started, True
        run.name = variables.get("displayName") or run.name or run.id
        run.sweep = variables.get("sweep") or run.sweep
        if variables.get("config"):
            run.logged_config = json.loads(variables["config"])
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": inserted}}

    def on_RunResumeStatus(self, variables: Json) -> Json:
        run = self.runs.get(variables["name"])
        known = run is not None and run.started
        if known:
            run.exit_code = None
        model = {"id": key("Project", variables["project"]), "name": variables["project"], "entity": shown_entity()}
        return {"model": {**model, "bucket": self._bucket(run) if known else None}}

    def on_CreateRunFiles(self, variables: Json) -> Json:
        folder = f"{self.url}/storage/{variables['run']}"
        files = [{"name": name, "uploadUrl": f"{folder}/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}

    def stream(self, run_id: str, body: Json) -> Json:
        """Take in lines of history and the summary, and the end of the run."""
        run, files = self.runs[run_id], body.get("files") or {}
        if chunk := files.get("wandb-history.jsonl"):
            first, lines = chunk["offset"], [json.loads(line) for line in chunk["content"]]
            run.history[first : first + len(lines)] = lines
        if chunk := files.get("wandb-summary.json"):
            run.summary = json.loads(chunk["content"][-1])
        run.preempting |= bool(body.get("preempting"))
        if body.get("complete"):
            self.close(run, body["exitcode"])
        return {"limits": {}, "stopped": run.stopped_on_page}

    def _run(self, variables: Json) -> ServedRun:
        run_id, project = variables.get("name"), variables.get("project") or "uncategorized"
        if variables.get("id"):
            _, _, run_id, project, _ = base64.b64decode(variables["id"]).decode().split(":")
        return self.runs.setdefault(run_id, ServedRun(run_id, project))

    def _bucket(self, run: ServedRun) -> Json:
        return {
            "id": run_key(run),
            "name": run.id,
            "displayName": run.name,
            "config": json.dumps(run.logged_config),
            "sweepName": run.sweep,
            "project": shown_project(run.project),
            "historyLineCount": len(run.history),
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps(run.summary),
            "wandbConfig": json.dumps({"t": 1}),
            "tags": [],
        }


class WandbServer(ThreadingHTTPServer):
    """Serves a `Backend` on a free port while entered.

    Attributes:
        backend: what the clients have said.
        fault: None; "error" answers 500 to everything; "slow" takes SLOW_SECONDS to answer; "silence" accepts
            connections and never answers.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = Backend()
        self.fault: Fault | None = None
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.url = self.backend.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def runs(self) -> dict[str, ServedRun]:
        return self.backend.runs

    def environment(self) -> dict[str, str]:
        """The variables that send a W&B client here, logged in."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": API_KEY, "WANDB_ENTITY": ENTITY}

    def __enter__(self) -> WandbServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more, also on the connections that are open."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a client drops."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""

    def do_POST(self) -> None:
        content = self._content()
        if self._misbehave():
            return
        body = json.loads(content)
        with self.server.lock:
            if self.path == "/graphql":
                self._reply(self.server.backend.answer(body["query"], body.get("variables") or {}))
            elif stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                self._reply(self.server.backend.stream(stream.group(1), body))
            else:
                self._reply({}, status=404)

    def do_GET(self) -> None:
        if self._misbehave():
            return
        _, _, run_id, name = self.path.split("/", 3)
        with self.server.lock:
            self.server.backend.requests.append(f"download {name}")
            content = self.server.runs[run_id].files[name]
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self) -> None:
        content = self._content()
        if self._misbehave():
            return
        _, _, run_id, name = self.path.split("/", 3)
        with self.server.lock:
            self.server.runs[run_id].files[name] = content
        self._reply({})

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def _misbehave(self) -> bool:
        if self.server.closing.is_set():
            self.close_connection = True
            return True
        if self.server.fault == "error":
            self._reply({"errors": [{"message": "out of order"}]}, status=500)
            return True
        if self.server.fault == "slow":
            time.sleep(SLOW_SECONDS)
        if self.server.fault == "silence":
            self.server.closing.wait()
            return True
        return False

    def _reply(self, content: Json, *, status: int = 200) -> None:
        encoded = json.dumps(content).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)
