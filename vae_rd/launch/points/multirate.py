"""A sweep over beta from few trainings: a model of each range of betas, and from these a short run at every beta.

What a model of many betas gives up at one of them, most at the ends of its range, an epoch or two of that beta alone
win back; docs/multirate.md measures it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vae_rd.errors import InputError
from vae_rd.launch.points.curves import curves, number
from vae_rd.launch.points.plan import Plan, PlannedRun, Point, distinct, planned
from vae_rd.launch.points.sweep_file import SweepFile

TUNING_EPOCHS = 2
LR_SHARE = 0.3  # Of the learning rate of the models of many betas, for a run that starts from one.
WIDE = 100.0  # A range from which on the losses of its ends are weighted to one size.

Range = tuple[float, float]


def multirate(file: SweepFile, *, ranges: Sequence[Range] | None, epochs: int | None) -> Plan:
    """The plan of a sweep file whose betas share the training of models of many.

    Args:
        file: a grid with several betas; each combination of its other parameters has models of its own. Its flags are
            those of the models of many; of runs that start from these, lr is `LR_SHARE` of that.
        ranges: of betas, one for each model of many; None of one from the least beta to the greatest. The first that
            holds a beta is where its run starts.
        epochs: of a run at one beta; None for `TUNING_EPOCHS`.

    Raises:
        InputError: where the file is no grid over beta, a point is none that a run could be, two are one run, or a beta
            lies in no range.
    """
    betas, others = curves(file, launcher="multirate")
    ranges = ranges or [(number(betas[0]), number(betas[-1]))]
    of_beta = {beta: _range_of(file, beta, ranges) for beta in betas}
    found = (_curve(file, point, ranges, of_beta, epochs or TUNING_EPOCHS) for point in others)
    runs = tuple(itertools.islice(distinct(file, itertools.chain.from_iterable(found)), file.run_cap))
    return Plan(file, Path(runs[0].config.run_dir), runs, runs[0])


def _range_of(file: SweepFile, beta: Any, ranges: Sequence[Range]) -> Range:
    """The first range that a beta lies in."""
    found = next((range_ for range_ in ranges if range_[0] <= number(beta) <= range_[1]), None)
    if found is None:
        raise InputError(f"{file.path}: beta {beta} lies in none of --ranges; give wider ones, or leave it out")
    return found


def _curve(
    file: SweepFile, point: Point, ranges: Sequence[Range], of_beta: Mapping[Any, Range], epochs: int
) -> Iterator[PlannedRun]:
    """The models of many betas, then the runs that start from them."""
    many = {range_: _of_many(file, point, range_) for range_ in ranges}
    yield from many.values()
    for beta, range_ in of_beta.items():
        start = many[range_]
        tuning = {"start_from": f"{start.folder}", "max_epochs": epochs, "lr": LR_SHARE * start.config.lr}
        yield replace(planned(file, {**point, "beta": beta, **tuning}), after=start.name)


def _of_many(file: SweepFile, point: Point, range_: Range) -> PlannedRun:
    """The model of a range, whose own record is measured in its middle."""
    low, high = range_
    power = 1.0 if high / low >= WIDE else 0.0
    words = {"objective": "multirate", "beta_range": [low, high], "multirate_power": power}
    run = planned(file, {**point, "beta": float(f"{math.sqrt(low * high):.2g}"), **words})
    return replace(run, point={**run.point, "range": f"{low:g} to {high:g}"})
