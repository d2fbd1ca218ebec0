"""Validation examples as runs reconstruct them, one row each in order of beta, with D and R beside it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.samples import picture_numbers, picture_rows
from analysis.view import View

KIND = "reconstructions"


def reconstructions(runs: pd.DataFrame, **view: Any) -> Figure:
    """A row of x, and below it E[x|z] at a draw of q(z|x) of each run, with D and R of the split.

    Args:
        runs: from `load_runs`; pictures are read from the same folders, and each data set has axes of its own.
        view: fields of `analysis.view.View`; `more` may have `images`, in a row, and `most`, rows.

    Raises:
        InputError: where no run has pictures, or some are damaged.

    Warns:
        RunWarning: one line that names the runs left out, for want of pictures or of room.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`reconstructions`, for the table of figures."""
    return picture_rows(runs, view, kind=KIND)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """D and R of each run, as they stand beside its row."""
    return picture_numbers(runs, view, kind=KIND)
