"""Convolutional trunks for images, sequences and volumes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn

from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape


class Layers(NamedTuple):
    """torch's layers over so many axes."""

    conv: type[nn.Conv1d | nn.Conv2d | nn.Conv3d]
    transposed: type[nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d]
    pad: Callable[[Any], nn.Module]


OVER: dict[int, Layers] = {
    1: Layers(nn.Conv1d, nn.ConvTranspose1d, nn.ZeroPad1d),
    2: Layers(nn.Conv2d, nn.ConvTranspose2d, nn.ZeroPad2d),
    3: Layers(nn.Conv3d, nn.ConvTranspose3d, nn.ZeroPad3d),
}


def conv_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """One convolution of width 4 and stride 2 per entry of `hidden`, each activated, over the axes after the channels.

    Sizes halve, rounded up; any L, H x W or D x H x W.

    Example:
        >>> import torch
        >>> conv_encoder((1, 28, 25), [8, 16])(torch.zeros(2, 1, 28, 25)).shape
        torch.Size([2, 784])
        >>> conv_encoder((3, 13), [8, 16])(torch.zeros(2, 3, 13)).shape
        torch.Size([2, 64])
    """
    channels, sizes, over = [shape[0], *hidden], halvings(shape, len(hidden)), OVER[len(shape) - 1]
    layers: list[nn.Module] = []
    for (a, b), size in zip(pairwise(channels), sizes, strict=False):
        layers += [over.pad(padding(size)), over.conv(a, b, 4, stride=2), activation()]
    return EncoderTrunk(*layers, nn.Flatten(), features=channels[-1] * math.prod(sizes[-1]))


def conv_decoder(
    shape: Shape, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU
) -> nn.Sequential:
    """The mirror of `conv_encoder`: a linear layer to the coarsest grid, then transposed convolutions cropped to size.

    Example:
        >>> import torch
        >>> conv_decoder((1, 28, 25), [8, 16], latent_dim=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 28, 25])
        >>> conv_decoder((2, 5, 6, 7), [8], latent_dim=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 2, 5, 6, 7])
    """
    sizes, over = halvings(shape, len(hidden)), OVER[len(shape) - 1]
    coarse = (hidden[-1], *sizes[-1])
    layers: list[nn.Module] = [nn.Linear(latent_dim, math.prod(coarse)), nn.Unflatten(1, coarse), activation()]
    channels = [*reversed(hidden), shape[0]]
    for (a, b), size in zip(pairwise(channels), reversed(sizes[:-1]), strict=True):
        layers += [over.transposed(a, b, 4, stride=2, padding=1), Crop(size), activation()]
    return nn.Sequential(*layers[:-1])


class Crop(nn.Module):
    """Cut the bottom and right edge of [B, C, H, W] to a given size; the end of any other axes likewise."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, C, *size]."""
        for axis, side in enumerate(self.size, start=-len(self.size)):
            images = images.narrow(axis, 0, side)
        return images


def padding(size: Sequence[int]) -> tuple[int, ...]:
    """Of each side, the last first: one before and one behind, and of an odd side one more, so that its half rounds up.

    Example:
        >>> padding((28, 25))
        (1, 2, 1, 1)
    """
    return tuple(width for side in reversed(size) for width in (1, 1 + side % 2))


def halvings(shape: Shape, stages: int) -> list[tuple[int, ...]]:
    """The sizes after the channels after 0, 1, ... `stages` halvings, rounded up."""
    sizes = [tuple(shape[1:])]
    for _ in range(stages):
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes
