"""Convolutional trunks of residual blocks, for any image size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vae_rd.model.nn.conv import Crop, halvings
from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape


class Residual(nn.Module):
    """h + conv(activation(conv(h))), 3x3 each; without normalisation, which would mix the examples of a batch.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv 1512.03385.
    """

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), activation(), _conv(channels, channels))

    def forward(self, h: Tensor) -> Tensor:
        """[B, channels, H, W] to the same shape."""
        return h + self.body(h)


def resnet_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """A residual block at each size, from that of x on; one 4x4 convolution of stride 2 per entry of `hidden`.

    Example:
        >>> import torch
        >>> resnet_encoder((1, 28, 25), [8, 16])(torch.zeros(2, 1, 28, 25)).shape
        torch.Size([2, 784])
    """
    sizes, layers = halvings(shape, len(hidden)), [_conv(shape[0], hidden[0])]
    for (a, b), (height, width) in zip(pairwise([hidden[0], *hidden]), sizes, strict=False):
        halved = [nn.ZeroPad2d((1, 1 + width % 2, 1, 1 + height % 2)), nn.Conv2d(a, b, 4, stride=2)]
        layers += [activation(), Residual(a, activation), *halved]
    layers += [activation(), Residual(hidden[-1], activation), activation(), nn.Flatten()]
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
    sizes = halvings(shape, len(hidden))
    coarse = (hidden[-1], *sizes[-1])
    layers: list[nn.Module] = [nn.Linear(latent_dim, math.prod(coarse)), nn.Unflatten(1, coarse)]
    for (a, b), size in zip(pairwise([*reversed(hidden), hidden[0]]), reversed(sizes[:-1]), strict=True):
        doubled = [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), Crop(size)]
        layers += [activation(), Residual(a, activation), *doubled]
    layers += [activation(), Residual(hidden[0], activation), activation(), _conv(hidden[0], shape[0])]
    return nn.Sequential(*layers)


def _conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
