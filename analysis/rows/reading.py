"""Parts of a record as they are taken apart: what is missing or of another kind is named as damage.

Only what is read here can be damage; an error of any other kind is a fault of the code, and stays one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.record import RunRecord, Unreadable

AGAIN = "evaluate or fit the run again"


class Damaged(Exception):
    """A record is not as a run leaves it; the message says what of it."""


def record_of(folder: str | Path) -> RunRecord:
    """The record in a folder, one of a later schema version for what is known of it.

    Raises:
        Damaged: where there is none that can be read.
    """
    try:
        return RunRecord.attempt(Path(folder), newer=True)
    except Unreadable as fault:
        raise Damaged(str(fault)) from None


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Turn damage into an InputError of one line that names the record, for who needs just this run."""
    try:
        yield
    except Damaged as damage:
        raise InputError(f"{folder / RECORD_FILE}: damaged, {damage}; {AGAIN}") from None


class Part:
    """A mapping in a record.

    Args:
        content: what stands there.
        name: its place in the record.

    Raises:
        Damaged: where it is no mapping; so do all methods for what is missing or of another kind.

    Example:
        >>> rate = Part({"value": 2.5, "stderr": None}, "rate")
        >>> rate.number("value"), rate.number("stderr")
        (2.5, nan)
        >>> rate.number("n")
        Traceback (most recent call last):
            ...
        analysis.rows.reading.Damaged: it lacks rate n
    """

    def __init__(self, content: object, name: str) -> None:
        if not isinstance(content, Mapping):
            raise Damaged(f"{name} is no mapping")
        self.content, self.name = content, name

    def __contains__(self, key: str) -> bool:
        return self.content.get(key) is not None

    def value(self, key: str) -> Any:
        """Whatever stands there."""
        if key not in self.content:
            raise Damaged(f"it lacks {self.name} {key}")
        return self.content[key]

    def part(self, key: str) -> Part:
        """A mapping."""
        return Part(self.value(key), f"{self.name} {key}")

    def optional(self, key: str) -> Part:
        """A mapping, empty where there is none or null."""
        return Part(self.content.get(key) or {}, f"{self.name} {key}")

    def number(self, key: str) -> float:
        """A number, NaN where it is null or not finite."""
        return self._finite(self.value(key), key)

    def maybe(self, key: str) -> float:
        """A number, NaN where it is missing too."""
        return self._finite(self.content.get(key), key)

    def whole(self, key: str) -> int:
        """A whole number."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Damaged(f"{self.name} {key} {value!r} is no whole number")
        return value

    def numbers(self, key: str) -> list[float]:
        """A list of numbers."""
        return [self._finite(value, key) for value in self.items(key)]

    def wholes(self, key: str) -> list[int]:
        """A list of whole numbers from 1."""
        values = self.items(key)
        if not all(type(value) is int and value >= 1 for value in values):
            raise Damaged(f"{self.name} {key} {values!r} are no sizes")
        return values

    def items(self, key: str) -> list[Any]:
        """A list."""
        value = self.value(key)
        if not isinstance(value, list):
            raise Damaged(f"{self.name} {key} is no list")
        return value

    def parts(self, key: str) -> list[Part]:
        """A list of mappings."""
        return [Part(value, f"{self.name} {key}") for value in self.items(key)]

    def text(self, key: str) -> str:
        """A text, which must be there."""
        value = self.value(key)
        if not isinstance(value, str):
            raise Damaged(f"{self.name} {key} {value!r} is no text")
        return value

    def word(self, key: str) -> str | None:
        """A text, None where there is none or null."""
        value = self.content.get(key)
        if not isinstance(value, str | None):
            raise Damaged(f"{self.name} {key} {value!r} is no text")
        return value

    def truth(self, key: str) -> bool | None:
        """True or false, None where there is neither."""
        value = self.content.get(key)
        if not isinstance(value, bool | None):
            raise Damaged(f"{self.name} {key} {value!r} is neither true nor false")
        return value

    def _finite(self, value: object, key: str) -> float:
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Damaged(f"{self.name} {key} {value!r} is not a number")
        return float(value) if math.isfinite(value) else math.nan
