"""Which of the runs at hand share a data set, and what to call each: numbers of two of them share no axes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

LONGEST = 44  # characters of what sets a data set apart from its namesakes


def data_sets(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each data set by its name, in the order of `runs`.

    A data set is its name, sizes, shape, scale and parameters. Where two have one name, what differs is added to it,
    as in "gaussian, n train 1000".

    Args:
        runs: from `load_runs`.
    """
    parts = [(json.loads(str(card)), rows) for card, rows in runs.groupby("card", sort=False)]
    cards = [card for card, _ in parts]
    found: dict[str, pd.DataFrame] = {}
    for card, rows in parts:
        name = _name(card, [other for other in cards if other["name"] == card["name"]])
        found[name if name not in found else f"{name} ({len(found) + 1})"] = rows
    return found


def _name(card: Mapping[str, Any], namesakes: Sequence[Mapping[str, Any]]) -> str:
    """The card's name and what not all namesakes, itself among them, have in common with it."""
    others = [dict(_flat(other)) for other in namesakes]  # A size may be among the parameters as well.
    own = [
        f"{key} {value}"
        for key, value in dict(_flat(card)).items()
        if any(key not in other or other[key] != value for other in others)
    ]
    return ", ".join([str(card["name"]), *([textwrap.shorten(", ".join(own), LONGEST)] if own else [])])


def _flat(card: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """What a card says, one fact after the other; sizes keep the word before them, as in "n train"."""
    for key, value in card.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if key == "params" else f"{above}{key} ")
        else:
            yield f"{above}{key}".replace("_", " "), value
