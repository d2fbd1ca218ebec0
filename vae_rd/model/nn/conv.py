"""Convolutional trunks for any image size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape


def conv_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """One 4x4 convolution of stride 2 per entry of `hidden`, each activated; any H x W (sizes halve, rounded up).

    Example:
        >>> import torch
        >>> conv_encoder((1, 28, 25), [8, 16])(torch.zeros(2, 1, 28, 25)).shape
        torch.Size([2, 784])
    """
    channels, sizes = [shape[0], *hidden], halvings(shape, len(hidden))
    layers: list[nn.Module] = []
    for (a, b), (height, width) in zip(pairwise(channels), sizes, strict=False):
        # An odd side gets one more row of padding, so that every stage halves it rounded up.
        layers += [
            nn.ZeroPad2d((1, 1 + width % 2, 1, 1 + height % 2)),
            nn.Conv2d(a, b, 4, stride=2),
            activation(),
        ]
    return EncoderTrunk(*layers, nn.Flatten(), features=channels[-1] * math.prod(sizes[-1]))


def conv_decoder(
    shape: Shape, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU
) -> nn.Sequential:
    """The mirror of `conv_encoder`: a linear layer to the coarsest grid, then transposed convolutions cropped to size.

    Example:
        >>> import torch
        >>> conv_decoder((1, 28, 25), [8, 16], latent_dim=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 28, 25])
    """
    sizes = halvings(shape, len(hidden))
    coarse = (hidden[-1], *sizes[-1])
    layers: list[nn.Module] = [nn.Linear(latent_dim, math.prod(coarse)), nn.Unflatten(1, coarse), activation()]
    channels = [*reversed(hidden), shape[0]]
    for (a, b), size in zip(pairwise(channels), reversed(sizes[:-1]), strict=True):
        layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), Crop(size), activation()]
    return nn.Sequential(*layers[:-1])


class Crop(nn.Module):
    """Cut the bottom and right edge of [B, C, H, W] to a given size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, C, *size]."""
        return images[..., : self.size[0], : self.size[1]]


def halvings(shape: Shape, stages: int) -> list[tuple[int, int]]:
    """H x W after 0, 1, ... `stages` halvings, rounded up."""
    sizes = [shape[1:]]
    for _ in range(stages):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes
