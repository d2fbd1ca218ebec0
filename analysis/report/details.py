"""One run as a report shows it when it is chosen: verdicts, numbers of every split, curves, units, how to repeat it."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.figures.table import measured
from analysis.report.pictures import pictures
from analysis.rows.finding import RunWarning
from analysis.rows.groups import words
from analysis.rows.reading import Part, damage_named, record_of
from analysis.rows.runs import EPOCH_METRICS, Row, load_histories
from analysis.rows.scale import Scale
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS, RunRecord
from vae_rd.verdicts.collapse import collapse_lines
from vae_rd.verdicts.fit_words import fit_words

Json = dict[str, Any]
OLD_STATES: Mapping[Any, str] = {True: "collapsed", False: "not collapsed"}  # of records that have no state
UNKNOWN_VERDICT = "not judged"
MOST_EPOCHS = 300  # of a curve; of a longer one every second epoch stands in it, or every third
# What a history needs to know of its run.
OF_RUN = ("folder", "run", "data", "beta", "seed", "units", "dims", "levels", "kept_epoch")
DIGITS = 6  # of a number that is drawn and not written
QUANTITIES = {
    "distortion": "D",
    "rate": "R",
    "elbo": "ELBO",
    "objective": "D + β R",
    "mutual_information_lower": "I, from below",
    "mutual_information_upper": "I, from above",
    "marginal_kl_lower": "KL of q(z), from below",
    "marginal_kl_upper": "KL of q(z), from above",
    "nll": "NLL, from above",
}


def run_details(rows: Sequence[Row], *, split: str, share: int) -> Json:
    """What is shown of one run.

    Args:
        rows: of the run, from `load_runs`, one a split.
        split: whose units are shown, and whose numbers come first.
        share: bytes that its pictures may take.

    Raises:
        InputError: when its record is damaged.

    Warns:
        RunWarning: where its history cannot be read; the run then has no curves.
    """
    folder, scale = Path(rows[0]["folder"]), Scale.of_row(rows[0])
    with damage_named(folder):
        record = record_of(folder)
        return {
            "name": record.name,
            "folder": str(folder),
            "command": record.command,
            "made": _made(record),
            "verdict": _verdict(record),
            "verdicts": _verdict_lines(record),
            "metrics": _metrics(rows, split),
            "units": _units(Part(record.metrics, "metrics").part(split), scale),
            "curves": _curves(rows[0]),
            "settings": [[name, words(json.dumps(value))] for name, value in record.settings.items()],
            **pictures(folder, share=share),
        }


def _made(record: RunRecord) -> str:
    """With what it was made."""
    commit = (record.git or {}).get("commit")
    code = f", commit {commit[:12]}" if isinstance(commit, str) else ""
    changed = " with changes" if (record.git or {}).get("dirty") else ""
    return f"vae_rd {record.version}{code}{changed}, {record.seconds:.0f} s"


def _verdict(record: RunRecord) -> str:
    """The states of the latents and of the training in a few words."""
    collapse, fit = (Part(record.verdicts, "verdicts").optional(name) for name in ("collapse", "fit"))
    old = OLD_STATES.get(collapse.truth("collapsed"))
    said = ", ".join(filter(None, (collapse.word("state") or old, fit.word("verdict"))))
    return said.replace("_", " ") or UNKNOWN_VERDICT


def _verdict_lines(record: RunRecord) -> list[str]:
    """The sentences that its summary had; what lacks their numbers is damaged, or of another version."""
    try:
        return list(_sentences(record))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return ["what the record says of its verdicts cannot be read"]


def _sentences(record: RunRecord) -> Iterator[str]:
    if collapse := record.verdicts.get("collapse"):
        yield from collapse_lines(collapse)
    if fit := record.verdicts.get("fit"):
        yield fit_words(fit)
    yield from (note["text"] for note in record.verdicts.get("training") or ())


def _metrics(rows: Sequence[Row], split: str) -> Json:
    """A table of values with their standard errors, a column for each split, the one that is shown first."""
    by_split = {str(row["split"]): row for row in rows}
    splits = [split, *(name for name in SPLITS if name in by_split and name != split)]
    lines = {
        word: [measured(by_split[s][name], by_split[s][f"{name}_stderr"]) for s in splits]
        for name, word in QUANTITIES.items()
        if not all(math.isnan(row[name]) for row in rows)
    }
    counts = {"n": [str(by_split[s]["n"]) for s in splits]}
    return {"splits": splits, "lines": [[word, *texts] for word, texts in (lines | counts).items()]}


def _units(metrics: Part, scale: Scale) -> Json | None:
    """The rate of each unit; None where a record has none."""
    entry = metrics.optional("rate_per_dim")
    if "value" not in entry:
        return None
    values = entry.numbers("value")
    errors = entry.numbers("stderr") if "stderr" in entry else [math.nan] * len(values)
    return {"rate": _drawn(values, scale.per_nat), "stderr": _drawn(errors, scale.per_nat)}


def _curves(run: Row) -> Json | None:
    """D, R and the ELBO by epoch; None where the history cannot be read."""
    try:
        history = load_histories(pd.DataFrame([{name: run[name] for name in OF_RUN}]))
    except InputError as error:
        warnings.warn(f"without curves: {error}", RunWarning, stacklevel=2)
        return None
    every = math.ceil(history["epoch"].nunique() / MOST_EPOCHS)
    kept = history["epoch"][history["kept"]]
    shown = history[(history["epoch"] % every == 0) | history["kept"] | (history["epoch"] == history["epoch"].max())]
    return {
        "every": every,
        "kept": None if kept.empty else int(kept.iloc[0]),
        **{str(split): _by_epoch(part) for split, part in shown.groupby("split", sort=False)},
    }


def _by_epoch(part: pd.DataFrame) -> Row:
    return {"epoch": part["epoch"].tolist(), **{name: _drawn(part[name].tolist()) for name in EPOCH_METRICS}}


def _drawn(values: list[float], factor: float = 1.0) -> list[float | None]:
    """Numbers as precise as a screen."""
    return [float(f"{factor * value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]
