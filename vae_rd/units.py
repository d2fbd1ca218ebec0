"""Nats inside, other units at the edge: this module holds the only ln 2 and ln 2 pi of the project."""

from __future__ import annotations

import math
from typing import Literal, get_args

Unit = Literal["nats", "bits", "bits_per_dim"]
UNITS: tuple[Unit, ...] = get_args(Unit)

NATS_PER_BIT = math.log(2.0)
LN_2PI = math.log(2.0 * math.pi)


def per_nat(unit: Unit, *, dims: int) -> float:
    """How many of `unit` one nat of an example with `dims` observed dimensions is worth.

    Example:
        >>> round(per_nat("bits", dims=784), 6)
        1.442695
        >>> round(per_nat("bits_per_dim", dims=2), 6)
        0.721348
    """
    match unit:
        case "nats":
            return 1.0
        case "bits":
            return 1.0 / NATS_PER_BIT
        case "bits_per_dim":
            return 1.0 / (NATS_PER_BIT * dims)
