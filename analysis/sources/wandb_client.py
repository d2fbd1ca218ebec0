"""What W&B holds of runs, written as run folders: the process that `wandb_runs` starts.

A request as JSON on standard input is answered on standard output: `folders`, and `left_out`, a name and a reason each.
A run that goes on has no history among its files yet: what it logged so far is scanned, and written as one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from analysis.sources.states import ALIVE, FINISHED, STATE_FILE, heard
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE, csv_text, write_atomic
from vae_rd.run.record import SPLITS, RunRecord, Status

SCANNED = 10_000  # steps that one answer of a scan covers
STEP = "trainer/global_step"  # Under this name fit logs the optimiser's step.
LOGGED = ("train/", "val/")  # What the columns of a history begin with that W&B has by the same names.
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
    if heard(folder) == state and (folder / RECORD_FILE).is_file():
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


def _downloaded(run: Any, place: Path) -> str:
    found = [file.name for file in run.files(names=[RECORD_FILE, HISTORY_FILE]) if file.download(root=str(place))]
    if RECORD_FILE not in found:
        return str(run.state)
    if run.state in ALIVE or HISTORY_FILE not in found:  # One of an earlier start may lie there.
        _write_history(place, _logged(run))
    return ""


def _logged(run: Any) -> Iterator[Json]:
    """A row for each epoch that fit logged."""
    for row in _scanned(run):
        if "epoch" in row and STEP in row:
            columns = {name: value for name, value in row.items() if name.startswith(LOGGED)}
            yield {"epoch": int(row["epoch"]), "step": int(row[STEP])} | columns


def _scanned(run: Any) -> Iterator[dict[str, float]]:
    """The numbers of each row of the history at W&B."""
    for row in run.scan_history(page_size=SCANNED, use_cache=False):
        yield {name: float(value) for name, value in row.items() if _is_number(value)}


def _write_history(place: Path, rows: Iterator[Json]) -> None:
    """A history.csv of these rows, none where there are none; a column that a row lacks is empty there."""
    if found := list(rows):
        names = dict.fromkeys(name for row in found for name in row)
        write_atomic(place / HISTORY_FILE, csv_text(list(names), found))


def _made_up(run: Any, place: Path, columns: Json) -> str:
    """A record from columns of other code: D, R and beta alone are known; n and standard errors are null."""
    config, summary = dict(run.config), dict(run.summary)
    found = {name: _number(column, config, summary) for name, column in columns.items()}
    rate, distortion, beta = found["rate"], found["distortion"], found["beta"]
    if rate is None or distortion is None:
        missing = [columns[name] for name in ("rate", "distortion") if found[name] is None]
        return f"no number in {', '.join(missing)}"
    split = next((s for s in SPLITS if re.match(rf"{s}\b|{s}_", columns["distortion"])), "test")
    status: Status = "finished" if run.state == FINISHED else "running" if run.state in ALIVE else "failed"
    values = {
        "distortion": distortion,
        "rate": rate,
        "elbo": -distortion - rate,
        "objective": None if beta is None else distortion + beta * rate,
    }
    metrics = {split: {name: {"value": value, "stderr": None, "n": None} for name, value in values.items()}}
    settings = {k: v for k, v in config.items() if k != columns["beta"].removeprefix("config.")}
    seed = config.get("seed") if type(config.get("seed")) is int else 0
    RunRecord(
        name=run.name,
        command="",
        config={"latent_dim": 0, **settings, "seed": seed, "beta": beta, "wandb": "off"},
        data=_card(f"{run.entity}/{run.project}"),
        model={"slope": beta, "kept_epoch": None, "is_own": True, "distortion": {"family": None, "scale": None}},
        metrics=metrics,
        status=status,
        version="",
    ).write(place)
    if status == "running":
        _write_history(place, _of_columns(run, columns))
    return ""


def _of_columns(run: Any, columns: Json) -> Iterator[Json]:
    """The rows of a run of other code that have both D and R, in the columns of a validation."""
    for row in _scanned(run):
        if columns["rate"] in row and columns["distortion"] in row:
            rate, distortion = row[columns["rate"]], row[columns["distortion"]]
            place = {"epoch": int(row["_step"]), "step": int(row["_step"])}
            known = {"val/distortion": distortion, "val/rate": rate, "val/elbo": -distortion - rate}
            yield place | {"train/distortion": None, "train/rate": None, "train/elbo": None} | known


def _number(column: str, config: Json, summary: Json) -> float | None:
    source, name = (config, column[7:]) if column.startswith("config.") else (summary, column)
    value = source.get(name)
    return float(value) if _is_number(value) else None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _card(name: str) -> Json:
    """A data card that knows nothing but whose runs they are: they share a plane with no others."""
    unknown = {"value": None, "stderr": None, "kind": None, "measure": "differential", "source": None}
    return {
        "name": name,
        "n": dict.fromkeys(SPLITS),
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
