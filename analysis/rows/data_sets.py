"""Which of the runs at hand share a data set, and what to call each: numbers of two of them share no axes.

A data set is its pixels and what a run made of them. Where they lay is no part of it, nor are two of one name the same.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

LONGEST = 44  # characters of what sets a data set apart from its namesakes
LONGEST_FILE = 32  # characters of a file's name
DIGITS = 6  # of a checksum, enough to tell apart what is at hand
LATER = ("content", "levels", "is_own", "file_sha256")  # what older cards lack
SAID = ("file", "reading", "notes", "split")  # of the parameters: words of a reader, and where the pixels lay
CHECKSUMS = ("content", "sha256 pixels")  # of a card, and of the parameters of an older one
Card = Mapping[str, Any]


def first_cards(cards: Iterable[str]) -> dict[str, str]:
    """Each card to the first one of the same data, both as JSON.

    Cards of one content are the same data where all else but the name of the file is equal. One without it, being
    older, is that of a namesake that is equal but for this, unless there are several.

    Args:
        cards: in the order of their runs.
    """
    found = list(dict.fromkeys(cards))
    whats = {card: _what_it_is(json.loads(card)) for card in found}
    known: dict[str, list[tuple[Any, ...]]] = {}
    for facts, *pixels in whats.values():
        if pixels[0] is not None and tuple(pixels) not in known.setdefault(facts, []):
            known[facts].append(tuple(pixels))
    firsts: dict[tuple[Any, ...], str] = {}
    of: dict[str, str] = {}
    for card, (facts, content, levels) in whats.items():
        only = known.get(facts, [])
        joins = content is None and len(only) == 1 and levels in (None, only[0][1])
        of[card] = firsts.setdefault((facts, *only[0]) if joins else (facts, content, levels), card)
    return of


def _what_it_is(card: Card) -> tuple[str, str | None, int | None]:
    """What all cards say of their data, less where it lay; the checksum of its pixels; their levels."""
    facts = {key: value for key, value in card.items() if key not in LATER}
    params = {key: value for key, value in card.get("params", {}).items() if key not in SAID}
    return json.dumps(facts | {"params": params}, sort_keys=True), card.get("content"), card.get("levels")


def data_sets(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each data set by its name, in the order of `runs`.

    A data set is its name, sizes, shape, scale and parameters, and the content of its pixels where that is known. One's
    own is called by its file and the first digits of its checksum, as in "npz digits.npz 1a2b3c". Where two have one
    name, what differs is added to it, as in "gaussian, n train 1000".

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


def _name(card: Card, namesakes: Sequence[Card]) -> str:
    """What the card is called, and what not all namesakes, itself among them, have in common with it."""
    others = [dict(_flat(other)) for other in namesakes]  # A size may be among the parameters as well.
    own = [
        f"{key} {value}"
        for key, value in dict(_flat(card)).items()
        if key not in (*SAID, "file sha256", *CHECKSUMS) and any(_differs(key, value, other) for other in others)
    ]
    several = len({_checksum(other) for other in others}) > 1
    called = _called(card, has_checksum=several)
    return ", ".join([called, *([textwrap.shorten(", ".join(own), LONGEST)] if own else [])])


def _differs(key: str, value: object, other: Card) -> bool:
    return other[key] != value if key in other else key.replace(" ", "_") not in LATER


def _called(card: Card, *, has_checksum: bool) -> str:
    """The word of --data or the name from Python; of one's own data the file too, and digits of the checksum."""
    facts = dict(_flat(card))
    is_own = bool(facts.get("is own") or "file" in facts or "sha256 pixels" in facts)
    checksum = _checksum(facts) if is_own or has_checksum else None
    return " ".join(filter(None, (str(card["name"]), _short(facts.get("file", "")), checksum and checksum[:DIGITS])))


def _short(file: str) -> str:
    """The beginning and the end of a long file name, which mostly differs in one of them."""
    return file if len(file) <= LONGEST_FILE else f"{file[: LONGEST_FILE // 2]}...{file[3 - LONGEST_FILE // 2 :]}"


def _checksum(facts: Card) -> str | None:
    return next((str(facts[key]) for key in CHECKSUMS if facts.get(key)), None)


def _flat(card: Card, above: str = "") -> Iterator[tuple[str, Any]]:
    """What a card says, one fact after the other; sizes keep the word before them, as in "n train"."""
    for key, value in card.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if key == "params" else f"{above}{key} ")
        else:
            yield f"{above}{key}".replace("_", " "), value
