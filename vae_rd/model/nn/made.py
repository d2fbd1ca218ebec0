"""A fully connected network whose layers are masked so that each value of x sees the ones before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_rd.model.nn.autoregressive import AutoregressiveTrunk
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.trunk import Activation

BEFORE_ALL = -1  # The degree of a unit that sees z alone.


class MaskedLinear(nn.Module):
    """(mask * W) h + V z + b: a layer some of whose connections are cut, with a code that all its units see.

    Each row starts as torch's linear layers do, by the number of connections that it keeps.

    Args:
        mask: which inputs each output sees, [outputs, inputs], of 0 and 1.
        latent_dim: D.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)
        self.code = nn.Linear(latent_dim, len(mask))
        width = self.mask.sum(1, keepdim=True).clamp_min(1).rsqrt()
        self.weight = nn.Parameter((2 * torch.rand(mask.shape) - 1) * width)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """h [B, inputs] and z [B, D] to [B, outputs]."""
        return F.linear(h, self.weight * self.mask) + self.code(z)


class Made(AutoregressiveTrunk):
    """Masked layers on the flattened values of x, each with a linear map of z added.

    A hidden unit of degree d sees z and the values up to step d; the parameters of step s see the units of degree below
    s. Degrees lie evenly over all steps, and begin with units that see z alone.

    Source: Germain et al. 2015, "MADE: Masked Autoencoder for Distribution Estimation", arXiv 1502.03509.

    Args:
        raster: the order of the values.
        widths: of the hidden layers.
        latent_dim: D.
        activation: between the layers.
    """

    def __init__(self, raster: Raster, widths: Sequence[int], latent_dim: int, activation: Activation) -> None:
        super().__init__(raster)
        degrees = [raster.step.flatten(), *(_degrees(width, raster.steps) for width in widths)]
        layers = [MaskedLinear(b[:, None] >= a, latent_dim) for a, b in pairwise(degrees)]
        last = raster.parameter_step.flatten()
        self.layers = nn.ModuleList(layers)
        self.last = MaskedLinear(last[:, None] > degrees[-1], latent_dim)
        self.activations = nn.ModuleList(activation() for _ in layers)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x [B, C, H, W] and z [B, D] to parameters [B, k C, H, W]."""
        h = x.flatten(1)
        for layer, activation in zip(self.layers, self.activations, strict=True):
            h = activation(layer(h, z))
        return self.last(h, z).unflatten(1, self.raster.parameter_shape)


def made(raster: Raster, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU) -> Made:
    """A masked network with one hidden layer of each width of `hidden`, in reverse as in every decoder.

    Example:
        >>> network = made(Raster((3, 4, 5), params_per_value=2), [16], latent_dim=2)
        >>> network(torch.zeros(7, 3, 4, 5), torch.zeros(7, 2)).shape
        torch.Size([7, 6, 4, 5])
    """
    return Made(raster, list(reversed(hidden)), latent_dim, activation)


def _degrees(width: int, steps: int) -> Tensor:
    """`width` degrees from BEFORE_ALL to the last step but one, as even as can be.

    Example:
        >>> _degrees(8, steps=4).tolist()
        [-1, -1, 0, 0, 1, 1, 2, 2]
    """
    return torch.tensor([math.floor(unit * steps / width) + BEFORE_ALL for unit in range(width)])
