"""The entries of `estimates` in the records that have a place in the plane, as tidy rows.

One row a point or supporting line R + b D = value, b = 1/beta: of a decoder's rate-distortion curve by AIS (Huang et
al. 2020, arXiv 2008.06653), of a lower bound on a source's R(D) by the Csiszar dual (Yang and Mandt 2022, arXiv
2111.12166), of an upper bound by particles (Yang et al. 2023, arXiv 2310.18908).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd

from analysis.rows.finding import of_each
from analysis.rows.reading import Damaged, Part, record_of
from analysis.rows.runs import Row
from analysis.rows.scale import Scale
from vae_rd.run.record import RunRecord

DECODER, LOWER, UPPER = "R-D curve of the decoder", "lower bound on R(D)", "upper bound on R(D)"
LINES = {"ais": DECODER, "dual": LOWER, "particle": UPPER}
COLUMNS = ("line", "kind", "source", "run", "folder", "beta", "split", "units")
NUMBERS = ("b", "rate", "distortion", "value", "stderr", "limit")
INFORMATION = NUMBERS[1:]  # measured in units; b has none


def load_estimates(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """One row a point or supporting line that the runs' records hold for `split`, with `COLUMNS` and `NUMBERS`.

    A run's curve is that of its last AIS entry, under its own prior if there is one. `limit` is the one-sided 99 %
    limit of a bound's `value`.

    Args:
        runs: from `load_runs`, whose units the numbers take.
        split: entries of other splits are left out.

    Warns:
        RunWarning: one line that names the runs whose entries are damaged, all of which are left out.
    """
    rows = of_each(runs, lambda run: _of_run(run, split), what="damaged estimates")
    return pd.DataFrame(rows, columns=[*COLUMNS, *NUMBERS])


def _of_run(run: Row, split: str) -> list[Row]:
    own = {key: run[key] for key in ("run", "folder", "beta", "units")} | {"split": split}
    entries = _placed(record_of(run["folder"]), split)
    rows = [own | _words(entry) | point for entry in entries for point in _READERS[entry.text("kind")](entry)]
    return [row | _in_units(row, Scale.of_row(run)) for row in rows]


def _in_units(row: Row, scale: Scale) -> Row:
    """The information of a row: where D is counted from elsewhere, R + b D is b times as far from there."""
    shifts = {"distortion": scale.shift, **dict.fromkeys(("value", "limit"), row["b"] * scale.shift)}
    return {name: scale.per_nat * row[name] + shifts.get(name, 0.0) for name in INFORMATION}


def _placed(record: RunRecord, split: str) -> list[Part]:
    entries = [Part(entry, "estimate") for entry in record.estimates]
    found = [e for e in entries if e.text("kind") in _READERS and e.text("split") == split and "value" in e]
    curves = [e for e in found if e.text("kind") == "ais" and "curve" in e]
    own = [e for e in curves if e.word("marginal") is None]  # Else under a prior that was fitted afterwards.
    return [*(own or curves)[-1:], *(e for e in found if e.text("kind") != "ais")]


def _words(entry: Part) -> Row:
    """What the line is: AIS bounds R + b D in expectation alone, and nothing is certified without its limit."""
    line, certified = entry.text("kind"), entry.value("certified") is True
    has_limit = line != "ais" and "limit" in entry
    kind = "certified bound" if certified and has_limit else "estimate"
    return {"line": LINES[line], "kind": kind, "source": str(entry.value("source"))}


def _curve(entry: Part) -> list[Row]:
    curve = entry.part("curve")
    columns = [curve.numbers(name) for name in ("b", "rate", "distortion", "total", "total_stderr")]
    if len({len(column) for column in columns}) != 1:
        raise Damaged("the lists of an AIS curve differ in length")
    return sorted((_point(*numbers) for numbers in zip(*columns, strict=True)), key=lambda point: point["b"])


def _lower(entry: Part) -> list[Row]:
    if entry.number("b") == 0:
        raise Damaged("a lower bound with b = 0 says nothing of D")
    return [_point(entry.number("b"), math.nan, math.nan, *(entry.number(name) for name in NUMBERS[3:]))]


def _upper(entry: Part) -> list[Row]:
    return [_point(*(entry.number(name) for name in NUMBERS))]


def _point(b: float, rate: float, distortion: float, value: float, stderr: float, limit: float = math.nan) -> Row:
    if not b >= 0:
        raise Damaged(f"{b} in an estimate is no weight b of D")
    return dict(zip(NUMBERS, (b, rate, distortion, value, stderr, limit), strict=True))


_READERS: Mapping[str, Callable[[Part], list[Row]]] = {"ais": _curve, "dual": _lower, "particle": _upper}
