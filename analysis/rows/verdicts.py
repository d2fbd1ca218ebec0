"""What the verdict on training says of each run's epochs, as rows: what curves mark."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.rows.finding import of_each
from analysis.rows.reading import Damaged, Part, record_of
from analysis.rows.runs import Row
from analysis.rows.scale import Scale
from vae_rd.verdicts.tails import APPROACHES, approach_at

AHEAD = 0.5  # Of the epochs of a tail, so many more of where it is going.
COLUMNS = ("folder", "beta", "mark", "of", "epoch", "split", "quantity", "value")


def fit_marks(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run and mark; none for runs whose records have no verdict on their training.

    Columns: `folder`, `beta`, `mark` ("overfitting", "spike" or "tail"), `of` (of a tail: which curve), `epoch`,
    `split`, `quantity` (that of the axes, "elbo" or "rate"; empty for all), `value` (of a fitted tail, else NaN).

    A tail is of D + beta R; it is there where that is the negative ELBO.

    Warns:
        RunWarning: one line that names the runs whose verdicts are damaged.
    """
    rows = of_each(runs, _marks, what="damaged verdicts on training")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _marks(run: Row) -> Iterator[Row]:
    place = {"folder": run["folder"], "beta": run["beta"]}
    verdict = Part(record_of(run["folder"]).verdicts, "verdicts").optional("fit")
    for mark in _of_verdict(verdict, Scale.of_row(run), beta=run["beta"]):
        yield place | mark


def _of_verdict(verdict: Part, scale: Scale, *, beta: float) -> Iterator[Row]:
    found = verdict.word("verdict")
    if found == "overfitting":
        yield {"mark": "overfitting", "epoch": verdict.part("overfitting").whole("best_epoch"), "quantity": ""}
    if found == "KL unstable":
        for spike in verdict.parts("spikes"):
            split, _, name = spike.text("quantity").partition("/")
            quantity = "rate" if name == "rate" else "elbo"
            yield {"mark": "spike", "epoch": spike.whole("epoch"), "split": split, "quantity": quantity}
    if found == "still falling" and (verdict.text("measured") == "D + R" or beta == 1):
        for tail in verdict.part("falling").parts("approaches"):
            yield from _tail(tail, scale)


def _tail(tail: Part, scale: Scale) -> Iterator[Row]:
    """The fitted course, beyond the last epoch too."""
    kind, first, last = tail.text("kind"), tail.whole("first"), tail.whole("last")
    if kind not in APPROACHES or not first < last:
        raise Damaged(f"{tail.name} is no course of a tail")
    numbers = {name: tail.number(name) for name in ("level", "to_go", "shape")}
    epochs = range(first, last + 1 + round(AHEAD * (last - first)))
    course = -approach_at({"kind": kind, "last": last, **numbers}, epochs)
    for epoch, value in zip(epochs, course, strict=True):
        shown = float(scale.shown("elbo", float(value)))
        yield {"mark": "tail", "of": kind, "epoch": epoch, "quantity": "elbo", "value": shown}
