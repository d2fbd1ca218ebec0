"""All lines of the plane as tidy rows, from which they are drawn and can be redrawn. Statistics only, no marks.

Each row says what it belongs to (`line`, `run`), what it is worth (`kind`: exact, certified bound or estimate) and what
it rests on (`source`). A row with `rate` and `distortion` is a point of a curve where R + b D = `value`; one without is
the whole line R + b D = `value`, and a certified one stands at its `limit`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from analysis.rows.estimates import COLUMNS, DECODER, LOWER, NUMBERS, UPPER, load_estimates
from analysis.rows.finding import RunWarning
from analysis.rows.runs import Row, as_rows
from analysis.statistics.bounds import Entropy
from analysis.statistics.shannon import common_curve
from vae_rd.units import per_nat

SHANNON, ENTROPY, NLL = "Shannon's R(D)", "D + R = H", "D + R = NLL"
MARGINAL = "R under a fitted prior"
# Likelihoods whose D is one function of x and of what the decoder puts out: nothing in it is learned beside.
ONE_DISTORTION = ("bernoulli", "categorical", "gaussian")
BEYOND = 1.1  # curves end this many times the largest rate out


def plane_lines(rows: pd.DataFrame, h_by_split: Mapping[str, Entropy], *, split: str) -> pd.DataFrame:
    """One row a point or line, with the columns of `load_estimates`.

    Bounds on the source's R(D) are left out where `source_bounds_hold` is false.

    Args:
        rows: from `placeable`.
        h_by_split: H by split.
        split: whose runs and estimates count.

    Raises:
        InputError: naming the record whose estimates are damaged.
    """
    chosen = rows[rows["split"] == split]
    found = load_estimates(chosen, split=split)
    if not source_bounds_hold(chosen):
        found = found[~found["line"].isin((LOWER, UPPER))]
    reach = max([0.0, *chosen["rate"].dropna(), *found["rate"][found["line"] == UPPER].dropna()]) or 1.0
    others = [
        *_entropies(chosen, h_by_split),
        *_shannon(chosen, rate=BEYOND * reach),
        *_likelihoods(chosen, found),
        *_marginals(chosen),
    ]
    known = pd.DataFrame(others, columns=found.columns)
    lines = pd.concat([part for part in (known, found) if not part.empty] or [known], ignore_index=True)
    undefined = chosen["folder"][chosen["rate"].isna()]  # Of these no beta weighs R, and they have no colour of one.
    return lines.assign(beta=lines["beta"].mask(lines["folder"].isin(undefined)))


def source_bounds_hold(chosen: pd.DataFrame) -> bool:
    """Whether a bound on min R + b D found with one run's D holds for all: the runs share one fixed distortion."""
    measures = chosen[["likelihood", "likelihood_scale"]].drop_duplicates()
    return len(measures) == 1 and measures["likelihood"].iloc[0] in ONE_DISTORTION


def warn_left_out(chosen: pd.DataFrame, *, split: str) -> None:
    """One warning where the runs have bounds on the source's R(D) that cannot be drawn."""
    found = load_estimates(chosen, split=split)
    if not source_bounds_hold(chosen) and found["line"].isin((LOWER, UPPER)).any():
        message = "left out, bounds on the source's R(D): the runs do not share one fixed distortion"
        warnings.warn(message, RunWarning, stacklevel=3)


def lower_envelope(lines: pd.DataFrame, rates: np.ndarray) -> np.ndarray:
    """The least D at each rate that all lower bounds leave open: max over bounds of (limit - R) / b.

    Without a limit the value stands in for it, and the line is an estimate.
    """
    bounds = lines[lines["line"] == LOWER]
    height = bounds["limit"].fillna(bounds["value"]).to_numpy()[:, None]
    return np.asarray(((height - rates) / bounds["b"].to_numpy()[:, None]).max(axis=0))


def heights_to_show(lines: pd.DataFrame, data: pd.DataFrame) -> list[float]:
    """Distortions that limits must hold so that each line is seen where it is nearest to a point of `data`."""
    shown = lines["distortion"][lines["line"].isin((NLL, UPPER))].dropna().to_list()
    curve = lines[lines["line"] == SHANNON]
    if not curve.empty:
        shown += np.interp(data["rate"], curve["rate"], curve["distortion"]).tolist()
    if (lines["line"] == LOWER).any():
        heights = lower_envelope(lines, data["rate"].to_numpy())
        shown.append(float(heights[np.argmin(data["distortion"] - heights)]))
    return shown


def _entropies(chosen: pd.DataFrame, h_by_split: Mapping[str, Entropy]) -> Iterator[Row]:
    for split, h in h_by_split.items() if len(chosen) else ():  # No points have no lines, nor units.
        words = {"kind": "exact" if h.kind == "exact" else "estimate", "source": h.source, "split": split}
        yield _row(chosen, line=ENTROPY, **words, b=1.0, value=h.value, stderr=h.stderr)


def _shannon(chosen: pd.DataFrame, *, rate: float) -> Iterator[Row]:
    if (curve := common_curve(chosen)) is None:
        return
    scale = per_nat(chosen["units"].iloc[0], dims=chosen["dims"].iloc[0])
    words = {"kind": "exact", "source": curve.how, "split": chosen["split"].iloc[0]}
    for beta, r, d in curve.points(rate=rate / scale):
        point = {"b": 1 / beta, "rate": scale * r, "distortion": scale * d, "value": scale * (r + d / beta)}
        yield _row(chosen, line=SHANNON, **words, **point, stderr=0.0)


def _likelihoods(chosen: pd.DataFrame, found: pd.DataFrame) -> Iterator[Row]:
    """A point of each run's line D + R = NLL: where the decoder's own curve has slope -1, else at the run's rate.

    A run with neither has no such point.
    """
    curves = {str(folder): curve for folder, curve in found[found["line"] == DECODER].groupby("folder")}
    for run in as_rows(chosen.dropna(subset="nll")):
        own = {key: run[key] for key in ("run", "folder", "beta", "split")}
        words = {"kind": "estimate", "source": run["nll_source"] or run["nll_kind"]}
        curve = curves.get(run["folder"]) if run["nll_kind"] == "ais" else None
        rate = run["rate"] if curve is None else float(np.interp(1.0, curve["b"], curve["rate"]))
        if math.isnan(rate):
            continue
        place = {"b": 1.0, "rate": rate, "distortion": run["nll"] - rate}
        yield _row(chosen, line=NLL, **own, **words, **place, value=run["nll"], stderr=run["nll_stderr"])


def _marginals(chosen: pd.DataFrame) -> Iterator[Row]:
    """A point of each run's R under a prior fitted afterwards, at its D, which the prior does not change."""
    for run in as_rows(chosen.dropna(subset="marginal_rate")):
        own = {key: run[key] for key in ("run", "folder", "beta", "split")}
        words = {"kind": "estimate", "source": run["marginal_rate_source"]}
        place = {"b": 1.0, "rate": run["marginal_rate"], "distortion": run["distortion"]}
        value = {"value": run["marginal_rate"] + run["distortion"], "stderr": run["marginal_rate_stderr"]}
        yield _row(chosen, line=MARGINAL, **own, **words, **place, **value)


def _row(chosen: pd.DataFrame, **cells: object) -> Row:
    return dict.fromkeys((*COLUMNS, *NUMBERS)) | {"units": chosen["units"].iloc[0]} | cells
