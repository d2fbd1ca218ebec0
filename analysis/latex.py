"""Texts in LaTeX."""

from __future__ import annotations

WRITTEN = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "β": r"$\beta$",
    "±": r"$\pm$",
    "−": "$-$",
    "≈": r"$\approx$",
    "–": "--",
    "Ĥ": r"$\hat{H}$",
}


def latex(text: str) -> str:
    r"""A text of a table in LaTeX.

    Example:
        >>> print(latex("D + β R"), latex("7.947 ± 0.012"), latex("target_rate"))
        D + $\beta$ R 7.947 $\pm$ 0.012 target\_rate
    """
    return "".join(WRITTEN.get(character, character) for character in text)
