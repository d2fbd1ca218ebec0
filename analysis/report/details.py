"""One run as a report shows it when it is chosen: verdicts, numbers of every split, curves, units, how to repeat it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.figures.table import count, measured
from analysis.report.pictures import pictures
from analysis.rows.groups import words
from analysis.rows.histories import EPOCH_METRICS
from analysis.rows.latents import unit_rates
from analysis.rows.reading import Damaged, Part, record_of
from analysis.rows.runs import Row
from analysis.rows.scale import Scale
from vae_rd.run.record import SPLITS, RunRecord
from vae_rd.verdicts.collapse import collapse_lines
from vae_rd.verdicts.fit_words import fit_words

Json = dict[str, Any]
OLD_STATES: Mapping[Any, str] = {True: "collapsed", False: "not collapsed"}  # of records that have no state
UNKNOWN_VERDICT = "not judged"
MOST_EPOCHS = 300  # of a curve; of a longer one every second epoch stands in it, or every third
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


def run_details(rows: Sequence[Row], history: pd.DataFrame | None, *, split: str, share: int) -> Json:
    """What is shown of one run.

    Args:
        rows: of the run, from `load_runs`, one a split.
        history: of the run, from `load_histories`; None where it cannot be read.
        split: whose units are shown, and whose numbers come first.
        share: bytes that its pictures may take.

    Raises:
        Damaged: where its record is not as a run leaves it.
    """
    folder, scale = Path(rows[0]["folder"]), Scale.of_row(rows[0])
    record = record_of(folder)
    return {
        "command": record.command,
        "made": _made(record),
        "verdict": _verdict(record),
        "verdicts": _verdict_lines(record),
        "units": _units(record, scale, split),
        "settings": [[name, words(json.dumps(value))] for name, value in record.settings.items()],
    } | _known_without(rows, history, split=split, share=share)


def damaged_details(rows: Sequence[Row], history: pd.DataFrame | None, *, split: str, share: int) -> Json:
    """The same of a run whose record is damaged where `load_runs` does not look; arguments as for `run_details`."""
    unknown: Json = {
        "command": "",
        "made": "",
        "verdict": UNKNOWN_VERDICT,
        "verdicts": [],
        "units": None,
        "settings": [],
    }
    return unknown | _known_without(rows, history, split=split, share=share)


def _known_without(rows: Sequence[Row], history: pd.DataFrame | None, *, split: str, share: int) -> Json:
    """What is known without the record's other parts."""
    return {
        "name": rows[0]["run"],
        "folder": rows[0]["folder"],
        "metrics": _metrics(rows, split),
        "curves": None if history is None else _curves(history),
        **pictures(Path(rows[0]["folder"]), epoch=rows[0]["kept_epoch"], share=share),
    }


def _made(record: RunRecord) -> str:
    """With what it was made."""
    commit = (record.git or {}).get("commit")
    code = f", commit {commit[:12]}" if isinstance(commit, str) else ""
    changed = " with changes" if (record.git or {}).get("dirty") else ""
    return f"vae_rd {record.version}{code}{changed}, {record.seconds:.0f} s"


def _verdict(record: RunRecord) -> str:
    """The states of the latents and of the training in a few words."""
    verdicts = Part(record.verdicts, "verdicts")
    collapse, fit = (verdicts.optional(name) for name in ("collapse", "fit"))
    old = OLD_STATES.get(collapse.truth("collapsed"))
    said = ", ".join(filter(None, (collapse.word("state") or old, fit.word("verdict"))))
    return said.replace("_", " ") or UNKNOWN_VERDICT


def _verdict_lines(record: RunRecord) -> list[str]:
    """The sentences that its summary had."""
    collapse, fit, notes = (record.verdicts.get(name) for name in ("collapse", "fit", "training"))
    try:
        lines = [*(collapse_lines(collapse) if collapse else ()), *([fit_words(fit)] if fit else ())]
        return [*lines, *(str(note["text"]) for note in notes or ())]
    except (KeyError, TypeError, AttributeError) as error:  # They take a verdict to be as one is made.
        raise Damaged(f"verdicts lack {error}") from None


def _metrics(rows: Sequence[Row], split: str) -> Json:
    """A table of values with their standard errors, a column for each split, the one that is shown first."""
    by_split = {str(row["split"]): row for row in rows}
    splits = [split, *(name for name in SPLITS if name in by_split and name != split)]
    lines = {
        word: [measured(by_split[s][name], by_split[s][f"{name}_stderr"]) for s in splits]
        for name, word in QUANTITIES.items()
        if not all(math.isnan(row[name]) for row in rows)
    }
    counts = {"n": [count(by_split[s]["n"]) for s in splits]}
    return {"splits": splits, "lines": [[word, *texts] for word, texts in (lines | counts).items()]}


def _units(record: RunRecord, scale: Scale, split: str) -> Json | None:
    """The rate of each unit; None where a record has none."""
    rates, errors = unit_rates(record, scale, split=split)
    return {"rate": _drawn(rates), "stderr": _drawn(errors)} if rates else None


def _curves(history: pd.DataFrame) -> Json:
    """D, R and the ELBO by epoch."""
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


def _drawn(values: list[float]) -> list[float | None]:
    """Numbers as precise as a screen."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]
