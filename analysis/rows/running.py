"""Runs that are still running, by the last validation of their history, as rows for the plane of a watched sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.rows.finding import find_records
from analysis.rows.histories import read_history
from analysis.rows.reading import Damaged, Part
from analysis.rows.runs import Row
from analysis.rows.scale import Scale, dequantised_levels
from analysis.sources.states import may_be_running
from vae_rd.run.files import HISTORY_FILE
from vae_rd.run.record import RunRecord
from vae_rd.units import Unit

COLUMNS = ("run", "folder", "data", "content", "beta", "epoch", "rate", "distortion")


def load_running(folders: Sequence[Path], *, units: Unit = "nats") -> pd.DataFrame:
    """One row a run that is running and has been validated, with `COLUMNS`; what cannot be read yet is left out.

    Args:
        folders: of runs.
        units: of D and R.
    """
    found = [(folder, record) for folder, record in find_records(folders).unfinished if may_be_running(record, folder)]
    return pd.DataFrame([row for folder, record in found for row in _row(folder, record, units)], columns=list(COLUMNS))


def of_data_set(running: pd.DataFrame, card: str) -> pd.DataFrame:
    """Those of a data set, by the checksum of its pixels where that is known, else by its name.

    Args:
        running: from `load_running`.
        card: of the data set, from `load_runs`.
    """
    facts: Mapping[str, object] = json.loads(card)
    same = running["data"] == facts["name"]
    if facts.get("content"):
        same &= running["content"] == facts["content"]
    return running[same]


def _row(folder: Path, record: RunRecord, units: Unit) -> Iterator[Row]:
    try:
        card = Part(record.data, "data")
        scale = Scale.of(units, dims=math.prod(card.wholes("shape")), levels=dequantised_levels(card))
        history = read_history(folder / HISTORY_FILE).dropna(subset=["val/distortion", "val/rate"])
        last = history.iloc[-1] if len(history) else None
        place = {"run": record.name, "folder": str(folder), "data": card.text("name"), "content": card.word("content")}
        beta = Part(record.config, "config").maybe("beta")
    except Damaged:  # Such as a history that has not begun.
        return
    if last is not None:
        shown = {name: scale.shown(name, float(last[f"val/{name}"])) for name in ("rate", "distortion")}
        yield place | {"beta": beta, "epoch": int(last["epoch"])} | shown
