"""Which H a figure may use, what follows from it, and which points contradict it. Statistics only, no marks.

    H - D <= I(X; Z) <= R        D + R >= H        (Alemi et al. 2018, arXiv 1711.00464)

H belongs to a split. Where the record knows it, H - D is a lower bound on I. Where it does not (real data), the
smallest NLL of the runs at hand bounds H from above only: all that follows from it is an estimate, never a bound.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.rows.finding import RunWarning
from analysis.rows.runs import LIMIT, Row, as_rows, measured_on, of_runs_on, of_split
from analysis.statistics.shannon import add_gaps
from vae_rd.run.record import SPLITS
from vae_rd.units import per_nat
from vae_rd.verdicts.information import shown_information

ROUNDING = 1e-6  # relative, and in nats; numbers of a population split may have a standard error of 0


@dataclass(frozen=True)
class Entropy:
    """H of one split, in the units of the runs.

    Attributes:
        kind: exact and monte_carlo come from the record; estimate comes from a model and lies above H.
        source: a formula such as "ln N", or the number and the run that an estimate was taken from.
        sum_of: folder of the run whose own D + R is the estimate; H - D = R says nothing there.
    """

    value: float
    stderr: float
    kind: Literal["exact", "monte_carlo", "estimate"]
    measure: Literal["discrete", "differential"]
    source: str
    sum_of: str | None = None

    @property
    def known(self) -> bool:
        """Whether it is H itself, so that D + R below it is impossible."""
        return self.kind != "estimate"


def has_limits(entropy: Entropy) -> bool:
    """Whether (H, 0) and (0, H) can be reached; a density has no such limits: D may be negative, R grows unbounded."""
    return entropy.known and entropy.measure == "discrete"


def known_entropy(rows: pd.DataFrame) -> Entropy | None:
    """H of the split as its records state it; None where they do not know it.

    Args:
        rows: rows of one split and one data set.
    """
    stated = rows[rows["entropy"].notna() & rows["entropy_kind"].notna()]
    if stated.empty:
        return None
    row = stated.iloc[0]
    source = row["entropy_source"] if isinstance(row["entropy_source"], str) else "as recorded"
    stderr = _or_zero(row["entropy_stderr"])
    return Entropy(row["entropy"], stderr, row["entropy_kind"], row["entropy_measure"], source)


def estimated_entropy(rows: pd.DataFrame) -> Entropy | None:
    """The tightest upper estimate of H that the runs give: the NLL, else D + R, of the least upper limit over runs.

    Args:
        rows: rows of one split and one data set.
    """
    bounds = rows["nll"].fillna(-rows["elbo"])
    stderrs = rows["nll_stderr"].where(rows["nll"].notna(), rows["elbo_stderr"]).fillna(0.0)
    if bounds.isna().all():
        return None
    row = rows.iloc[int(np.nanargmin(bounds + LIMIT * stderrs))]
    measure = row["entropy_measure"]
    if math.isnan(row["nll"]):
        stderr, source = row["elbo_stderr"], f"D + R of {row['run']}"
        return Entropy(-row["elbo"], _or_zero(stderr), "estimate", measure, source, sum_of=row["folder"])
    source = f"{row['nll_kind']} NLL of {row['run']}"
    return Entropy(row["nll"], _or_zero(row["nll_stderr"]), "estimate", measure, source)


def known_entropies(runs: pd.DataFrame) -> dict[str, Entropy]:
    """H by split, of the splits whose records know it."""
    found = {str(split): known_entropy(rows) for split, rows in runs.groupby("split")}
    return {split: entropy for split, entropy in found.items() if entropy is not None}


def entropies(runs: pd.DataFrame, *, split: str) -> dict[str, Entropy]:
    """H by split: as recorded, and for `split` alone the runs' estimate where it is not recorded.

    Raises:
        InputError: when no run has metrics on `split`.
    """
    estimated = estimated_entropy(of_split(runs, split))
    return ({} if estimated is None else {split: estimated}) | known_entropies(runs)


def distinct_splits(runs: pd.DataFrame, *, split: str) -> list[str]:
    """The splits up to `split` that differ from it: population splits are the same points up to the noise of z."""
    population = runs.groupby("split")["population"].all()
    earlier = [name for name in SPLITS[: SPLITS.index(split)] if name in population.index]
    return [name for name in earlier if not (population[name] and population[split])] + [split]


def add_bounds(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """The rows worth showing beside `split`, with H, H - D and the verdict on each.

    Added columns: `h`, `h_stderr`, `h_kind`, `h_source` (the H of `entropies`); `h_minus_d`, `h_minus_d_stderr` (NaN
    where H is unknown, or is the row's own D + R); `optimum`, `gap`, `gap_stderr` (see `add_gaps`); `impossible` (why
    the row cannot be right, else empty).

    Args:
        runs: runs of one data set, from `load_runs`.
        split: the split that the reader asked for; runs without metrics there are left out, as `measured_on` says.
    """
    runs = measured_on(runs, split)
    of = entropies(runs, split=split)
    rows = runs[runs["split"].isin(distinct_splits(runs, split=split))].reset_index(drop=True)
    for column in ("value", "stderr", "kind", "source"):
        name = "h" if column == "value" else f"h_{column}"
        rows[name] = [getattr(of[s], column) if s in of else None for s in rows["split"]]
    rows[["h", "h_stderr"]] = rows[["h", "h_stderr"]].astype(float)
    vacuous = [s in of and of[s].sum_of == folder for s, folder in zip(rows["split"], rows["folder"], strict=True)]
    rows["h_minus_d"] = (rows["h"] - rows["distortion"]).mask(pd.Series(vacuous))
    rows["h_minus_d_stderr"] = np.hypot(rows["h_stderr"], rows["distortion_stderr"].fillna(0.0))
    rows = add_gaps(rows)
    rows["impossible"] = [_contradiction(row) for row in as_rows(rows)]
    return rows


def information_interval(row: Row) -> tuple[float, float]:
    """The ends between which I lies as far as a row of `load_runs` tells, as words and marks have them."""
    if row["mutual_information_lower_kind"] != "bound":
        exact = float(np.maximum(0.0, row["mutual_information_lower"]))
        return exact, exact
    names = ("mutual_information_lower", "mutual_information_upper", "rate")
    low, high = shown_information(*(_entry(row, name) for name in names))
    return _number(low["value"]), _number(high["value"])


def _entry(row: Row, name: str) -> Row:
    """A metric as its record has it, undefined being None."""
    known = {key: row[f"{name}{end}"] for key, end in (("value", ""), ("stderr", "_stderr"))}
    return {"kind": "bound"} | {key: None if np.isnan(value) else value for key, value in known.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def placeable(rows: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """The rows of `add_bounds` that have a place in the plane, at their D and mostly R, of runs with one on `split`.

    Raises:
        InputError: when no run has D on `split`.

    Warns:
        RunWarning: one line that names the runs left out.
    """
    placed = rows.dropna(subset="distortion")
    return of_runs_on(rows, placed, split, lacking="D", remedy="nothing to draw, choose another --split")


def warn_impossible(rows: pd.DataFrame) -> None:
    """One warning for each row of `add_bounds` that cannot be right."""
    for row in as_rows(rows[rows["impossible"] != ""]):
        warnings.warn(f"impossible: {row['run']} on {row['split']}: {row['impossible']}", RunWarning, stacklevel=3)


def _contradiction(row: Row) -> str:
    tail = f"by more than {LIMIT:g} s.e."
    if row["h_kind"] != "estimate" and _is_below(row, -row["elbo"], "elbo", row["h"], "h"):
        return f"D + R = {-row['elbo']:.4f} is below H = {row['h']:.4f} {tail}"
    if _is_below(row, row["objective"], "objective", row["optimum"], None):
        return f"D + beta R = {row['objective']:.4f} is below Shannon's {row['optimum']:.4f} {tail}"
    lower = row["mutual_information_lower"]
    if _is_below(row, row["marginal_kl_upper"], "marginal_kl_upper", 0.0, None):  # R - I lower, paired over examples
        return f"R = {row['rate']:.4f} is below the lower bound {lower:.4f} on I {tail}"
    return ""


def _is_below(row: Row, value: float, name: str, bound: float, bound_name: str | None) -> bool:
    """Whether `value` is below `bound` beyond noise and rounding; no where either is unknown (NaN)."""
    errors = [_or_zero(row[f"{measured}_stderr"]) for measured in (name, bound_name) if measured is not None]
    noise = LIMIT * math.hypot(*errors)
    rounding = ROUNDING * max(per_nat(row["units"], dims=row["dims"]), abs(bound))
    return value < bound - noise - rounding


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
