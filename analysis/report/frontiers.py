"""The frontier of each group as points and a curve that a plot draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.groups import Groups
from analysis.statistics.frontiers import Frontier, frontiers, with_both_splits
from vae_rd.errors import InputError

Json = dict[str, Any]
CHOSEN_ON = "val"
CURVE_POINTS = 60


def frontier_curves(runs: pd.DataFrame, groups: Groups, *, split: str) -> list[Json]:
    """One entry a group: `label`, `place` of the group, its points by column and the curve through its front.

    None where no run has R and D on validation as well, which chooses the front.

    Args:
        runs: of one data set, from `load_runs`.
        groups: of all runs of the report.
        split: whose points are shown.

    Warns:
        RunWarning: one line that names the runs left out.
    """
    try:
        known = with_both_splits(runs, split=split, chosen_on=CHOSEN_ON)
    except InputError:
        return []
    return [_entry(one, groups) for one in frontiers(known, groups, split=split, chosen_on=CHOSEN_ON)]


def _entry(frontier: Frontier, groups: Groups) -> Json:
    points = frontier.points
    return {
        "place": groups.labels.index(frontier.label),
        "front": points["front"].tolist(),
        "beta": _numbers(points["beta"]),
        "seeds": points["seeds"].tolist(),
        **{
            f"{name}{end}": _numbers(points[f"{name}{end}"])
            for name in ("rate", "distortion")
            for end in ("", "_stderr")
        },
        "curve": _curve(frontier),
    }


def _curve(frontier: Frontier) -> Json | None:
    if (curve := frontier.curve) is None:
        return None
    rates = np.linspace(*curve.rates, CURVE_POINTS)
    return {"rate": rates.tolist(), "distortion": np.asarray(curve.of_rate(rates)).tolist()}


def _numbers(column: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in column]
