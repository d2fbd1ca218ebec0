"""What `--launcher wandb` asks a W&B server, in a process of its own with a time limit.

The client waits without limit for its own helper process when the server is out of reach, prints, sets variables and
leaves files: with the process, all of that goes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

from vae_rd.errors import InputError

CONNECT_SECONDS = 15  # For one answer; the client asks twice.
ANSWER_SECONDS = 40.0  # For all of them, at the start.
Json = dict[str, Any]


def ask(question: str, *, seconds: float = ANSWER_SECONDS, **details: Any) -> Json:
    """The answer to a question, by the user's own login.

    Args:
        question: "join", with `known`, `config`, `project` and `entity`: creates the sweep unless a path is known, and
            answers with its `path` and `url`. "runs", with `path`: answers with `runs`, each its id, name and state,
            and with how many of them the server `expects` in the end, or null.
        seconds: the longest wait.
        details: as the question asks for.

    Raises:
        InputError: the server does not answer, refuses, or nobody is logged in.
    """
    request = {"question": question, "details": details, "timeout": CONNECT_SECONDS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        places = {"WANDB_DIR": scratch, "WANDB_CACHE_DIR": scratch, "WANDB_ERROR_REPORTING": "false"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "vae_rd.launch.wandb.api"],
                input=json.dumps(request),
                env={**os.environ, **places},
                capture_output=True,
                text=True,
                timeout=seconds,
                start_new_session=True,  # Without a terminal, where the client would ask for a key.
                check=False,
            )
            answer: Json = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            raise InputError(f"W&B: no answer in {seconds:g} s") from None
        except ValueError:
            raise InputError(
                f"W&B: {_in_a_line(done.stderr) or 'the client exited without an error message'}"
            ) from None
    if "refused" in answer:
        raise InputError(f"W&B: {answer['refused']}")
    return answer


def _answer(request: Json) -> Json:
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    wandb.Api(timeout=request["timeout"])  # Before wandb.sweep, which takes no time limit.
    answered = _join if request["question"] == "join" else _runs
    return answered(wandb, request["timeout"], **request["details"])


def _join(wandb: Any, timeout: int, *, known: str | None, config: Json, project: str, entity: str | None) -> Json:
    name = known or wandb.sweep(config, project=project, entity=entity)
    sweep = wandb.Api(timeout=timeout).sweep(name)
    return {"path": f"{sweep.entity}/{sweep.project}/{sweep.id}", "url": sweep.url}


def _runs(wandb: Any, timeout: int, *, path: str) -> Json:
    sweep = wandb.Api(timeout=timeout).sweep(path)
    return {"runs": [[run.id, run.name, run.state] for run in sweep.runs], "expects": sweep.expected_run_count}


def _in_a_line(text: str) -> str:
    """What went wrong; the client calls its helper busy when the server does not answer."""
    line = " ".join(text.split()).rstrip(".")
    return re.sub(r"Failed to execute API request: the service process.*", "no answer", line)


def _main() -> None:
    request = json.load(sys.stdin)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = _answer(request)
    except Exception as error:
        answer = {"refused": _in_a_line(str(error)) or type(error).__name__}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # The client's farewell to its helper has no time limit; the helper ends with this process.


if __name__ == "__main__":
    _main()
