"""A record with anything wrong in it is read, left out by name or refused in one line, and is never a traceback."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from analysis.figures.plane import plane_numbers
from analysis.figures.table import table, table_numbers
from analysis.report.contents import contents
from analysis.rows.finding import RunWarning
from analysis.rows.histories import load_histories
from analysis.rows.latents import load_units, load_verdicts
from analysis.rows.probes import load_probes
from analysis.rows.runs import load_runs
from analysis.rows.verdicts import fit_marks
from vae_rd.errors import InputError

from helpers.common import ROOT
from helpers.fake_records import decoder_curve, dual_line, estimated, particle_point
from helpers.mutants import mutants

FROZEN = ROOT / "tests" / "frozen" / "sprites-beta2-seed0-ddf95e2e"
EVERY = 97  # of the mutants in the fast test; a prime, so that all kinds come
TAIL = {"kind": "exponential", "to_go": 1.0, "stderr": 0.1, "level": 5.0, "shape": 3.0, "first": 5, "last": 20}
FIT = {
    "verdict": "still falling",
    "measured": "D + R",
    "falling": {"still": True, "approaches": [TAIL]},
    "overfitting": {"best_epoch": 3},
    "spikes": [{"quantity": "val/rate", "epoch": 3}],
}
READERS: tuple[Callable[[Any], object], ...] = (
    lambda runs: plane_numbers(runs, split="test"),
    table,
    lambda runs: table_numbers(runs, split="test"),
    fit_marks,
    load_histories,
    lambda runs: load_probes(runs, split="test"),
    lambda runs: load_units(runs, split="test"),
    lambda runs: load_verdicts(runs, split="test"),
)
REPORT = (lambda runs: contents(runs, split="test", command=""),)


def real_record() -> dict[str, Any]:
    """One that a fit of version 1 left, with an entry of every kind that figures read."""
    record = json.loads((FROZEN / "record.json").read_text())
    row = {"features": "draw", "classifier": "logistic", "dims": 4, "labels": 100, "draws": 2, "strength": 1.0}
    row |= {key: {"value": 0.5, "stderr": 0.01, "n": 100} for key in ("accuracy", "nll", "calibration_error")}
    probe = {"kind": "probe", "split": "test", "factor": "shape", "classes": 3, "label_entropy": 1.1, "latent_dim": 4}
    found = [dual_line(1.0), particle_point(1.0), decoder_curve(1.0), estimated("importance", value=12.0)]
    record["estimates"] = [*found, estimated("marginal_maf", value=1.0), {**probe, "table": [row]}]
    record["verdicts"] = {"collapse": {"collapsed": False, "latent_dim": 4}, "fit": FIT, "training": []}
    return record | {"files": {}}


def fault_of(folder: Path, record: dict[str, Any], readers: Sequence[Callable[[Any], object]] = READERS) -> str:
    """What reading it raises beside a refusal of one line."""
    (folder / "record.json").write_text(json.dumps(record))
    try:
        runs = load_runs(folder)
        for reader in readers:
            with suppress(InputError):
                reader(runs)
    except InputError as error:
        return "" if "\n" not in str(error) else "several lines"
    except Exception as error:
        return repr(error)
    return ""


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("every", "readers"),
    [(EVERY, READERS), pytest.param(11, READERS, marks=SLOW), pytest.param(97, REPORT, marks=SLOW)],
)
def test_a_record_with_one_thing_wrong_is_never_a_traceback(tmp_path, every, readers):
    shutil.copy(FROZEN / "history.csv", tmp_path)
    record = real_record()
    assert fault_of(tmp_path, record) == ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        made = list(mutants(record))[::every]
        faults = {name: fault_of(tmp_path, mutant, readers) for name, mutant in made}
    assert len(made) > 40
    assert not {name: fault for name, fault in faults.items() if fault}


def test_the_frozen_runs_are_read_without_a_word(recwarn):
    runs = load_runs(ROOT / "tests" / "frozen")
    assert runs["folder"].nunique() == 2
    assert load_histories(runs)["folder"].nunique() == 2
    assert not recwarn.list
