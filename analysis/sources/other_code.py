"""Records of runs at W&B that other code made, from columns that a user names.

D, R and beta alone are known: n and standard errors are null, and the data are nobody else's: those of a project, told
apart by what the configs call them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.sources.histories import is_number, scanned, write_history
from analysis.sources.states import ALIVE, FINISHED
from vae_rd.run.record import SPLITS, RunRecord

READING = 2  # Raised where columns are read in another way, so that no cache has what was read before.
DATA = ("data", "dataset", "data_set", "data_name", "dataset_name")  # what configs call the data by
Json = dict[str, Any]


def made_up(run: Any, place: Path, columns: Json) -> str:
    """Write a record from columns of other code; why that cannot be done, else nothing."""
    config, summary = dict(run.config), dict(run.summary)
    found = {name: _number(column, config, summary) for name, column in columns.items()}
    rate, distortion, beta = found["rate"], found["distortion"], found["beta"]
    if rate is None or distortion is None:
        missing = [columns[name] for name in ("rate", "distortion") if found[name] is None]
        return f"no number in {', '.join(missing)}"
    record = RunRecord(
        name=run.name,
        command="",
        config=_settings(config, columns) | {"beta": beta},
        data=_card(_data(run, config)),
        model={"slope": beta, "kept_epoch": None, "is_own": True, "distortion": {"family": None, "scale": None}},
        metrics={_split(columns): _metrics(rate, distortion, beta)},
        status="finished" if run.state == FINISHED else "running" if run.state in ALIVE else "failed",
        version="",
    )
    record.write(place)
    if record.status == "running":
        write_history(place, _of_columns(run, columns))
    return ""


def _metrics(rate: float, distortion: float, beta: float | None) -> Json:
    values = {"distortion": distortion, "rate": rate, "elbo": -distortion - rate}
    values |= {} if beta is None else {"objective": distortion + beta * rate}
    return {name: {"value": value, "stderr": None, "n": None} for name, value in values.items()}


def _split(columns: Json) -> str:
    """The one whose name the column of D begins with, test where it begins with none."""
    return next((s for s in SPLITS if re.match(rf"{s}\b|{s}_", columns["distortion"])), "test")


def _settings(config: Json, columns: Json) -> Json:
    """The config, less the column of beta, with what every record has."""
    own = {name: value for name, value in config.items() if name != columns["beta"].removeprefix("config.")}
    units = own.pop("latent_dim", None)
    if type(units) is not int:  # Null, or the units of several layers, which still tell runs apart.
        own, units = own | ({} if units is None else {"latent_dims": units}), 0
    seed = config.get("seed") if type(config.get("seed")) is int else 0
    return {**own, "latent_dim": units, "seed": seed, "wandb": "off"}


def _data(run: Any, config: Json) -> str:
    """Whose data they are and what they are called: numbers of two data sets share no axes."""
    called = [config[name] for name in DATA if config.get(name) is not None]
    words = [value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in called]
    return " ".join((f"{run.entity}/{run.project}", *words))


def _of_columns(run: Any, columns: Json) -> Iterator[Json]:
    """The rows of a run of other code that have both D and R, in the columns of a validation."""
    for row in scanned(run):
        if columns["rate"] in row and columns["distortion"] in row:
            rate, distortion = row[columns["rate"]], row[columns["distortion"]]
            place = {"epoch": int(row["_step"]), "step": int(row["_step"])}
            known = {"val/distortion": distortion, "val/rate": rate, "val/elbo": -distortion - rate}
            yield place | {"train/distortion": None, "train/rate": None, "train/elbo": None} | known


def _number(column: str, config: Json, summary: Json) -> float | None:
    source, name = (config, column[7:]) if column.startswith("config.") else (summary, column)
    value = source.get(name)
    return float(value) if is_number(value) else None


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
