"""How stored pixels become x: each way states the support of x and the scale of its density."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from vae_rd.config.fields import Binarization, Dequantize
from vae_rd.data.atoms import is_grid
from vae_rd.data.base import Source, Support, UnlimitedSource
from vae_rd.errors import InputError
from vae_rd.functional.seeding import generator

BYTE_LEVELS = 256  # The most that a byte holds.


class PixelTransform(ABC):
    """x given stored pixels; a density of x is a density on the scale this model states.

    Attributes:
        support: values that x takes.
        scale: the stated scale of grey x; None for binary or real x.
        is_random: whether x is drawn anew at every use.
    """

    support: Support
    is_random: ClassVar[bool] = False
    scale: str | None = None

    @abstractmethod
    def draw(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """Stored pixels [B, C, H, W] to float x of the same shape; `noise` lives on the pixels' device."""


class PlainPixels(PixelTransform):
    """x = the stored value."""

    def __init__(self, support: Support) -> None:
        self.support = support

    def draw(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """The values in the working precision."""
        return pixels.to(torch.get_default_dtype())


class DynamicBinaryPixels(PixelTransform):
    """x ~ Bernoulli(k / (levels - 1)), anew at every use (Burda et al. 2016, arXiv 1509.00519)."""

    support = "binary"
    is_random = True

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def draw(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """A Bernoulli draw per pixel."""
        return bernoulli_bits(pixels, self.levels, noise).to(torch.get_default_dtype())


class GreyPixels(PixelTransform):
    """x = k / (levels - 1) in [0, 1]: a grid of points, on which a density with a learned scale diverges."""

    support = "grey"

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.scale = f"k / {levels - 1}"

    def draw(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """Grey values as floats."""
        return pixels.to(torch.get_default_dtype()) / (self.levels - 1)


class DequantisedPixels(PixelTransform):
    """x = (k + u) / levels with u uniform on [0, 1): -ln p of the density, plus ln(levels) a value, bounds discrete H.

    Source: Theis, van den Oord and Bethge 2016, "A note on the evaluation of generative models", arXiv 1511.01844.
    """

    support = "real"
    is_random = True

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.scale = f"(k + u) / {levels}"

    def draw(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """Grey values plus the noise of one bin."""
        # The noise is single in any precision, so that x is the same.
        u = torch.rand(pixels.shape, generator=noise, device=pixels.device, dtype=torch.float32)
        if self.levels > BYTE_LEVELS:  # Of k + u single precision keeps fewer bits; rounding up would leave the bin.
            bits = 2.0 ** (23 - (self.levels - 1).bit_length())
            u = (u * bits).floor().add(0.5) / bits
        return (pixels + u).to(torch.get_default_dtype()) / self.levels


def bernoulli_bits(pixels: Tensor, levels: int, noise: torch.Generator) -> Tensor:
    """Bits with P(1) = k / (levels - 1) exactly: a uniform integer below levels - 1 is smaller than k that often.

    Example:
        >>> k = torch.tensor([0, 255], dtype=torch.uint8)
        >>> bernoulli_bits(k, 256, torch.Generator().manual_seed(0))
        tensor([0, 1], dtype=torch.uint8)
    """
    kind = torch.uint8 if levels <= BYTE_LEVELS else torch.int32
    drawn = torch.randint(levels - 1, pixels.shape, generator=noise, device=pixels.device, dtype=kind)
    return (drawn < pixels).to(torch.uint8)


# Of pixels that are x as they stand: what they are, and a likelihood that takes them.
_PLAIN: Mapping[Support, tuple[str, str]] = {
    "binary": ("binary", "bernoulli"),
    "one_hot": ("binary", "categorical"),
    "grey": ("real-valued, of no plain number of levels", "gaussian"),
    "real": ("real-valued", "gaussian"),
}


def threshold_bits(pixels: Tensor, levels: int) -> Tensor:
    """1 where a count is at least half of the top level, 2 k >= levels - 1.

    Example:
        >>> threshold_bits(torch.tensor([7, 8, 16], dtype=torch.uint8), 17)
        tensor([0, 1, 1], dtype=torch.uint8)
    """
    return (pixels >= threshold(levels)).to(torch.uint8)


def threshold(levels: int) -> int:
    """The least count that is 1: half of the top level, rounded up.

    Example:
        >>> threshold(17), threshold(256)
        (8, 128)
    """
    return levels // 2


def pixel_transform(
    source: Source | UnlimitedSource, *, binarization: Binarization = "none", dequantize: Dequantize = "none"
) -> PixelTransform:
    """The way to x that is asked for; a stored binarisation, which is of the source, leaves none to do here.

    Raises:
        InputError: for binarization or dequantize of pixels that are not grey.
    """
    if isinstance(source, Source) and source.levels is not None and source.levels != 2:
        if binarization == "dynamic":
            return DynamicBinaryPixels(source.levels)
        return DequantisedPixels(source.levels) if dequantize == "uniform" else GreyPixels(source.levels)
    support = _plain_support(source)
    for name, word in (("binarization", binarization), ("dequantize", dequantize)):
        if word != "none":
            kind, likelihood = _PLAIN[support]
            raise InputError(
                f"--{name} {word}: the pixels of --data {source.name} are {kind}; leave it out, with --likelihood "
                f"{likelihood}"
            )
    return PlainPixels(support)


def _plain_support(source: Source | UnlimitedSource) -> Support:
    """The support of x where x is what is stored."""
    if isinstance(source, UnlimitedSource):
        return source.support
    if source.levels is not None:
        return "binary"
    return source.support or ("grey" if is_grid(source.images["train"]) else "real")


def binarised(source: Source, how: Literal["static", "threshold"], *, seed: int) -> Source:
    """The source with bits in place of its grey pixels: one stored Bernoulli draw of `seed`, or by threshold."""
    if source.levels is None or source.levels == 2:
        return source
    levels, stream = source.levels, source.stream
    if stream is not None and how == "static":
        raise InputError(
            f"--binarization static: keeps one draw of every pixel, and those of --data {source.name} are not held; "
            "choose dynamic or threshold"
        )

    def bits(split: str, pixels: Tensor) -> Tensor:
        if how == "threshold":
            return threshold_bits(pixels, levels)
        return bernoulli_bits(pixels, levels, generator("cpu", seed, "binarization", split))

    images = {split: bits(split, pixels) for split, pixels in source.images.items()}
    stream = stream and stream.bits(threshold(levels))
    return replace(source, images=images, levels=2, stream=stream)
