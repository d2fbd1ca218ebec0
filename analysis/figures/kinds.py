"""The figures and tables of `python -m analysis`: one row for each, whose code is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from vae_rd.config.options import whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis.view import View


class Drawing(Protocol):
    """What draws a figure, such as a module."""

    def draw(self, runs: pd.DataFrame, view: View) -> Figure:
        """The figure of runs from `load_runs`."""

    def numbers(self, runs: pd.DataFrame, view: View) -> Mapping[str, pd.DataFrame]:
        """What the figure shows, by what its file's name ends in."""


class Option(NamedTuple):
    """An option of one figure alone, which it finds in `View.more` under its name.

    Attributes:
        name: without the hyphens.
        meaning: for `--help`.
        kind: makes the value of the word.
        default: where the option is not given.
        choices: the values that there are, if not all of the kind.
        several: whether it may be given more than once, and its value is a list.
    """

    name: str
    meaning: str
    kind: Callable[[str], Any] = str
    default: Any = None
    choices: Sequence[Any] | None = None
    several: bool = False


FOREIGN = Option(
    "foreign",
    "points of others: FILE:rate=COLUMN,distortion=COLUMN,data=NAME,likelihood=WORD[,beta=COLUMN][,units=bits]"
    "[,name=...][,only=COLUMN:VALUE], of a CSV file or a JSON of CompressAI (with mse= or psnr= and scale=)",
    several=True,
)


class FigureKind(NamedTuple):
    """A command of `python -m analysis`.

    Attributes:
        meaning: for `--help`.
        load: imports what draws it.
        has_split: whether it is about one split.
        reads: which of `SHARED` it obeys.
        options: of its own.
    """

    meaning: str
    load: Callable[[], Drawing]
    has_split: bool = True
    reads: tuple[str, ...] = ("group_by",)
    options: tuple[Option, ...] = ()


def _module(name: str) -> Callable[[], Drawing]:
    return lambda: cast(Drawing, import_module(name))


ROWS = (
    Option("images", "in a row, at most those in the runs' media (default 8)", whole(1)),
    Option("most", "rows, of runs evenly spaced in their order (default 12)", whole(1)),
)
FIGURES: dict[str, FigureKind] = {
    "plane": FigureKind(
        "the rate-distortion plane with all known lines, and the bounds H - D <= I <= R",
        _module("analysis.figures.plane"),
        reads=("group_by", "xlim", "ylim", "log", "inset"),
        options=(FOREIGN,),
    ),
    "frontier": FigureKind(
        "the frontier of each group, chosen on validation, and by how much two of them differ",
        _module("analysis.figures.frontier"),
        reads=("group_by", "xlim", "ylim", "log"),
        options=(FOREIGN,),
    ),
    "beta": FigureKind("D, R, I and active units against beta", _module("analysis.figures.beta")),
    "hysteresis": FigureKind(
        "D and R against beta of runs that follow each other along it, and how far the ways down and up differ",
        _module("analysis.figures.hysteresis"),
    ),
    "collapse": FigureKind(
        "the rate of each unit by beta, verdicts, active units, what shuffling z does",
        _module("analysis.figures.collapse"),
    ),
    "decomposition": FigureKind(
        "R = I + the KL from q(z) to m(z), as intervals where I is capped, and I against H - D",
        _module("analysis.figures.decomposition"),
    ),
    "fit": FigureKind(
        "training as a way through the rate-distortion plane, with the verdict on its end",
        _module("analysis.figures.fit"),
        has_split=False,
        reads=("group_by", "xlim", "ylim", "log"),
    ),
    "information": FigureKind(
        "the rate against the share of labels told from z, of runs that were probed",
        _module("analysis.figures.information"),
        has_split=False,
        reads=("group_by", "xlim", "ylim"),
    ),
    "curves": FigureKind(
        "training and validation D, R and ELBO per epoch",
        _module("analysis.figures.curves"),
        has_split=False,
        reads=("group_by", "xlim"),
    ),
    "samples": FigureKind(
        "images that runs draw from their prior, in order of beta", _module("analysis.figures.samples"), options=ROWS
    ),
    "reconstructions": FigureKind(
        "validation examples as runs reconstruct them, in order of beta",
        _module("analysis.figures.reconstructions"),
        options=ROWS,
    ),
    "traversals": FigureKind(
        "what each unit of z does to an image, in order of rate, with the rate beside it",
        _module("analysis.figures.traversals"),
        options=(Option("most", "runs, evenly spaced in their order (default 3)", whole(1)),),
    ),
    "latents": FigureKind(
        "where examples lie in z by their labels, and each unit against the prior",
        _module("analysis.figures.latents"),
        options=(
            Option("factor", "which labels colour (default: the only ones)"),
            Option(
                "most",
                "runs, evenly spaced in their order (default: a row of them, two in a column)",
                whole(1),
            ),
        ),
    ),
}
