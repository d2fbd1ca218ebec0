"""One look for all figures: a journal column wide, legible in print, told apart without colour vision."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_rd.units import Unit, per_nat

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # Words are written without it.

COLUMN = 3.4  # inches: one column of a two-column paper
HEAD_WIDTH = 48  # characters of what stands above the entries of a legend
LIGHTEST = 0.84  # of viridis, the rest of which is too pale on white
TINTS = (0.4, 0.25)  # shares of a colour in the tints that marks have
LETTER, DIGIT = 0.52, 0.66  # of the size of letters, how wide one is on the average, and a digit at most
WORTH = r"exact|monte carlo|an estimate"  # words for what H is worth
SHORT_BRACKET = r"2 s\.e\.|forecast|Fano|\$|\d+$|\d+ components"  # what is no source
SHORT = 6  # characters of a beta that are written whatever they are
INK, GREY, PALE, PALER = "#262626", "#6b6b6b", "#ececec", "#f6f6f6"
WARNING = "#d55e00"  # Okabe-Ito vermillion

STYLE: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.formatter.useoffset": False,  # A sum or a factor over the axis would lie under its legend.
    "axes.formatter.limits": (-7, 9),
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "legend.borderaxespad": 0.4,
    "legend.borderpad": 0.1,
    "legend.labelspacing": 0.25,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "figure.autolayout": False,  # Figures lay themselves out, once.
    "figure.constrained_layout.use": False,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.02,
    "pdf.fonttype": 42,  # TrueType, embedded: text stays text
    "text.hinting": "none",  # letters are as wide at any resolution
    "svg.fonttype": "path",
    "svg.hashsalt": "vae_rd",  # the same figure gives the same file
    "savefig.dpi": 300,
}

Colour = tuple[float, float, float, float]
Colours = Mapping[float, Colour]  # of each beta
Mark = dict[str, Any]  # keyword arguments of Axes.plot


def beta_colours(betas: Iterable[float]) -> dict[float, Colour]:
    """A colour for each beta along viridis, its palest part left out: see `beta_places`.

    Example:
        >>> list(beta_colours([4.0, 0.0, 1.0]))
        [0.0, 1.0, 4.0]
    """
    import matplotlib as mpl

    return _ColoursOfBeta((b, mpl.colormaps["viridis"](LIGHTEST * s)) for b, s in beta_places(betas).items())


def beta_places(betas: Iterable[float]) -> dict[float, float]:
    """The place of each beta on a scale of colours, from 0 to 1; 0 comes one step before the rest.

    Places are midway between log beta and rank: the scale is logarithmic, yet one far beta leaves the others apart.

    Example:
        >>> beta_places([100.0, 1.0, 10.0])
        {1.0: 0.0, 10.0: 0.5, 100.0: 1.0}
    """
    ordered = sorted({beta for beta in betas if not math.isnan(beta)})
    if not ordered:
        return {}
    logs = np.log([b for b in ordered if b > 0])
    if ordered[0] == 0:
        step = max(float(np.ptp(logs)) / max(len(logs) - 1, 1), 1.0) if len(logs) else 1.0
        logs = np.concatenate([logs[:1] - step if len(logs) else [0.0], logs])
    ranks = np.linspace(0, 1, len(logs))
    shares = (ranks + (logs - logs[0]) / np.ptp(logs)) / 2 if len(logs) > 1 else np.array([0.4])
    return dict(zip(ordered, shares.tolist(), strict=True))


class _ColoursOfBeta(dict[float, Colour]):
    """Grey for a run without a slope, whose beta is NaN."""

    def __missing__(self, beta: float) -> Colour:
        if math.isnan(beta):
            import matplotlib as mpl

            return mpl.colors.to_rgba(GREY)
        raise KeyError(beta)


def pale(colour: Colour | str, share: float = TINTS[0]) -> Colour:
    """A colour as it looks at a share of its strength on white; opaque, so that marks do not add up.

    Example:
        >>> pale("black", 0.25)
        (0.75, 0.75, 0.75, 1.0)
    """
    import matplotlib as mpl

    red, green, blue = (share * part + 1 - share for part in mpl.colors.to_rgb(colour))
    return red, green, blue, 1.0


def unit_label(units: Unit) -> str:
    """The unit as axis labels write it.

    Example:
        >>> unit_label("bits_per_dim")
        'bits/dim'
    """
    return units.replace("_per_", "/")


def number(value: float) -> str:
    """Two decimals, or three significant digits below 1.

    Example:
        >>> number(8.23642), number(0.046412), number(-12.3)
        ('8.24', '0.0464', '−12.30')
    """
    return (f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}").replace("-", "\N{MINUS SIGN}")


def cap_label(cap: float, *, units: Unit, dims: int) -> str:
    """InfoNCE's cap with the number of reference points it is the logarithm of.

    Example:
        >>> cap_label(9.210340, units="nats", dims=784)
        'cap ln 10000 = 9.21'
    """
    points = round(math.exp(cap / per_nat(units, dims=dims)))
    logarithm = {"nats": f"ln {points}", "bits": f"log2 {points}", "bits_per_dim": f"log2({points})/dim"}[units]
    return f"cap {logarithm} = {number(cap)}"


def small_letters() -> float:
    """Points of the letters of legends under the settings that hold."""
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points())


def characters(width: float) -> int:
    """How many letters of a legend a width in inches holds.

    Example:
        >>> import matplotlib as mpl
        >>> with mpl.rc_context({"legend.fontsize": 7}):
        ...     characters(3.4)
        67
    """
    return int(72 * width / (LETTER * small_letters()))


def length(text: str) -> int:
    r"""How many letters a text has when its formulas are set.

    Example:
        >>> length(r"$\hat{H} - D$ alone")
        11
    """
    return max((len(re.sub(r"\\hat|\\[a-z]+ ?(?=.)|[{}$^_]", _as_set, line)) for line in text.splitlines()), default=0)


def _as_set(found: re.Match[str]) -> str:
    return "" if found[0][0] in "{}$^_" or found[0] == r"\hat" else "x "[: len(found[0].rstrip()) > 0]


def plain(text: str) -> str:
    """Text in which matplotlib finds no mathematics.

    Example:
        >>> plain("cost$")
        'cost\\\\$'
    """
    return text.replace("$", r"\$")


def wrapped(text: str) -> str:
    """Text for the head of a legend in lines of its width, in which matplotlib finds no mathematics.

    Example:
        >>> len(wrapped("runs differ in " + "lr " * 20).splitlines())
        2
    """
    return textwrap.fill(plain(text), HEAD_WIDTH)


def broken(text: str, width: int) -> str:
    """Text in lines of a width; formulas between dollars are not broken."""
    formulas = text.split("$")
    kept = "$".join(part.replace(" ", "\N{NO-BREAK SPACE}") if i % 2 else part for i, part in enumerate(formulas))
    lines = [line for part in kept.splitlines() for line in textwrap.wrap(part, width, break_long_words=False)]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def beta_words(betas: Iterable[float]) -> dict[float, str]:
    """Each beta as figures write it: three digits of a long one, and more where these do not tell it from another.

    Example:
        >>> beta_words([0.0317846, 4.0, 1000.0])
        {0.0317846: '0.0318', 4.0: '4', 1000.0: '1000'}
        >>> beta_words([0.0317846, 0.0318123])
        {0.0317846: '0.03178', 0.0318123: '0.03181'}
    """
    found = sorted(set(betas))
    for digits in range(3, 18):
        words = {beta: _short(beta, digits) for beta in found}
        if len(set(words.values())) == len(words):
            break
    return words


def _short(beta: float, digits: int) -> str:
    exact = f"{beta:g}" if digits <= 6 else f"{beta:.{digits}g}"
    return exact if len(exact) <= SHORT else min(exact, f"{beta:.{digits}g}", key=len)


def sourced(head: str, source: str) -> str:
    """What a mark means with its source in brackets, which `shortened` leaves out.

    Example:
        >>> sourced("$H$ = 8.24 nats", "exact, ln N")
        '$H$ = 8.24 nats (exact, ln N)'
    """
    return f"{head} ({plain(source)})"


def shortened(label: str) -> str:
    """What a mark means without its source, but for what it is worth; the numbers beside a figure have the sources.

    Example:
        >>> shortened("$H$ = 8.24 nats (exact, ln N)"), shortened("the decoder (AIS, 16 chains (HMC))")
        ('$H$ = 8.24 nats (exact)', 'the decoder')
        >>> shortened("open: train; test (bars: 2 s.e.)"), shortened("$I$, exact (2 s.e.)")
        ('open: train; test', '$I$, exact (2 s.e.)')
    """
    found = re.fullmatch(r"(.*?) \((.*)\)", label, re.DOTALL)
    if found is None or re.match(SHORT_BRACKET, found[2]):
        return label
    worth = re.match(WORTH, found[2])
    return f"{found[1]} ({worth[0]})" if worth else found[1]


def key(ax: Axes, label: str, **line: Any) -> None:
    """Add an entry to the legend of `ax` that stands for marks of every colour."""
    ax.plot([], [], label=label, **{"color": GREY, "linestyle": "none", **line})
