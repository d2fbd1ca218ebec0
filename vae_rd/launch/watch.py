"""How far a run has come, from the history.csv that it replaces whole after every epoch."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vae_rd.config.fields import FitConfig
from vae_rd.launch.points.sweep_file import SCORE, Metric
from vae_rd.run.files import HISTORY_FILE
from vae_rd.run.record import Json, RunRecord

Row = Mapping[str, str]


@dataclass(frozen=True)
class Progress:
    """Where a run stands: epochs done of how many, and the last validation's D and R; None where there is none."""

    done: int
    total: int
    distortion: float | None
    rate: float | None


def history_of(folder: Path) -> list[Row]:
    """The rows that a run has written so far; none where there is no history yet."""
    try:
        with (folder / HISTORY_FILE).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError:
        return []


def progress_of(rows: Sequence[Row], config: FitConfig) -> Progress:
    """How far a run has come.

    Example:
        >>> row = {"epoch": "1", "step": "10", "val/distortion": "3.5", "val/rate": "1.0"}
        >>> progress_of([row], FitConfig(max_epochs=8, max_steps=20))
        Progress(done=2, total=4, distortion=3.5, rate=1.0)
    """
    validated = [row for row in rows if row.get("val/distortion")]
    cells = {name: validated[-1].get(f"val/{name}") if validated else None for name in ("distortion", "rate")}
    seen = {name: float(cell) if cell else None for name, cell in cells.items()}
    done = int(rows[-1]["epoch"]) + 1 if rows else 0
    steps = int(rows[-1]["step"]) / done if rows else 0
    total = math.ceil(config.max_steps / steps) if config.max_steps and steps else config.max_epochs
    return Progress(done, min(total, config.max_epochs), **seen)


def losses_of(rows: Sequence[Row], metric: Metric) -> list[float]:
    """The metric at each validation so far, as values to be made small."""
    cells = [_cell(row, metric.name) for row in rows]
    return [metric.loss(float(cell)) for cell in cells if cell]


def _cell(row: Row, name: str) -> str | None:
    """What a row says of a metric; of the score, where it has none of its own, val/objective is it."""
    return row.get(name) or (row.get("val/objective") if name == SCORE else None)


def final_loss(record: RunRecord, metric: Metric) -> float | None:
    """The metric at the kept checkpoint; None where it is undefined."""
    value = entry_of(record, metric)["value"]
    return None if value is None else metric.loss(value)


def entry_of(record: RunRecord, metric: Metric) -> Json:
    """The metric of the kept checkpoint as the record has it."""
    if metric.name == SCORE:
        return {"value": record.model.get("score"), "stderr": None}
    split, name = metric.name.split("/")
    entry: Json = record.metrics[split][name]
    return entry
