"""The ends between which I lies, as they are shown: what I can be, where the noise of an estimate leaves that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CONTRADICTION = 3.0  # standard errors of a difference, beyond which it is no noise

Entry = Mapping[str, Any]


def shown_information(lower: Entry, upper: Entry, rate: Entry) -> tuple[Entry, Entry]:
    """The entries of a record for the bounds on I, with 0 <= lower <= upper as far as their errors allow.

    InfoNCE and leave-one-out are means of few values where the split is small, and either may fall below 0, which I
    never does; the record has them as they are. An upper bound that is estimated below the lower one, within their
    noise, gives way to R, which bounds I as well; where R is less too, nothing but R is known. If they cross by more,
    something is wrong, and it should be seen.

    Args:
        lower: value, stderr and kind of the lower bound, "bound" where it is one; further keys pass.
        upper: of the upper bound.
        rate: of R.

    Example:
        >>> low, high = {"value": -0.085, "stderr": 0.05, "kind": "bound"}, {"value": -0.16, "stderr": 0.07}
        >>> [entry["value"] for entry in shown_information(low, high, {"value": 2.5, "stderr": 0.1})]
        [0.0, 2.5]
    """
    low, high = _not_negative(lower), _not_negative(upper)
    if lower["kind"] != "bound" or not _crosses(low, upper) or _contradicts(lower, upper):
        return low, high
    if rate["value"] is None or not _crosses(low, rate) or _contradicts(lower, rate):
        return low, rate
    return {**low, "value": rate["value"]}, rate


def _crosses(lower: Entry, upper: Entry) -> bool:
    return None not in (lower["value"], upper["value"]) and lower["value"] > upper["value"]


def _contradicts(lower: Entry, upper: Entry) -> bool:
    noise = math.hypot(lower["stderr"] or 0.0, upper["stderr"] or 0.0)
    return bool(lower["value"] - upper["value"] > CONTRADICTION * noise)


def _not_negative(entry: Entry) -> dict[str, Any]:
    return {**entry, "value": None if entry["value"] is None else max(0.0, entry["value"])}
