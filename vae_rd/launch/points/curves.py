"""A grid over beta as curves: one for each combination of its other parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from vae_rd.config.values import typed_value
from vae_rd.errors import InputError
from vae_rd.launch.points.plan import one_run
from vae_rd.launch.points.sweep_file import SweepFile


class Curves(NamedTuple):
    """What a grid over beta asks for.

    Attributes:
        betas: those of every curve as the file has them, rising.
        others: the other parameters of each curve.
    """

    betas: list[Any]
    others: list[Mapping[str, Any]]


def curves(file: SweepFile, *, launcher: str) -> Curves:
    """The curves of a sweep file.

    Args:
        file: a grid with several betas.
        launcher: who asks, for errors.

    Raises:
        InputError: where the file is no grid over beta, or has one twice.
    """
    beta = next((parameter for parameter in file.varied if parameter.name == "beta"), None)
    if file.method != "grid" or beta is None:
        raise InputError(f"{file.path}: --launcher {launcher} goes along beta; give method: grid, and beta values")
    rising = sorted(beta.choices, key=number)
    for low, high in itertools.pairwise(rising):
        if number(low) == number(high):  # Starting from others, they might have two names.
            raise one_run(file, f"beta {low}", f"beta {high}")
    others = [parameter for parameter in file.parameters if parameter is not beta]
    combinations = itertools.product(*(parameter.choices for parameter in others))
    names = [parameter.name for parameter in others]
    return Curves(rising, [dict(zip(names, values, strict=True)) for values in combinations])


def number(beta: Any) -> float:
    """The number that a file's value of beta is."""
    return float(typed_value("beta", beta))
