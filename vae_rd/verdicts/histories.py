"""Rows of history as verdicts compare them: read from history.csv, under one name, and with what they lack made up."""

from __future__ import annotations

import csv
import io
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from vae_rd.verdicts.notes import Row, validated

FIRST = ("epoch", "step", "beta_effective", "lr")  # Columns of every history.
NORMAL = {1: 0.31864, 2: 0.67449}  # The first two quartiles of the absolute values of a standard normal.
ABOUT = 12  # Values to each side of a place that tell the scatter there.
FEWEST = 5  # Third differences, of which a median says something.


class Comparable(NamedTuple):
    """Rows whose `<split>/objective` is one quantity, and the word for it."""

    rows: list[dict[str, float]]
    measured: str


def rows_of(text: str, *, slope: float | None) -> list[Row]:
    """The rows of a history.csv as numbers, what is empty or not finite left out.

    The loss was not yet the final one where the weight was not; of an objective without a final weight nothing tells.

    Args:
        text: of the file.
        slope: the final weight; None where the objective has none.

    Raises:
        ValueError: where a cell is no number; TypeError where a row has more than there are columns; KeyError where
            one lacks what all have.

    Example:
        >>> rows_of("epoch,step,beta_effective,lr,val/rate\\n0,9,0.5,0.1,\\n1,18,1.0,0.1,2.5\\n", slope=1.0)[1]
        {'annealing': 0, 'epoch': 1.0, 'step': 18.0, 'beta_effective': 1.0, 'lr': 0.1, 'val/rate': 2.5}
    """
    cells = ({name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(io.StringIO(text)))
    rows = [{name: value for name, value in row.items() if math.isfinite(value)} for row in cells]
    return [{"annealing": _was_annealing(row, slope), **{name: row[name] for name in FIRST}, **row} for row in rows]


def _was_annealing(row: Row, slope: float | None) -> int:
    return int(slope is not None and abs(row["beta_effective"] - slope) > 1e-6 * abs(slope))


def comparable(rows: Sequence[Row]) -> Comparable:
    """Rows that can be compared by `<split>/objective`: D + beta R, or where there is no beta D + R, or else D.

    Where they have no paired standard error of the height above the best, as those of an older history.csv or without
    a beta, the scatter of the validations themselves has to do, if there are enough of them.
    """
    seen = validated(rows, final=True)
    for measured, name, sign in (("D + beta R", "objective", 1), ("D + R", "elbo", -1), ("D", "distortion", 1)):
        if any(f"val/{name}" in row for row in seen):
            found = [_under_one_name(row, name, sign) for row in rows]
            return Comparable(_with_errors(found), measured)
    return Comparable([dict(row) for row in rows], "D")


def _under_one_name(row: Row, name: str, sign: int) -> dict[str, float]:
    known = {f"{s}/objective": sign * row[f"{s}/{name}"] for s in ("train", "val") if f"{s}/{name}" in row}
    return {**row, **known}


def _with_errors(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    seen = [row for row in rows if "val/objective" in row and not row["annealing"]]
    values = [row["val/objective"] for row in seen]
    is_known = scatter(values) > 0
    for row, lowest in zip(seen, itertools.accumulate(values, min), strict=True):
        row.setdefault("val/objective_above_best", row["val/objective"] - lowest)
        if is_known:  # `overfitting` adds it.
            row.setdefault("val/objective_above_best_stderr", 0.0)
    return rows


def scatter(values: Sequence[float], *, quartile: int = 2) -> float:
    """The standard deviation of values about a smooth course, by a quartile of their |third differences|.

        sigma = quartile / (that of |N(0, 1)|) / sqrt(20)

    A straight course or a parabola has none, a few spikes do not matter, and fewer than eight values say nothing, which
    is 0.

    Args:
        values: in order, evenly spaced.
        quartile: 2, the median; the first bears more spikes, of which each has a part in four differences.

    Example:
        >>> scatter([81.0, 64.0, 49.0, 36.0, 25.0, 16.0, 9.0, 4.0]), round(scatter([1.0, -1.0] * 4), 2)
        (0.0, 2.65)
    """
    differences = list(values)
    for _ in range(3):
        differences = [after - before for before, after in itertools.pairwise(differences)]
    if len(differences) < FEWEST:
        return 0.0
    return statistics.quantiles(map(abs, differences))[quartile - 1] / (NORMAL[quartile] * 20**0.5)


def later_half(values: Sequence[float]) -> Sequence[float]:
    """The second half of values, which is rarely on its way down."""
    return values[len(values) // 2 :]


def scatter_about(values: Sequence[float], place: int) -> float:
    """The scatter of the values near a place: it falls with the learning rate."""
    return scatter(values[max(0, place - ABOUT) : place + ABOUT + 1])
