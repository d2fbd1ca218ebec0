"""What W&B holds of runs, written as run folders: the process that `wandb_runs` starts.

A request as JSON on standard input is answered on standard output: `folders`, and `left_out`, a name and a reason each.
A run that goes on has no history among its files yet: what it logged so far is scanned, and written as one.
"""

from __future__ import annotations

import contextlib
import filecmp
import io
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from analysis.sources.histories import logged, write_history
from analysis.sources.other_code import READING, made_up
from analysis.sources.states import ALIVE, STATE_FILE, heard
from analysis.sources.wandb_runs import ANSWER_SECONDS
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE, write_atomic

Json = dict[str, Any]


def answer(request: Json) -> Json:
    """The runs of a project or sweep, downloaded where W&B has heard from them since."""
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    api = wandb.Api(timeout=request["timeout"])
    path = f"{request['entity']}/{request['project']}"
    runs = api.sweep(f"{path}/{request['sweep']}").runs if request["sweep"] else api.runs(path)
    _clear(Path(request["place"]))
    folders, left_out = [], []
    for run in runs:
        folder = Path(request["place"]) / run.id
        why = _brought(run, folder, request["columns"])
        if why:
            left_out.append([run.name, why])
        else:
            folders.append(str(folder))
    return {"folders": folders, "left_out": left_out}


def _clear(place: Path) -> None:
    """Remove what clients that were killed left half downloaded: none is at work for longer than its time limit."""
    for left in place.glob(".*.*"):
        with contextlib.suppress(FileNotFoundError):  # A client at work elsewhere may just have finished it.
            if time.time() - left.stat().st_mtime > ANSWER_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _brought(run: Any, folder: Path, columns: Json | None) -> str:
    """Bring one run up to date; why it cannot be, else nothing."""
    state = {"state": run.state, "heard": run.heartbeat_at, "rows": run.history_line_count}
    state |= {"columns": columns and [READING, columns]}
    if heard(folder) == state and (folder / RECORD_FILE).is_file():
        return ""
    staged = folder.with_name(f".{folder.name}.{os.getpid()}")
    staged.mkdir(parents=True)
    try:
        fault = _downloaded(run, staged) if columns is None else made_up(run, staged, columns)
        if not fault:
            _keep_times(folder, staged)
            write_atomic(staged / STATE_FILE, json.dumps(state))
            shutil.rmtree(folder, ignore_errors=True)
            staged.rename(folder)
        return fault
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _keep_times(before: Path, now: Path) -> None:
    """Give files of the content they had the times they had: a watched figure is drawn again for no heartbeat."""
    for name in (RECORD_FILE, HISTORY_FILE):
        old, new = before / name, now / name
        if old.is_file() and new.is_file() and filecmp.cmp(old, new, shallow=False):
            shutil.copystat(old, new)


def _downloaded(run: Any, place: Path) -> str:
    found = [file.name for file in run.files(names=[RECORD_FILE, HISTORY_FILE]) if file.download(root=str(place))]
    if RECORD_FILE not in found:
        return str(run.state)
    if run.state in ALIVE or HISTORY_FILE not in found:  # One of an earlier start may lie there.
        write_history(place, logged(run))
    return ""


def _main() -> None:
    request = json.load(sys.stdin)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            answered = answer(request)
    except Exception as error:
        line = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        # The client calls its helper busy when the server does not answer.
        answered = {"refused": re.sub(r"Failed to execute API request: the service process.*", "no answer", line)}
    print(json.dumps(answered), flush=True)
    os._exit(0)  # The client's farewell to its helper has no time limit; the helper ends with this process.


if __name__ == "__main__":
    _main()
