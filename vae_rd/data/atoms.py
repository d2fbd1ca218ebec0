"""Values that repeat, where a density diverges: a learned scale shrinks onto them without end."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_SHARE = 0.05  # Of a sample of continuous values, not even two in a thousand are equal.
_FEWEST = 3  # Equal values that are no coincidence in a small sample.
_POOL = 100_000  # Values that tell a grid.
_CELLS = 4_000_000  # Values that tell the atoms of pixels, of as many images as this makes, but of 100 at the least.
_REPEATS = 20  # Of each value of a grid, on average.
_AXES = {2: "channel, place", 3: "channel, row, column", 4: "channel, slice, row, column"}
_SHOWN = 3


def is_grid(pixels: Tensor) -> bool:
    """Whether real values are a grid, whatever its steps are: a continuous source shows every value about once.

    Values that make up much of the sample, a masked background say, are set aside: it is the others that tell.

    Example:
        >>> noise = torch.rand(1000)
        >>> is_grid(noise), is_grid(torch.where(noise < 0.98, 0.0, noise)), is_grid((noise * 9).round() / 7)
        (False, False, True)
    """
    sample = pixels.flatten()[:_POOL]
    _, counts = sample.unique(return_counts=True)
    others = counts[counts < _least(len(sample))]
    return len(others) == 0 or len(others) * _REPEATS < int(others.sum())


def was_grid(pixels: Tensor) -> bool:
    """What version 1 of the defaults took for a grid: few values, be most of them one background."""
    sample = pixels.flatten()[:_POOL]
    return len(sample.unique()) * _REPEATS < len(sample)


class Repeats(NamedTuple):
    """Pixels that are no continuous variable.

    Attributes:
        constant: positions [n, 3] of channel, row and column that have one value in all images.
        atoms: positions that have one value in a large share of images, or few values in all.
        size: how many pixels there are.
    """

    constant: Tensor
    atoms: Tensor
    size: int


def repeats(images: Tensor) -> Repeats:
    """The pixels of [N, C, H, W] images that stay, or keep coming back to one value.

    Example:
        >>> images = torch.rand(50, 1, 2, 2)
        >>> images[:, 0, 0, 1], images[:20, 0, 1, 1] = 7.0, 0.0
        >>> found = repeats(images)
        >>> found.constant.tolist(), found.atoms.tolist(), found.size
        ([[0, 0, 1]], [[0, 1, 1]], 4)
    """
    stays = images.amin(0) == images.amax(0)
    n = max(100, _CELLS // stays.numel())
    sample = images[torch.linspace(0, len(images) - 1, min(n, len(images)), device=images.device).long()]
    ordered, run = sample.sort(0).values, _least(len(sample))
    returns = (ordered[run - 1 :] == ordered[: len(ordered) - run + 1]).any(0)
    returns |= (ordered[1:] == ordered[:-1]).sum(0) * 2 >= len(sample)
    return Repeats(stays.nonzero(), (returns & ~stays).nonzero(), stays.numel())


def learned_scale_problem(images: Tensor, distinct: int, *, each_pixel: bool) -> str | None:
    """Why a learned scale would shrink without end on real-valued images, None where it would not.

    Args:
        images: [N, C, H, W] of the training split.
        distinct: how many of them differ.
        each_pixel: whether every pixel has a scale of its own.

    Example:
        >>> learned_scale_problem(torch.ones(30, 1, 2, 2), 1, each_pixel=False)
        'its 30 training images are 1 distinct ones'
    """
    if distinct * _REPEATS <= len(images):
        return f"its {len(images)} training images are {distinct} distinct ones"
    flat = images.flatten(1)
    if flat.shape[1] > 1 and bool((flat.amin(1) == flat.amax(1)).all()):
        return "each of its images has one value in all pixels"
    if not each_pixel:
        return None
    found = repeats(images)
    if len(found.constant):
        return f"{len(found.constant)} of its {found.size} pixels never change ({_first(found.constant)})"
    if len(found.atoms):
        said = f"{len(found.atoms)} of its {found.size} pixels come back to the same values in many images"
        return f"{said} ({_first(found.atoms)})"
    return None


def _least(n: int) -> int:
    """How often a value is there, of n, that is an atom."""
    return max(_FEWEST, int(_SHARE * n))


def _first(positions: Tensor) -> str:
    more = ", ..." if len(positions) > _SHOWN else ""
    return f"{_AXES[positions.shape[1]]} {', '.join(str(tuple(p)) for p in positions[:_SHOWN].tolist())}{more}"
