"""Invertible networks: the autoregressive flows of zuko, which is imported when one is made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vae_rd.errors import InputError

LEAST_WIDTH = 64  # Of the two hidden layers behind each transform; 4 a unit where that is more.


class Flow(nn.Module):
    """An invertible map of [..., D] that is the identity at first, in the precision of its own parameters.

    Transform t maps a unit by a function of the units before it, in ascending order and descending in turn. One
    direction is one pass, the other takes D of them.

    Args:
        units: D.
        transforms: how many there are, one after another.
        context: numbers that the map depends on besides, [..., context]; 0 for none.
        bins: of monotonic rational-quadratic splines on [-5, 5], beyond which they are the identity; None for affine
            functions.
        word: what asks for it, as `--prior maf`, for the message where zuko is missing.

    Raises:
        InputError: zuko is not installed.

    Sources: Papamakarios et al. 2017, "Masked Autoregressive Flow for Density Estimation", arXiv 1705.07057; Durkan et
    al. 2019, "Neural Spline Flows", arXiv 1906.04032; the networks are zuko's.

    Example:
        >>> flow = Flow(3, transforms=2, word="an example")
        >>> z = torch.randn(5, 3)
        >>> moved, log_det = flow(z)
        >>> torch.equal(moved, z), log_det.tolist()
        (True, [0.0, 0.0, 0.0, 0.0, 0.0])
    """

    def __init__(self, units: int, *, transforms: int, context: int = 0, bins: int | None = None, word: str) -> None:
        super().__init__()
        flows = _zuko_flows(word)
        width = max(LEAST_WIDTH, 4 * units)
        kind, own = (flows.MAF, {}) if bins is None else (flows.NSF, {"bins": bins})
        network = {"hidden_features": (width, width), "activation": nn.SiLU}
        self.transform = kind(units, context, transforms=transforms, **own, **network).transform
        for part in self.transform.transforms:
            _begin_as_identity(part)

    def forward(self, value: Tensor, context: Tensor | None = None, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """The map of a value, or its inverse, [..., D], and ln |det| of the map's Jacobian there, [...].

        Half precision may be asked of what is around, and is switched off: ln |det| is a sum of many terms.

        Args:
            value: [..., D], in any precision, which the results are in.
            context: [..., context], batched so that the value broadcasts to it.
            inverse: whether the value is what the map leads to.
        """
        dtype, own = value.dtype, next(self.parameters()).dtype
        if context is not None:
            context = context.to(own)
            value = value.expand(*torch.broadcast_shapes(value.shape[:-1], context.shape[:-1]), -1)
        with torch.autocast(value.device.type, enabled=False):
            transform: Any = self.transform(context)
            value = value.to(own)
            if inverse:
                value = transform.inv(value)
            moved, log_det = transform.call_and_ladj(value)
        return (value if inverse else moved).to(dtype), log_det.to(dtype)


def _begin_as_identity(part: nn.Module) -> None:
    """Zeros in what the parameters of the units' functions come from: the last layer, or with one unit they alone."""
    last: Any = getattr(part, "hyper", (part,))
    for parameter in last[-1].parameters():
        nn.init.zeros_(parameter)


def _zuko_flows(word: str) -> Any:
    try:
        from zuko import flows  # Half a second that no other run should wait for.
    except ImportError:
        raise InputError(f"{word} needs zuko: pip install 'vae_rd[flows]'") from None
    return flows
