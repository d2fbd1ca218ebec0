"""What a run has logged to W&B so far, as the history.csv that it does not have there yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from vae_rd.run.files import HISTORY_FILE, csv_text, write_atomic

SCANNED = 10_000  # steps that one answer of a scan covers
STEP = "trainer/global_step"  # Under this name fit logs the optimiser's step.
LOGGED = ("train/", "val/")  # What the columns of a history begin with that W&B has by the same names.
FIRST = ("epoch", "step")  # columns
Json = dict[str, Any]


def logged(run: Any) -> Iterator[Json]:
    """A row for each epoch that fit logged."""
    for row in scanned(run):
        if "epoch" in row and STEP in row:
            columns = {name: value for name, value in row.items() if name.startswith(LOGGED)}
            yield {"epoch": int(row["epoch"]), "step": int(row[STEP])} | columns


def scanned(run: Any) -> Iterator[dict[str, float]]:
    """The numbers of each row of the history at W&B."""
    for row in run.scan_history(page_size=SCANNED, use_cache=False):
        yield {name: float(value) for name, value in row.items() if is_number(value)}


def write_history(place: Path, rows: Iterator[Json]) -> None:
    """A history.csv of these rows, none where there are none; a column that a row lacks is empty there."""
    if found := list(rows):
        names = {name for row in found for name in row} - set(FIRST)  # W&B gives them in no order.
        write_atomic(place / HISTORY_FILE, csv_text([*FIRST, *sorted(names)], found))


def is_number(value: object) -> TypeGuard[float]:
    """Whether W&B has a number there."""
    return isinstance(value, int | float) and not isinstance(value, bool)
