"""Weights that networks start from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def layers_of(network: nn.Module) -> list[Layer]:
    """Its layers that have weights, in their order."""
    return [module for module in network.modules() if isinstance(module, Layer)]


def as_built(layers: Sequence[Layer]) -> None:
    """Leave torch's own weights: uniform, of variance 1 / (3 fan in)."""


def he(layers: Sequence[Layer]) -> None:
    """Normal weights of variance 2 / fan in and no biases: signals keep their size from layer to layer.

    Source: He et al. 2015, "Delving Deep into Rectifiers", arXiv 1502.01852.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> layer = nn.Linear(500, 300)
        >>> he([layer])
        >>> round(layer.weight.var().item() * 500, 1)
        2.0
    """
    for layer in layers:
        nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_in(layer)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def fan_in(layer: Layer) -> float:
    """How many inputs one output of a layer sums, away from the edges of an image.

    Example:
        >>> fan_in(nn.Conv2d(3, 8, 4, stride=2)), fan_in(nn.ConvTranspose2d(3, 8, 4, stride=2))
        (48.0, 12.0)
    """
    if isinstance(layer, nn.Linear):
        return float(layer.in_features)
    window = float(layer.in_channels * math.prod(layer.kernel_size) // layer.groups)
    return window / math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else window
