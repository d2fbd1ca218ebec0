"""What the command lines of `evaluate` and `sweep` are parsed with; that of `fit` is its config."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from vae_rd.errors import InputError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise InputError(f"{message}; see --help")


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
