"""The entries of `estimates` in the records that have a place in the plane, as tidy rows.

One row a point or supporting line R + b D = value, b = 1/beta: of a decoder's rate-distortion curve by AIS (Huang et
al. 2020, arXiv 2008.06653), of a lower bound on a source's R(D) by the Csiszar dual (Yang and Mandt 2022, arXiv
2111.12166), of an upper bound by particles (Yang et al. 2023, arXiv 2310.18908).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.rows.runs import Row, as_rows, damage_named, finite
from vae_rd.run.record import RunRecord
from vae_rd.units import per_nat

DECODER, LOWER, UPPER = "R-D curve of the decoder", "lower bound on R(D)", "upper bound on R(D)"


LINES = {"ais": DECODER, "dual": LOWER, "particle": UPPER}


COLUMNS = ("line", "kind", "source", "run", "folder", "beta", "split", "units")


NUMBERS = ("b", "rate", "distortion", "value", "stderr", "limit")


INFORMATION = NUMBERS[1:]  # measured in units; b has none


Entry = Mapping[str, Any]


def load_estimates(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """One row a point or supporting line that the runs' records hold for `split`, with `COLUMNS` and `NUMBERS`.

    A run's curve is that of its last AIS entry. `limit` is the one-sided 99 % limit of a bound's `value`.

    Args:
        runs: from `load_runs`, whose units the numbers take.
        split: entries of other splits are left out.

    Raises:
        InputError: naming the record whose entries are damaged.
    """
    rows = [row for run in as_rows(runs.drop_duplicates("folder")) for row in _of_run(run, split)]
    return pd.DataFrame(rows, columns=[*COLUMNS, *NUMBERS])


def _of_run(run: Row, split: str) -> list[Row]:
    folder = Path(run["folder"])
    own = {key: run[key] for key in ("run", "folder", "beta", "units")} | {"split": split}
    with damage_named(folder):
        entries = _placed(RunRecord.read(folder).estimates, split)
        rows = [own | _words(entry) | point for entry in entries for point in _READERS[entry["kind"]](entry)]
    scale = per_nat(run["units"], dims=run["dims"])
    return [row | {name: scale * row[name] for name in INFORMATION} for row in rows]


def _placed(entries: Sequence[Entry], split: str) -> list[Entry]:
    found = [e for e in entries if e["kind"] in _READERS and e["split"] == split and e["value"] is not None]
    curves = [e for e in found if e["kind"] == "ais" and e["curve"] is not None]
    return [*curves[-1:], *(e for e in found if e["kind"] != "ais")]


def _words(entry: Entry) -> Row:
    """What the line is: AIS bounds R + b D in expectation alone, and nothing is certified without its limit."""
    certified = entry["certified"] is True and entry["kind"] != "ais" and entry["limit"] is not None
    kind = "certified bound" if certified else "estimate"
    return {"line": LINES[entry["kind"]], "kind": kind, "source": str(entry["source"])}


def _curve(entry: Entry) -> list[Row]:
    columns = [entry["curve"][name] for name in ("b", "rate", "distortion", "total", "total_stderr")]
    if len({len(column) for column in columns}) != 1:
        raise ValueError("the lists of an AIS curve differ in length")
    return sorted((_point(*numbers) for numbers in zip(*columns, strict=True)), key=lambda point: point["b"])


def _lower(entry: Entry) -> list[Row]:
    if entry["b"] == 0:
        raise ValueError("a lower bound with b = 0 says nothing of D")
    return [_point(entry["b"], None, None, entry["value"], entry["stderr"], entry["limit"])]


def _upper(entry: Entry) -> list[Row]:
    return [_point(*(entry[name] for name in NUMBERS))]


def _point(b: Any, rate: Any, distortion: Any, value: Any, stderr: Any, limit: Any = None) -> Row:
    numbers = dict(zip(NUMBERS, map(finite, (b, rate, distortion, value, stderr, limit)), strict=True))
    if not numbers["b"] >= 0:
        raise ValueError(f"{b} in an estimate is no weight b of D")
    return numbers


_READERS: Mapping[str, Callable[[Entry], list[Row]]] = {"ais": _curve, "dual": _lower, "particle": _upper}
