"""Where a figure is to appear: the widths, the sizes of letters and the fonts that a style file asks for.

Widths are those of the text in each venue's own LaTeX style, letters those of its captions, a point less, as TUEplots
(https://github.com/pnkraemer/tueplots, version 0.2.5) has them too. That package is no dependency: these five rows are
all that would be taken from it, and its fonts warn wherever they are not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from analysis.style import STYLE, small_letters
from analysis.view import VENUES, View
from vae_rd.errors import InputError

TIMES = ("Times New Roman", "Times", "Nimbus Roman", "TeX Gyre Termes", "Liberation Serif", "STIXGeneral")
MODERN = ("Latin Modern Roman", "CMU Serif", "STIXGeneral")  # cmr10 lacks letters that names of data have
LEAST = 7.0  # points: smaller letters are not read in print


@dataclass(frozen=True)
class Venue:
    """What a style file says.

    Attributes:
        column: inches, of one column.
        page: inches, of the text of a page.
        label: points, of the labels of axes.
        fonts: those of its text, the last of which comes with matplotlib.
        maths: the fonts of formulas that go with them, as matplotlib calls them.
    """

    column: float
    page: float
    label: float
    fonts: tuple[str, ...]
    maths: str


KNOWN = {
    "": Venue(3.4, 6.8, 7.5, ("DejaVu Sans",), "dejavusans"),  # a journal of two columns
    "neurips": Venue(5.5, 5.5, 9.0, TIMES, "stix"),
    "icml": Venue(3.25, 6.75, 8.0, TIMES, "stix"),
    "iclr": Venue(5.5, 5.5, 9.0, TIMES, "stix"),
    "jmlr": Venue(6.0, 6.0, 9.0, MODERN, "cm"),
    "tmlr": Venue(6.5, 6.5, 9.0, MODERN, "cm"),
}


def width_of(view: View, *, panels: int = 1) -> float:
    """Inches: a column or the whole page; several panels beside each other take the page.

    Example:
        >>> width_of(View()), width_of(View(venue="icml", columns=2)), width_of(View(venue="neurips"))
        (3.4, 6.75, 5.5)
    """
    venue = _venue(view.venue)
    return venue.column if view.columns == 1 and panels == 1 else venue.page


def rc_of(view: View) -> dict[Any, Any]:
    """The settings of matplotlib for a view: the one look of all figures, in the letters of its venue."""
    venue = _venue(view.venue)
    small = max(venue.label - 2, LEAST)
    sizes: dict[str, Any] = dict.fromkeys(("font.size", "axes.labelsize"), venue.label)
    sizes |= dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), small)
    fonts: dict[Any, Any] = {
        "font.family": list(dict.fromkeys((first_installed(venue.fonts), "DejaVu Sans"))),
        "mathtext.fontset": venue.maths,
    }
    return STYLE | sizes | fonts


@contextmanager
def look(view: View) -> Iterator[None]:
    """Draw with the settings of a view."""
    import matplotlib as mpl

    with mpl.rc_context(rc_of(view)):
        yield


def first_installed(fonts: tuple[str, ...]) -> str:
    """The first of these that can be drawn here; matplotlib warns of each one that it looks for in vain."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return next((font for font in fonts if font in known), fonts[-1])


def _venue(name: str) -> Venue:
    if name not in KNOWN:
        raise InputError(f"venue {name!r} is not known: take one of {', '.join(VENUES)}")
    return KNOWN[name]


def line_height() -> float:
    """Inches of a line of small letters under the settings that hold."""

    return 1.35 * small_letters() / 72
