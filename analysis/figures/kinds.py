"""The figures and tables of `python -m analysis`: one row for each, whose code is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Drawing(Protocol):
    """What draws a figure, such as a module."""

    def draw(self, runs: pd.DataFrame, *, split: str) -> Figure:
        """The figure of runs from `load_runs`; `split` is whose metrics are asked for."""

    def numbers(self, runs: pd.DataFrame, *, split: str) -> Mapping[str, pd.DataFrame]:
        """What the figure shows, by what its file's name ends in."""


class FigureKind(NamedTuple):
    """A command of `python -m analysis`.

    Attributes:
        meaning: for `--help`.
        load: imports what draws it.
        has_split: whether it is about one split.
    """

    meaning: str
    load: Callable[[], Drawing]
    has_split: bool = True


def _module(name: str) -> Callable[[], Drawing]:
    return lambda: cast(Drawing, import_module(name))


FIGURES: dict[str, FigureKind] = {
    "plane": FigureKind(
        "the rate-distortion plane with all known lines, and the bounds H - D <= I <= R",
        _module("analysis.figures.plane"),
    ),
    "information": FigureKind(
        "the rate against the share of labels told from z, of runs that were probed",
        _module("analysis.figures.information"),
        has_split=False,
    ),
    "curves": FigureKind(
        "training and validation D, R and ELBO per epoch", _module("analysis.figures.curves"), has_split=False
    ),
}
