"""What the command lines of `evaluate` and `sweep` are parsed with; that of `fit` is its config."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
from collections.abc import Callable
from typing import NoReturn

from vae_rd.errors import InputError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise InputError(f"{message}; see --help")


def logspaced(text: str) -> list[float]:
    """The n numbers of logspace(a, b, n), from 10^a to 10^b, with six digits each; none of any other text.

    Raises:
        ValueError: where a or b is no number.
        OverflowError: where a number is too large.

    Example:
        >>> logspaced("logspace(-1, 0, 3)"), logspaced("[1, 2]")
        ([0.1, 0.316228, 1.0], [])
    """
    spaced = re.fullmatch(r"logspace\(([^,]+),([^,]+),\s*(\d+)\s*\)", text.strip())
    if spaced is None:
        return []
    first, last, n = float(spaced[1]), float(spaced[2]), int(spaced[3])
    return [float(f"{10 ** (first + (last - first) * i / max(1, n - 1)):g}") for i in range(n)]


def betas(text: str) -> list[float]:
    """The type of an option that takes betas: a list, or logspace(a, b, n), n from 10^a to 10^b; with six digits each.

    Example:
        >>> betas("logspace(-2, 1, 4)"), betas("[0.5, 2]")
        ([0.01, 0.1, 1.0, 10.0], [0.5, 2.0])
    """
    found: list[float] = []
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        found = logspaced(text) or [float(value) for value in json.loads(text)]
    if not found or not all(0 < beta < math.inf for beta in found):
        raise argparse.ArgumentTypeError(f'{text}: give betas above 0 as "[0.1, 1]" or "logspace(-2, 1, 20)"')
    return [float(f"{beta:g}") for beta in found]


def above_zero(text: str) -> float:
    """The type of an option that takes a number above 0.

    Example:
        >>> above_zero("2.5")
        2.5
    """
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text}: give a number above 0")


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes whole numbers from `least` on, or to `most`.

    Example:
        >>> whole(1)("12")
        12
    """

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= (most or int(text))):
            raise argparse.ArgumentTypeError(
                f"{text}: give a whole number from {least} {f'to {most}' if most else 'on'}"
            )
        return int(text)

    return number
