"""Dark figures for slides, made of light ones: every colour that a figure has is turned, pictures are left as they are.

So a mark has its colour in one place, and a figure by anyone turns dark too. A colour that means something keeps its
hue and its order: of two the darker one on paper is the darker one on a slide as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import ListedColormap, to_hex, to_rgb, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from analysis.style import GREY, INK, LIGHTEST, PALE, PALER, TINTS, WARNING, Colour
from analysis.view import THEMES, View
from vae_rd.errors import InputError

PAPER = "#14171c"
# What has another role on a dark ground than its lightness on paper says.
NAMED = {
    to_hex("white"): PAPER,
    to_hex("black"): "#f2f2f2",
    INK: "#e6e6e6",
    GREY: "#75695e",
    PALE: "#30353d",
    PALER: "#23272e",
    WARNING: "#e0503a",
}
FROM, NEAR = 0.34, 0.02  # where viridis begins on a dark ground, and how near a colour is one of it
DARKEST, RANGE = 0.4, 0.6  # lightness of what is black on paper, and how much lighter white is


def themed(figure: Figure, view: View) -> Figure:
    """The figure in the colours that a view asks for, in place.

    Raises:
        InputError: for a theme that there is not.
    """
    if view.theme not in THEMES:
        raise InputError(f"theme {view.theme!r} is not known: take {' or '.join(THEMES)}")
    return dark(figure) if view.theme == "dark" else figure


def dark(figure: Figure) -> Figure:
    """The figure in colours for a dark ground, in place; images and maps of colours are left as they are."""
    for artist in figure.findobj():
        for kind, names in _COLOURED.items():
            if isinstance(artist, kind):
                _turn(artist, names)
        if isinstance(artist, Collection):
            _turn_collection(artist)
    return figure


_COLOURED: dict[type[Artist], tuple[str, ...]] = {
    Line2D: ("color", "markerfacecolor", "markerfacecoloralt", "markeredgecolor"),
    Text: ("color",),
    Patch: ("facecolor", "edgecolor"),
}


def _turn(artist: Artist, names: Iterable[str]) -> None:
    found = {name: mpl.artist.getp(artist, name) for name in names}
    artist.set(**{name: turned(colour) for name, colour in found.items() if not _is_none(colour)})


def _turn_collection(artist: Collection) -> None:
    if artist.get_array() is None:
        artist.set_facecolor([turned(colour) for colour in to_rgba_array(artist.get_facecolor())])
        artist.set_edgecolor([turned(colour) for colour in to_rgba_array(artist.get_edgecolor())])
    elif isinstance(artist.get_cmap(), ListedColormap) and artist.get_cmap().N != 256:  # a bar of beta's own colours
        artist.set_cmap(ListedColormap([turned(c) for c in artist.get_cmap()(np.arange(artist.get_cmap().N))]))


def _is_none(colour: Any) -> bool:
    return isinstance(colour, str) and colour in ("none", "auto")


def turned(colour: Any) -> Colour:
    """A colour as it is on a dark ground: one of the roles in `NAMED`, else of its hue and lighter.

    Example:
        >>> to_hex(turned("white")), turned((1.0, 1.0, 1.0, 0.0))[3]
        ('#14171c', 0.0)
    """
    red, green, blue, alpha = to_rgba(colour)
    if known := NAMED.get(to_hex((red, green, blue))):
        return (*to_rgb(known), alpha)
    rgb = np.array([red, green, blue])
    return (*(_of_beta(rgb) or _lighter(rgb)), alpha)


def _of_beta(rgb: np.ndarray) -> tuple[float, float, float] | None:
    """A colour of viridis, or a tint of one, as it is further along; None for every other."""
    scale = mpl.colormaps["viridis"](np.linspace(0, 1, 512))[:, :3]
    for share in (1.0, *TINTS):
        apart = np.abs(scale - (rgb - 1 + share) / share).max(1)
        if apart.min() < NEAR:
            place = FROM + (1 - FROM) * float(np.argmin(apart)) / (len(scale) - 1) / LIGHTEST
            shade = share * np.array(mpl.colormaps["viridis"](min(place, 1.0))[:3])
            red, green, blue = (shade + (1 - share) * np.array(to_rgb(PAPER))).tolist()
            return red, green, blue
    return None


def _lighter(rgb: np.ndarray) -> tuple[float, float, float]:
    """The same hue as light as `DARKEST` and more, by its own lightness: mixed with white, or scaled where it is light.

    Lightness is the luminance of the sRGB values, to the power 1/2.2.
    """
    weights = np.array([0.2126, 0.7152, 0.0722])
    linear = rgb**2.2
    target = (DARKEST + RANGE * float(weights @ linear) ** (1 / 2.2)) ** 2.2
    scaled = linear * target / max(float(weights @ linear), 1e-9)
    if scaled.max() > 1:
        share = (target - float(weights @ (linear / linear.max()))) / (1 - float(weights @ (linear / linear.max())))
        scaled = linear / linear.max() * (1 - share) + share
    red, green, blue = np.clip(scaled, 0, 1) ** (1 / 2.2)
    return float(red), float(green), float(blue)
