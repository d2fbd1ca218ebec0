"""Gated convolutions in which each value of x sees the ones before it: rows above by one stack, its row by another.

A single stack of masked convolutions never sees part of what lies above and to the right. Here the vertical stack sees
whole rows above; the horizontal one sees the row so far, and what the vertical one has found.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_rd.model.nn.autoregressive import AutoregressiveTrunk, Walk
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.trunk import Activation

FIRST, LATER = 3, 1  # How far a layer sees up, and to a side.


class MaskedConv(nn.Module):
    """A convolution some of whose weights are cut, of images padded by zeros.

    Args:
        mask: which weights it has, [outputs, inputs, h, w], of 0 and 1.
        padding: left, right, top, bottom; below 0 where an edge is cut off.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, padding: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
        super().__init__()
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)
        self.padding = padding
        bound = self.mask.sum((1, 2, 3), keepdim=True).clamp_min(1).rsqrt()  # As torch's layers of so many inputs.
        self.weight = nn.Parameter((2 * torch.rand(mask.shape) - 1) * bound)
        self.bias = nn.Parameter((2 * torch.rand(len(mask)) - 1) * bound.flatten())

    def forward(self, h: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H, W]."""
        return F.conv2d(F.pad(h, self.padding), self.weight * self.mask, self.bias)

    def at(self, h: Tensor, row: int, columns: range) -> Tensor:
        """Of `forward(h)` one row in these columns, [B, outputs, 1, columns], from the part of h that it takes."""
        left, right, top, bottom = self.padding
        rows, sides = (row - top, row + bottom + 1), (columns.start - left, columns.stop + right)
        part = h[..., max(0, rows[0]) : max(0, rows[1]), max(0, sides[0]) : sides[1]]
        around = (max(0, -sides[0]), max(0, sides[1] - h.shape[-1]), max(0, -rows[0]), 0)
        return F.conv2d(F.pad(part, around), self.weight * self.mask, self.bias)


class GatedLayer(nn.Module):
    """One layer of both stacks, each gated and told z.

        v' = gate(V v + B z)          h' = [h +] W gate(H h + L V v + C z)          gate(a, b) = tanh(a) sigmoid(b)

    Args:
        channels: of which channel of x, in order, each input and each output of the horizontal stack may know those
            before; outputs see inputs of their own and lower numbers.
        latent_dim: D.
        raster: the order of the values.
        is_first: whether the inputs are x itself, of which a value must not see its own place.
    """

    def __init__(self, channels: tuple[Tensor, Tensor], latent_dim: int, raster: Raster, *, is_first: bool) -> None:
        super().__init__()
        inputs, outputs = channels
        gates, reach = outputs.repeat(2), FIRST if is_first else LATER
        rows = reach if is_first else reach + 1  # Those above; later the row itself too, which has seen but those.
        whole = torch.ones(len(gates), len(inputs), rows, 2 * reach + 1)
        self.vertical = MaskedConv(whole, (reach, reach, reach, -1 if is_first else 0))
        here = (inputs < gates[:, None]) if is_first else (inputs <= gates[:, None])
        self.horizontal = _along_the_row(here, reach, raster)
        self.link = nn.Conv2d(len(gates), len(gates), 1)
        self.codes = nn.Linear(latent_dim, 2 * len(gates))
        self.out = MaskedConv((outputs <= outputs[:, None])[..., None, None])
        self.skip: nn.Module | None = None
        if not is_first:
            is_same = len(inputs) == len(outputs)
            self.skip = nn.Identity() if is_same else MaskedConv((inputs <= outputs[:, None])[..., None, None])

    def told(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """B z and C z, [B, gates, 1, 1] each."""
        vertical, horizontal = self.codes(z)[..., None, None].chunk(2, 1)
        return vertical, horizontal

    def across(self, h: Tensor, seen: Tensor) -> Tensor:
        """The horizontal output from its input at the same places and what goes into the gate there."""
        new: Tensor = self.out(gate(seen))
        return new if self.skip is None else new + self.skip(h)

    def forward(self, v: Tensor, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks' [B, inputs, H, W] to [B, outputs, H, W]."""
        told = self.told(z)
        above = self.vertical(v) + told[0]
        return gate(above), self.across(h, self.horizontal(h) + self.link(above) + told[1])


class PixelCNN(AutoregressiveTrunk):
    """Gated layers of a vertical and a horizontal stack, then two layers that look at one pixel alone.

    Source: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", arXiv 1606.05328.

    Args:
        raster: the order of the values.
        widths: channels of each gated layer.
        latent_dim: D.
        activation: between the last two layers.
    """

    def __init__(self, raster: Raster, widths: Sequence[int], latent_dim: int, activation: Activation) -> None:
        super().__init__(raster)
        channels = 1 if raster.together == "pixel" else raster.shape[0]
        number = torch.arange(raster.shape[0]) * (channels > 1)
        groups = [number, *(torch.arange(width) * channels // width for width in widths)]
        self._layers = nn.ModuleList(
            GatedLayer(pair, latent_dim, raster, is_first=i == 0) for i, pair in enumerate(pairwise(groups))
        )
        last, written = groups[-1], number.repeat(raster.params_per_value)
        inner = MaskedConv((last <= last[:, None])[..., None, None])
        self.head = nn.Sequential(
            activation(), inner, activation(), MaskedConv((last <= written[:, None])[..., None, None])
        )

    @property
    def layers(self) -> Sequence[GatedLayer]:
        """The gated ones, from x on."""
        return cast(Sequence[GatedLayer], self._layers)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x [B, C, H, W] and z [B, D] to parameters [B, k C, H, W]."""
        v = h = x
        for layer in self.layers:
            v, h = layer(v, h, z)
        written: Tensor = self.head(h)
        return written

    def walk(self, z: Tensor) -> Walk:
        """Each step computes the horizontal stack at its own place, and the first one of a row the vertical one."""
        return Cache(self, z)


class Cache:
    """What a PixelCNN has computed of images that are being drawn; see `Walk`.

    Args:
        network: whose.
        z: [B, D].
    """

    def __init__(self, network: PixelCNN, z: Tensor) -> None:
        self.network, self.row = network, -1
        self.told = [layer.told(z) for layer in network.layers]
        sizes = [(len(z), len(layer.out.mask), *network.raster.shape[1:]) for layer in network.layers]
        self.v, self.h = ([z.new_zeros(size) for size in sizes] for _ in range(2))
        self.above: list[Tensor] = []  # What a layer's horizontal gate gets from the vertical stack, in this row.

    def __call__(self, step: int, x: Tensor) -> Tensor:
        """The parameters of a step's values, [B, k c, h, w]."""
        raster = self.network.raster
        _, rows, columns = raster.place(step)
        places = range(raster.shape[2])[columns]
        if rows.start != self.row:
            self._begin_row(rows.start, x)
        for i, layer in enumerate(self.network.layers):
            before = x if i == 0 else self.h[i - 1]
            seen = layer.horizontal.at(before, self.row, places) + self.above[i][..., columns]
            self.h[i][..., rows, columns] = layer.across(before[..., rows, columns], seen)
        return raster.channels(self.network.head(self.h[-1][..., rows, columns].clone()), step)

    def _begin_row(self, row: int, x: Tensor) -> None:
        self.row, self.above = row, []
        for i, layer in enumerate(self.network.layers):
            seen = layer.vertical.at(x if i == 0 else self.v[i - 1], row, range(x.shape[-1])) + self.told[i][0]
            self.v[i][..., row : row + 1, :] = gate(seen)
            self.above.append(layer.link(seen) + self.told[i][1])


def pixelcnn(raster: Raster, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU) -> PixelCNN:
    """A gated network with one layer of each number of channels in `hidden`, in reverse as in every decoder.

    Example:
        >>> network = pixelcnn(Raster((3, 4, 5), params_per_value=2), [6, 6], latent_dim=2)
        >>> network(torch.zeros(7, 3, 4, 5), torch.zeros(7, 2)).shape
        torch.Size([7, 6, 4, 5])
    """
    return PixelCNN(raster, list(reversed(hidden)), latent_dim, activation)


def gate(values: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) of the two halves of the channels."""
    a, b = values.chunk(2, 1)
    return a.tanh() * b.sigmoid()


def _along_the_row(here: Tensor, reach: int, raster: Raster) -> MaskedConv:
    """The convolution of the horizontal stack.

    Args:
        here: which outputs see which inputs of their own place, [outputs, inputs].
        reach: how far along the row it sees; to the left of its own place it sees all.
        raster: where rows are drawn together, places on either side are like the own one.
    """
    if raster.together == "row":
        return MaskedConv(here[..., None, None].expand(-1, -1, 1, 2 * reach + 1), (reach, reach, 0, 0))
    left = torch.ones(*here.shape, 1, reach)
    return MaskedConv(torch.cat([left, here[..., None, None]], -1), (reach, 0, 0, 0))
