"""Texts in LaTeX."""

from __future__ import annotations

import re

WRITTEN = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    **{sign: f"${sign}$" for sign in "<>|"},  # Text letters of LaTeX's own encoding have other signs there.
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "β": r"$\beta$",
    "±": r"$\pm$",
    "−": "$-$",
    "≈": r"$\approx$",
    "≤": r"$\le$",
    "–": "--",
    "Ĥ": r"$\hat{H}$",
}
QUANTITIES = re.compile(r"β|n|I|[DRH](?: [+−] (?:β )?[DRH])?")  # names of columns that are formulas
ERROR = re.compile(r" ± ([\d.]+)")


def latex(text: str) -> str:
    r"""A text of a table in LaTeX; a standard error after its value is a subscript.

    Example:
        >>> print(latex("7.947 ± 0.012"), latex("−0.5"), latex("target_rate"), latex("± is one standard error"))
        7.947$_{\pm 0.012}$ $-$0.5 target\_rate $\pm$ is one standard error
    """
    value, *rest = ERROR.split(text)  # Every other one is a standard error.
    pieces = [rf"$_{{\pm {piece}}}$" if place % 2 == 0 else _escaped(piece) for place, piece in enumerate(rest)]
    return _escaped(value) + "".join(pieces)


def head(name: str) -> str:
    r"""The name of a column in LaTeX: a formula where it is one.

    Example:
        >>> print(head("D + β R"), head("H − D"), head("seed"), head("latent_dim"))
        $D + \beta R$ $H - D$ seed latent\_dim
    """
    formula = name.replace("β", r"\beta").replace("−", "-")
    return f"${formula}$" if QUANTITIES.fullmatch(name) else latex(name)


def _escaped(text: str) -> str:
    return "".join(WRITTEN.get(character, character) for character in text)
