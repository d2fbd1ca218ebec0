"""How far two frontiers lie from each other, and the area under each, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from analysis.statistics.frontiers import Frontier
from analysis.statistics.fronts import Curve, common, distortion_difference, rate_difference

DRAWS = 300  # of the bootstrap; the standard error of an interval's half width is 4 % of it
LEVEL = 0.95
COLUMNS = (
    *("group", "other", "difference", "value", "stderr", "low", "high", "over_low", "over_high"),
    *("stderr_seeds", "stderr_examples", "df", "seeds"),
)
Measure = Callable[[Curve, Curve], float]
KINDS: dict[str, tuple[Measure, str]] = {
    "R at equal D": (rate_difference, "distortions"),
    "D at equal R": (distortion_difference, "rates"),
}


@dataclass(frozen=True)
class Redrawn:
    """A frontier's curve and what it becomes under other seeds, and under other examples; None through one point."""

    curve: Curve | None
    seeds: Sequence[Curve | None]
    examples: Sequence[Curve | None]
    of: Frontier

    @classmethod
    def draw(cls, of: Frontier, *, draws: int = DRAWS, seed: int = 0) -> Redrawn:
        """`draws` of each; seeds stand still where there is one alone."""
        rng = np.random.default_rng(seed)
        seeds = [of.redrawn_seeds(rng) for _ in range(draws * (of.seeds > 1))]
        return cls(of.curve, seeds, [of.redrawn_examples(rng) for _ in range(draws)], of)


def redraw(found: Sequence[Frontier], *, draws: int = DRAWS) -> list[Redrawn]:
    """Each frontier with its own random numbers."""
    return [Redrawn.draw(frontier, draws=draws, seed=place) for place, frontier in enumerate(found)]


def differences(found: Sequence[Redrawn]) -> pd.DataFrame:
    """One row for each pair of frontiers and each of `KINDS`, the second less the first.

    `low` and `high` are the ends of the 95 % interval, `over_low` and `over_high` those of the D or R that both have,
    `df` the interval's degrees of freedom, `seeds` those of the group that has fewer. The value is NaN where the
    frontiers have no D, or no R, in common; and so is the interval where neither source of noise is known.
    """
    rows = [_difference(one, other, kind) for one, other in combinations(found, 2) for kind in KINDS]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _difference(one: Redrawn, other: Redrawn, kind: str) -> dict[str, Any]:
    measure, axis = KINDS[kind]
    row: dict[str, Any] = {"group": one.of.label, "other": other.of.label, "difference": kind}
    over = (math.nan, math.nan)
    if one.curve is not None and other.curve is not None:
        over = common(getattr(one.curve, axis), getattr(other.curve, axis)) or over
    parts = [
        _spread(measure, one.seeds, [other.curve] * len(one.seeds)),
        _spread(measure, [one.curve] * len(other.seeds), other.seeds),
    ]
    examples = _spread(measure, one.examples, other.examples)
    interval = _interval(_value(measure, one.curve, other.curve), parts, [one.of.seeds, other.of.seeds], examples)
    return row | interval | {"over_low": over[0], "over_high": over[1], "seeds": min(one.of.seeds, other.of.seeds)}


def areas(found: Sequence[Redrawn]) -> pd.DataFrame:
    """The area under each frontier over the R that all have, one row a group, with the columns of `differences`."""
    curves = [redrawn.curve for redrawn in found if redrawn.curve is not None]
    over = common(*(curve.rates for curve in curves)) if curves else None
    low, high = over or (math.nan, math.nan)

    def area(curve: Curve, _: Curve) -> float:
        shared = common(curve.rates, (low, high))
        return math.nan if shared is None else curve.area(*shared) * (high - low) / (shared[1] - shared[0])

    rows = []
    for redrawn in found:
        seeds, examples = (_spread(area, some, some) for some in (redrawn.seeds, redrawn.examples))
        found_area = _value(area, redrawn.curve, redrawn.curve)
        interval = _interval(found_area, [seeds], [redrawn.of.seeds], examples)
        rows.append({"group": redrawn.of.label, **interval, "over_low": low, "over_high": high})
    return pd.DataFrame(rows)


def _value(measure: Measure, one: Curve | None, other: Curve | None) -> float:
    return math.nan if one is None or other is None else measure(one, other)


def _spread(measure: Measure, ones: Sequence[Curve | None], others: Sequence[Curve | None]) -> float:
    """The standard deviation over draws; 0 for none, NaN where fewer than half of the draws have the quantity."""
    if not ones:
        return 0.0
    values = np.array([_value(measure, one, other) for one, other in zip(ones, others, strict=True)])
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if 2 * len(known) > len(values) else math.nan


def _interval(value: float, parts: Sequence[float], seeds: Sequence[int], examples: float) -> dict[str, float]:
    """Student's interval: degrees of freedom by Welch and Satterthwaite, of few seeds and of examples, which are many.

    Args:
        value: the estimate.
        parts: its standard error from the seeds of each group.
        seeds: how many seeds each group has.
        examples: its standard error from examples.
    """
    variance = sum(part**2 for part in parts) + examples**2
    few = sum(part**4 / (size - 1) for part, size in zip(parts, seeds, strict=True) if size > 1)
    df = variance**2 / few if few > 0 else math.inf
    stderr = math.sqrt(variance) or math.nan
    reach = float(student.ppf(0.5 + LEVEL / 2, df)) * stderr
    errors = {"stderr_seeds": math.hypot(*parts), "stderr_examples": examples, "df": df}
    return {"value": value, "stderr": stderr, "low": value - reach, "high": value + reach, **errors}
