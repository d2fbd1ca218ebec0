"""The probes that records hold, as tidy rows: how often labels are told from which features, beside the run's rate."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pandas as pd

from analysis.rows.finding import RunWarning, told_apart, warn_of_parts
from analysis.rows.reading import Damaged, Part, record_of
from analysis.rows.runs import Row, as_rows, of_split
from analysis.rows.scale import Scale
from vae_rd.errors import InputError

OF_RUN = ("run", "folder", "data", "beta", "target_rate", "seed", "units", "split", "rate", "rate_stderr")
INFORMATION = ("nll", "nll_stderr", "label_entropy")  # in units
COLUMNS = (
    *("factor", "classes", "label_entropy", "latent_dim", "features", "dims", "classifier", "labels", "draws", "n"),
    *("accuracy", "accuracy_stderr", "nll", "nll_stderr", "calibration_error", "calibration_error_stderr", "strength"),
)


def load_probes(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """One row for each run, factor, kind of features, probe and number of labels, with `OF_RUN` and `COLUMNS`.

    Of several entries of a run and factor the last counts.

    Args:
        runs: from `load_runs`, whose units nats take.
        split: that was tested.

    Raises:
        InputError: where no run has a probe.

    Warns:
        RunWarning: one line that names the runs left out for want of one, one those whose probes are damaged.
    """
    chosen = as_rows(of_split(runs, split))
    found: dict[str, list[Row]] = {}
    faults: dict[str, Damaged] = {}
    for run in chosen:
        found[run["folder"]] = []
        try:
            found[run["folder"]] = list(_of_run(run, split))
        except Damaged as fault:
            faults[run["folder"]] = fault
    warn_of_parts("damaged probes", faults)
    left_out = told_apart(runs, {folder for folder, rows in found.items() if not rows and folder not in faults})
    if not any(found.values()):
        raise InputError("none of the runs has been probed: run python -m vae_rd.evaluate RUNS --probe first")
    if left_out:
        warnings.warn(f"left out, not probed: {', '.join(left_out)}", RunWarning, stacklevel=3)
    return pd.DataFrame([row for rows in found.values() for row in rows], columns=[*OF_RUN, *COLUMNS])


def _of_run(run: Row, split: str) -> Iterator[Row]:
    own = {name: run[name] for name in OF_RUN}
    entries = [Part(entry, "estimate") for entry in record_of(run["folder"]).estimates]
    probes = [e for e in entries if e.text("kind") == "probe" and e.text("split") == split]
    for entry in {entry.text("factor"): entry for entry in probes}.values():
        for content in entry.items("table"):
            row = own | _row(entry, Part(content, "probe"))
            yield row | {name: Scale.of_row(run).per_nat * row[name] for name in INFORMATION}


def _row(entry: Part, row: Part) -> Row:
    measured: Row = {}
    for name in ("accuracy", "nll", "calibration_error"):
        part = row.part(name)
        measured |= {name: part.number("value"), f"{name}_stderr": part.number("stderr")}
    return {
        "factor": entry.text("factor"),
        "classes": entry.whole("classes"),
        "label_entropy": entry.number("label_entropy"),
        "latent_dim": entry.whole("latent_dim"),
        **{name: row.text(name) for name in ("features", "classifier")},
        **{name: row.whole(name) for name in ("dims", "labels", "draws")},
        "n": row.part("accuracy").whole("n"),
        **measured,
        "strength": row.number("strength"),
    }
