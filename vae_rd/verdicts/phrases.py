"""Parts of what a verdict on latents says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
SHOWN = 12  # Units on a line.


def units_listed(units: Sequence[int]) -> str:
    """Units by number, from 0 as in the record.

    Example:
        >>> units_listed([2, 5]), units_listed([3])
        ('units 2, 5', 'unit 3')
    """
    shown = [str(unit) for unit in units]
    if len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 1], "...", shown[-1]]
    return f"unit{'s' if len(units) > 1 else ''} {', '.join(shown)}"


def in_nats(entry: Entry) -> str:
    """A value with its standard error, if that is known.

    Example:
        >>> in_nats({"value": 0.304, "stderr": 0.02}), in_nats({"value": 1.0, "stderr": None})
        ('0.30 ± 0.02 nats', '1.00 nats')
    """
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.2f}"
    return f"{entry['value']:.2f}{stderr} nats"


def bounded_information(verdict: Entry) -> str:
    """What is known of I from above."""
    information = verdict["information"]["value"]
    return "not known" if information is None else f"at most {max(0.0, information):.2f}"
