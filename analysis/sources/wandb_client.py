"""What W&B holds of runs, written as run folders: the process that `wandb_runs` starts.

A request as JSON on standard input is answered on standard output: `folders`, and `left_out`, a name and a reason each.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from vae_rd.run.files import HISTORY_FILE, RECORD_FILE, write_atomic
from vae_rd.run.record import SPLITS, RunRecord, estimate

STATE_FILE = "wandb.json"  # What W&B said of a run when it was downloaded.
Json = dict[str, Any]


def answer(request: Json) -> Json:
    """The runs of a project or sweep, downloaded where W&B has heard from them since."""
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    api = wandb.Api(timeout=request["timeout"])
    path = f"{request['entity']}/{request['project']}"
    runs = api.sweep(f"{path}/{request['sweep']}").runs if request["sweep"] else api.runs(path)
    folders, left_out = [], []
    for run in runs:
        folder = Path(request["place"]) / run.id
        why = _brought(run, folder, request["columns"])
        if why:
            left_out.append([run.name, why])
        else:
            folders.append(str(folder))
    return {"folders": folders, "left_out": left_out}


def _brought(run: Any, folder: Path, columns: Json | None) -> str:
    """Bring one run up to date; why it cannot be, else nothing."""
    state = {"state": run.state, "heard": run.heartbeat_at, "rows": run.history_line_count, "columns": columns}
    if _known(folder) == state and (folder / RECORD_FILE).is_file():
        return ""
    staged = folder.with_name(f".{folder.name}.{os.getpid()}")
    staged.mkdir(parents=True)
    try:
        fault = _downloaded(run, staged) if columns is None else _made_up(run, staged, columns)
        if not fault:
            write_atomic(staged / STATE_FILE, json.dumps(state))
            shutil.rmtree(folder, ignore_errors=True)
            staged.rename(folder)
        return fault
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _known(folder: Path) -> Json | None:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    return None


def _downloaded(run: Any, place: Path) -> str:
    found = [file.name for file in run.files(names=[RECORD_FILE, HISTORY_FILE]) if file.download(root=str(place))]
    return "" if RECORD_FILE in found else run.state


def _made_up(run: Any, place: Path, columns: Json) -> str:
    """A record from columns of other code: D, R and beta alone are known, n is 0, and standard errors are null."""
    config, summary = dict(run.config), dict(run.summary)
    found = {name: _number(column, config, summary) for name, column in columns.items()}
    missing = [columns[name] for name in ("rate", "distortion") if found[name] is None]
    if missing:
        return f"no number in {', '.join(missing)}"
    rate, distortion, beta = found["rate"] or 0.0, found["distortion"] or 0.0, found["beta"]
    split = next((s for s in SPLITS if re.match(rf"{s}\b|{s}_", columns["distortion"])), "test")
    slope = math.nan if beta is None else beta
    values = {
        "distortion": distortion,
        "rate": rate,
        "elbo": -distortion - rate,
        "objective": distortion + slope * rate,
    }
    metrics = {split: {name: estimate(value, None, 0) for name, value in values.items()}}
    settings = {k: v for k, v in config.items() if k != columns["beta"].removeprefix("config.")}
    seed = config.get("seed") if type(config.get("seed")) is int else 0
    RunRecord(
        name=run.name,
        command="",
        config={"latent_dim": 0, **settings, "seed": seed, "wandb": "off"},
        data=_card(f"{run.entity}/{run.project}"),
        model={"slope": beta, "kept_epoch": None, "is_own": True, "distortion": {"family": None, "scale": None}},
        metrics=metrics,
        status="finished",
        version="",
    ).write(place)
    return ""


def _number(column: str, config: Json, summary: Json) -> float | None:
    source, name = (config, column[7:]) if column.startswith("config.") else (summary, column)
    value = source.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _card(name: str) -> Json:
    """A data card that knows nothing but whose runs they are: they share a plane with no others."""
    unknown = {"value": None, "stderr": None, "kind": None, "measure": "differential", "source": None}
    return {
        "name": name,
        "n": dict.fromkeys(SPLITS, 0),
        "shape": [1, 1, 1],
        "support": "real",
        "population": dict.fromkeys(SPLITS, False),
        "pixel_scale": None,
        "entropy": dict.fromkeys(SPLITS, unknown),
        "params": {},
    }


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
