"""What the verdict on training says of each run's epochs, as rows: what curves mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.rows.reading import damage_named
from analysis.rows.runs import as_rows
from analysis.rows.scale import Scale
from vae_rd.run.record import RunRecord
from vae_rd.verdicts.tails import approach_at

AHEAD = 0.5  # Of the epochs of a tail, so many more of where it is going.
COLUMNS = ("folder", "beta", "mark", "of", "epoch", "split", "quantity", "value")


def fit_marks(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run and mark; none for runs whose records have no verdict on their training.

    Columns: `folder`, `beta`, `mark` ("overfitting", "spike" or "tail"), `of` (of a tail: which curve), `epoch`,
    `split`, `quantity` (that of the axes, "elbo" or "rate"; empty for all), `value` (of a fitted tail, else NaN).

    A tail is of D + beta R; it is there where that is the negative ELBO.

    Raises:
        InputError: when a record is damaged.
    """
    rows = [mark for run in as_rows(runs.drop_duplicates("folder")) for mark in _marks(run)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _marks(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    place = {"folder": run["folder"], "beta": run["beta"]}
    with damage_named(Path(run["folder"])):
        verdict = RunRecord.read(Path(run["folder"])).verdicts.get("fit") or {}
        for mark in _of_verdict(verdict, Scale.of_row(run), beta=run["beta"]):
            yield place | mark


def _of_verdict(verdict: Mapping[str, Any], scale: Scale, *, beta: float) -> Iterator[dict[str, Any]]:
    if verdict.get("verdict") == "overfitting":
        yield {"mark": "overfitting", "epoch": verdict["overfitting"]["best_epoch"], "quantity": ""}
    if verdict.get("verdict") == "KL unstable":
        for spike in verdict["spikes"]:
            split, _, name = spike["quantity"].partition("/")
            quantity = "rate" if name == "rate" else "elbo"
            yield {"mark": "spike", "epoch": spike["epoch"], "split": split, "quantity": quantity}
    if verdict.get("verdict") == "still falling" and (verdict["measured"] == "D + R" or beta == 1):
        for tail in verdict["falling"]["approaches"]:
            epochs = range(tail["first"], tail["last"] + 1 + round(AHEAD * (tail["last"] - tail["first"])))
            for epoch, value in zip(epochs, -approach_at(tail, epochs), strict=True):
                shown = float(scale.shown("elbo", float(value)))
                yield {"mark": "tail", "of": tail["kind"], "epoch": epoch, "quantity": "elbo", "value": shown}
