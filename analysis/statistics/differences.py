"""How far two frontiers lie from each other, and the area under each, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from analysis.statistics.frontiers import Frontier
from analysis.statistics.fronts import (
    Curve,
    Quality,
    bd_rate,
    common,
    distortion_difference,
    quality_range,
    rate_difference,
)

DRAWS = 300  # of the bootstrap; the standard error of an interval's half width is 4 % of it
LEVEL = 0.95
PAIRED_FROM = 3  # seeds that both have; of two alone, the spread of the pairs has one degree of freedom
BD_RATE = "BD-rate"
ROUNDING = 1e-12  # a share of a value, below which a standard error is that of arithmetic
COLUMNS = (
    *("group", "other", "difference", "value", "stderr", "low", "high", "over_low", "over_high"),
    *("stderr_seeds", "stderr_examples", "df", "seeds", "paired"),
)
Measure = Callable[[Curve, Curve], float]


class Kind(NamedTuple):
    """A difference of two curves.

    Attributes:
        measure: of the first and the second, the second less the first.
        reach: of a curve: what the difference is a mean over the common part of.
    """

    measure: Measure
    reach: Callable[[Curve], tuple[float, float]]


KINDS: Mapping[str, Kind] = {
    "R at equal D": Kind(rate_difference, lambda curve: curve.distortions),
    "D at equal R": Kind(distortion_difference, lambda curve: curve.rates),
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
        """`draws` of each; seeds stand still where there is one alone. Frontiers of the same seeds draw the same."""
        rng, shared = np.random.default_rng(seed), np.random.default_rng([0, *map(abs, of.seed_numbers)])
        seeds = [of.redrawn_seeds(shared) for _ in range(draws * (of.seeds > 1))]
        return cls(of.curve, seeds, [of.redrawn_examples(rng) for _ in range(draws)], of)


def redraw(found: Sequence[Frontier], *, draws: int = DRAWS) -> list[Redrawn]:
    """Each frontier with its own random numbers."""
    return [Redrawn.draw(frontier, draws=draws, seed=place) for place, frontier in enumerate(found)]


def differences(found: Sequence[Redrawn], *, psnr: Quality | None = None) -> pd.DataFrame:
    """One row for each pair of frontiers and each of `KINDS`, the second less the first.

    A pair of which one is of a codec has a row of `BD_RATE` too, in per cent. Frontiers of the same seeds,
    `PAIRED_FROM` or more, are `paired`: each draw has the same seeds of both, so that what a seed adds to both counts
    for nothing.

    `low` and `high` are the ends of the 95 % interval, `over_low` and `over_high` those of the D or R that both have,
    `df` the interval's degrees of freedom, `seeds` those of the group that has fewer. The value is NaN where the
    frontiers have no D, or no R, in common; and so is the interval where neither source of noise is known.

    Args:
        found: from `redraw`, of one data set.
        psnr: that of D, where D is a squared error.
    """
    rows = [
        _difference(one, other, kind) | {"group": one.of.label, "other": other.of.label, "difference": name}
        for one, other in combinations(found, 2)
        for name, kind in _kinds(one, other, psnr).items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _kinds(one: Redrawn, other: Redrawn, psnr: Quality | None) -> Mapping[str, Kind]:
    if psnr is None or not (one.of.of_codec or other.of.of_codec):
        return KINDS
    per_cent = Kind(lambda a, b: bd_rate(a, b, psnr), lambda curve: quality_range(curve, psnr))
    return {**KINDS, BD_RATE: per_cent}


def _difference(one: Redrawn, other: Redrawn, kind: Kind) -> dict[str, Any]:
    measure, over = kind.measure, (math.nan, math.nan)
    if one.curve is not None and other.curve is not None:
        over = common(kind.reach(one.curve), kind.reach(other.curve)) or over
    few, paired = min(one.of.seeds, other.of.seeds), _are_paired(one.of, other.of)
    if paired:
        parts, sizes = [_spread(measure, one.seeds, other.seeds)], [few]
    else:
        parts = [
            _spread(measure, one.seeds, [other.curve] * len(one.seeds)),
            _spread(measure, [one.curve] * len(other.seeds), other.seeds),
        ]
        sizes = [one.of.seeds, other.of.seeds]
    examples = _spread(measure, one.examples, other.examples)
    interval = _interval(_value(measure, one.curve, other.curve), parts, sizes, examples)
    return interval | {"over_low": over[0], "over_high": over[1], "seeds": few, "paired": paired}


def _are_paired(one: Frontier, other: Frontier) -> bool:
    seeds = set(one.seed_numbers)  # Two runs of one seed have no partner that is theirs.
    return one.seeds == len(seeds) >= PAIRED_FROM and one.seed_numbers == other.seed_numbers


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
        parts: its standard error from the seeds of each group, or from those of both together.
        seeds: how many seeds are behind each part.
        examples: its standard error from examples.
    """
    variance = sum(part**2 for part in parts) + examples**2
    few = sum(part**4 / (size - 1) for part, size in zip(parts, seeds, strict=True) if size > 1)
    df = variance**2 / few if few > 0 else math.inf
    stderr = math.sqrt(variance) if math.sqrt(variance) > ROUNDING * max(1.0, abs(value)) else math.nan
    reach = float(student.ppf(0.5 + LEVEL / 2, df)) * stderr
    errors = {"stderr_seeds": math.hypot(*parts), "stderr_examples": examples, "df": df}
    return {"value": value, "stderr": stderr, "low": value - reach, "high": value + reach, **errors}
