"""The two bounds on I as they are shown: what I can be, where the noise of an estimate leaves that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CONTRADICTION = 3.0  # standard errors of a difference, beyond which it is no noise

Entry = Mapping[str, Any]


def shown_information(lower: Entry, upper: Entry) -> tuple[Entry, Entry]:
    """The entries of a record for the bounds on I, with 0 <= lower <= upper as far as their errors allow.

    InfoNCE and leave-one-out are means of few values where the split is small, and either may fall below 0, which I
    never does; the record has them as they are. Of two that cross within their noise the less certain one is shown
    where the other is. If they cross by more, something is wrong, and it should be seen.

    Args:
        lower: value and stderr of the lower bound; further keys pass.
        upper: of the upper bound.

    Example:
        >>> low, high = {"value": -0.085, "stderr": 0.05}, {"value": -0.16, "stderr": 0.07}
        >>> [entry["value"] for entry in shown_information(low, high)]
        [0.0, 0.0]
    """
    low, high = _not_negative(lower), _not_negative(upper)
    if low["value"] is None or high["value"] is None or low["value"] <= high["value"]:
        return low, high
    errors = low["stderr"] or 0.0, high["stderr"] or 0.0
    if low["value"] - high["value"] > CONTRADICTION * math.hypot(*errors):
        return low, high
    surer = low if errors[0] < errors[1] else high
    return low | {"value": surer["value"]}, high | {"value": surer["value"]}


def _not_negative(entry: Entry) -> dict[str, Any]:
    return {**entry, "value": None if entry["value"] is None else max(0.0, entry["value"])}
