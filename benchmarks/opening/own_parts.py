"""Encoders and decoders as users write them, each with the same function in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from vae_rd import DiagonalNormal, LazyDistribution

Array = np.ndarray
Shape = tuple[int, ...]


def mlp(inputs: int, hidden: int, activation: type[nn.Module], outputs: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, outputs))


def mlp_by_hand(net: nn.Sequential, h: Array) -> Array:
    """The same in numpy and float64."""
    first, activation, second = net
    arrays = [p.detach().double().numpy() for p in (first.weight, first.bias, second.weight, second.bias)]
    inner = h @ arrays[0].T + arrays[1]
    inner = np.tanh(inner) if isinstance(activation, nn.Tanh) else np.maximum(inner, 0)
    return inner @ arrays[2].T + arrays[3]


class OwnEncoder(LazyDistribution):
    """x [B, ...] -> a diagonal normal q(z|x)."""

    def __init__(self, values: int, hidden: int, activation: type[nn.Module], dims: int) -> None:
        super().__init__()
        self.net = mlp(values, hidden, activation, 2 * dims)

    def forward(self, context: Tensor) -> DiagonalNormal:
        """Images to q."""
        return DiagonalNormal(*self.net(context.flatten(1)).chunk(2, dim=-1))

    def by_hand(self, x: Array) -> tuple[Array, Array]:
        """Means and variances, [N, d] each."""
        mean, log_variance = np.split(mlp_by_hand(self.net, x), 2, axis=-1)
        return mean, np.exp(log_variance)


class OwnDecoder(LazyDistribution):
    """z [..., d] -> a distribution of torch over [C, H, W].

    Args:
        shape: [C, H, W].
        hidden: units.
        activation: of them.
        dims: of z.
        params: numbers per value.
        make: these to a distribution of each value.
    """

    def __init__(
        self,
        shape: Shape,
        hidden: int,
        activation: type[nn.Module],
        dims: int,
        params: int,
        make: Callable[..., Distribution],
    ) -> None:
        super().__init__()
        self.shape, self.params, self.make = shape, params, make
        self.net = mlp(dims, hidden, activation, params * math.prod(shape))

    def forward(self, context: Tensor) -> Distribution:
        """Latents to p."""
        params = self.net(context).unflatten(-1, (self.params, *self.shape)).unbind(-1 - len(self.shape))
        return Independent(self.make(*params), len(self.shape))

    def by_hand(self, z: Array) -> list[Array]:
        """Parameters, [..., values] each."""
        return np.split(mlp_by_hand(self.net, z), self.params, axis=-1)


class Given(LazyDistribution):
    """A part that returns whatever `make` makes of its context."""

    def __init__(self, make: Callable[..., object]) -> None:
        super().__init__()
        self.make = make
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, context: Tensor | None = None) -> object:
        """What `make` returns."""
        return self.make(context)
