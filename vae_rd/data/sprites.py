"""The embedded source: binary sprites of three shapes, in the manner of dSprites, drawn with integers alone.

    population = {shape} x {scale} x {rotation} x {x} x {y}, each distinct image once,    H = ln N = ln 3584

A pixel is lit when its centre lies inside the shape, an inequality between integers: no platform rounds it otherwise.
Of the 3 x 4 x 8 x 8 x 8 = 6144 factor combinations, the rotations that map a square or an ellipse onto itself repeat an
image; the first combination is kept, so a square has 2 rotations, an ellipse 4 and a heart 8.

References:
    dSprites: Disentanglement testing Sprites dataset (Matthey et al., 2017), https://github.com/deepmind/dsprites-dataset
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch

from vae_rd.data.base import Source

SIDE = 16
SCALES = (4, 5, 6, 7)  # Side of the upright square, in pixels.
CENTRES = tuple(range(4, 12))  # Column or row of the centre; an even scale is centred half a pixel further up and left.

ROTATIONS = tuple(range(0, 360, 45))  # Degrees, anticlockwise.

# The unit of length is 1 / (2 UNIT) of a pixel. As 41 cos 45 degrees = 28.99, turned coordinates are whole numbers too.
UNIT = 41
COSINES = (41, 29, 0, -29, -41, -29, 0, 29)  # Of ROTATIONS, times UNIT; the sine is the cosine two steps back.


def _square(u: np.ndarray, v: np.ndarray, r: int) -> np.ndarray:
    return np.maximum(abs(u), abs(v)) <= r


def _ellipse(u: np.ndarray, v: np.ndarray, r: int) -> np.ndarray:
    return 4 * u**2 + 12 * v**2 <= 7 * r**2


def _heart(u: np.ndarray, v: np.ndarray, r: int) -> np.ndarray:
    """A disc whose every column is raised in proportion to its distance from the axis, which leaves notch and tip."""
    return 100 * u**2 + (10 * v - 9 * abs(u) + 4 * r) ** 2 <= 90 * r**2


# Inside, for coordinates u to the right and v upward in the frame of the shape, and r half the side of the square.
SHAPES: Mapping[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = MappingProxyType(
    {"square": _square, "ellipse": _ellipse, "heart": _heart}
)


def sprites() -> Source:
    """All 3,584 distinct sprites of 16 x 16 pixels, in the order of their factors, the last one fastest.

    Labels are class indices int64 [3584] of shape, scale, rotation (anticlockwise), x (column) and y (row, downward);
    `params["factors"]` lists what each class stands for.

    Example:
        >>> source = sprites()
        >>> source.images["train"].shape, source.population
        (torch.Size([3584, 1, 16, 16]), True)
        >>> {name: int(classes[-1]) for name, classes in source.labels["train"].items()}
        {'shape': 2, 'scale': 3, 'rotation': 7, 'x': 7, 'y': 7}
    """
    images, classes = _distinct()
    factors = {
        "shape": list(SHAPES),
        "scale": list(SCALES),
        "rotation": list(ROTATIONS),
        "x": list(CENTRES),
        "y": list(CENTRES),
    }
    return Source(
        name="sprites",
        images={"train": torch.tensor(images).unsqueeze(1)},
        levels=2,
        population=True,
        labels={"train": {name: classes[:, i].copy() for i, name in enumerate(factors)}},
        params={"factors": factors},
    )


def _distinct() -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 16, 16] and factor classes [N, 5], the first of each group of equal images."""
    grid = np.stack(
        [
            _placed(inside, scale=scale, turn=turn)
            for inside in SHAPES.values()
            for scale in SCALES
            for turn in range(len(ROTATIONS))
        ]
    ).reshape(-1, SIDE, SIDE)
    _, first = np.unique(np.packbits(grid.reshape(len(grid), -1), axis=1), axis=0, return_index=True)
    kept = np.sort(first)
    sizes = (len(SHAPES), len(SCALES), len(ROTATIONS), len(CENTRES), len(CENTRES))
    return grid[kept], np.stack(np.unravel_index(kept, sizes), axis=1)


def _placed(inside: Callable[[np.ndarray, np.ndarray, int], np.ndarray], *, scale: int, turn: int) -> np.ndarray:
    """One shape, scale and rotation at every centre: uint8 [x, y, row, column]."""
    pixel, centre = np.arange(SIDE), np.array(CENTRES)
    offset = 2 * (pixel - centre[:, None]) + (1 - scale % 2)  # [centre, pixel], in half pixels.
    right, up = offset[:, None, None, :], -offset[None, :, :, None]
    cos, sin = COSINES[turn], COSINES[turn - 2]
    return inside(cos * right + sin * up, cos * up - sin * right, UNIT * scale).astype(np.uint8)
