"""Records with one thing wrong: each key left out, each value replaced by one of another kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
INSTEAD: tuple[Any, ...] = (None, True, -1, 0.5, float("nan"), "word", [], ["word", 1], {}, {"word": [1]})
DEEPEST = 6


def places(value: object, above: Path = ()) -> Iterator[Path]:
    """Where there is something in a record: keys of mappings, and the first entry of a list."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and len(above) < DEEPEST:
        parts = list(enumerate(value))[:1]
    for key, part in parts:
        yield (*above, key)
        yield from places(part, (*above, key))


def mutants(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record with what was done to it."""
    for place in places(record):
        name = " ".join(map(str, place))
        yield f"{name} left out", changed(record, place)
        for value in INSTEAD:
            yield f"{name} is {value!r}", changed(record, place, value)


def changed(record: dict[str, Any], place: Path, *value: Any) -> dict[str, Any]:
    """A copy with another value in one place, or without one."""
    made = copy.deepcopy(record)
    inner: Any = made
    for key in place[:-1]:
        inner = inner[key]
    if value:
        inner[place[-1]] = value[0]
    else:
        del inner[place[-1]]
    return made
