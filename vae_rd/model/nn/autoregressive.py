"""What autoregressive trunks share: networks from x and z to likelihood parameters, each of which sees earlier values.

The parameters of a value of x depend on z and on the values before it in the `Raster`, and on no other. Then

    p(x|z) = prod_i p(x_i | x_<i, z)

is a density over images that one pass over a given x evaluates, whatever likelihood reads the parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from vae_rd.model.nn.raster import Raster

# (step, x [B, C, H, W]) to the parameters of that step's values, [B, k c, h, w]; asked for one step after another, with
# the values of all steps before it in x.
Walk = Callable[[int, Tensor], Tensor]


class AutoregressiveTrunk(nn.Module, ABC):
    """A network from x and z to parameters of p(x|z) in which no value sees itself or a later one.

    Args:
        raster: the order of the values, and what one step has.
    """

    def __init__(self, raster: Raster) -> None:
        super().__init__()
        self.raster = raster

    @abstractmethod
    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x [B, C, H, W] and z [B, D] to parameters [B, k C, H, W]."""

    def walk(self, z: Tensor) -> Walk:
        """How images given z [B, D] are drawn: here by a whole pass of the network at each step."""
        return lambda step, x: self.raster.crop(self(x, z), step)
