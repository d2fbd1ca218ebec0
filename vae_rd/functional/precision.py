"""The precision that sums of many terms take."""

from __future__ import annotations

from torch import Tensor


def at_least_single(values: Tensor) -> Tensor:
    """`values` in single precision if they come in less: densities are sums over hundreds of terms."""
    return values.float() if values.dtype.itemsize < 4 else values
