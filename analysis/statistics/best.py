"""Which runs are the best of those that may be compared, as far as standard errors tell them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

TIE = 2.0  # standard errors of a difference, within which it decides nothing
RULE = "Bold: the least D + R{}, and all within 2 s.e. of the difference from it, taken as of independent runs."
OF_BETA = ", and the least D + β R of each β"


def are_best(values: np.ndarray, stderrs: np.ndarray) -> np.ndarray:
    """The least value and those that its difference does not tell from it; none where there are not two to compare.

    A difference decides where it is more than 2 sqrt(se_1^2 + se_2^2). Runs on the same examples differ by less noise
    than that, so that what is called equal may be told apart by a paired difference, and what is not, is not equal.

    Args:
        values: [N]; NaN is out of the comparison.
        stderrs: [N]; NaN counts as 0.

    Example:
        >>> are_best(np.array([1.0, 1.1, 2.0, np.nan]), np.array([0.1, 0.1, 0.1, 0.1])).tolist()
        [True, True, False, False]
    """
    known = ~np.isnan(values)
    if known.sum() < 2:
        return np.zeros(len(values), dtype=bool)
    errors = np.nan_to_num(stderrs)
    least = int(np.nanargmin(values))
    noise = TIE * np.hypot(errors, errors[least])
    noise[least] = 0.0
    return known & (np.nan_to_num(values, nan=np.inf) - values[least] <= noise)


def add_best(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `best_sum`, of D + R over all, and `best_objective`, of D + beta R among those of one beta.

    Impossible rows are out of the comparison.

    Args:
        rows: of one data set and split, from `add_bounds`.
    """
    possible = rows["impossible"] == ""
    sums, objectives = (-rows["elbo"]).where(possible), rows["objective"].where(possible)
    within = pd.Series(False, index=rows.index)
    for _, part in rows.groupby("beta"):
        found = are_best(objectives[part.index].to_numpy(float), rows["objective_stderr"][part.index].to_numpy(float))
        within[part.index] = found
    return rows.assign(
        best_sum=are_best(sums.to_numpy(float), rows["elbo_stderr"].to_numpy(float)), best_objective=within
    )
