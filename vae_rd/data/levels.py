"""How many grey levels the numbers of a file have: counts from 0, found also where they are scaled, or real values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vae_rd.errors import InputError

MOST_LEVELS = 1 << 16
EIGHT_BITS = 256

_ROUNDING = 1e-6  # Relative; k / 255 computed in float32 is within 2e-7 of the true quotient.
_HALF_ROUNDING = 5e-4  # Half a unit in the last place of float16.
_SAMPLE = 100_000  # Values that the search for a grid looks at; what it finds is held to all of them.
_FEW = 64
_PART = 1 << 16
_DEPTHS = (1023, 4095, 16383, 65535)
_STEPS = (*range(1, 1023), *_DEPTHS)  # Of a grid from end to end: up to ten bits, and 12, 14 and 16.
_STEPS_TO_ONE = (*range(1, 256), *_DEPTHS)  # Of one that ends at 1 and does not begin at 0.
_SPANS = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5))  # The ends that images are scaled to.


class Reading(NamedTuple):
    """Values as `Source` stores them.

    Attributes:
        pixels: counts 0..levels-1 in the smallest type that holds them, or float32.
        levels: number of grey levels, None for real values.
        said: what was read as what, for the start line.
    """

    pixels: np.ndarray
    levels: int | None
    said: str


class _Grid(NamedTuple):
    """low + k * span / steps, k a whole number from 0 to `top`."""

    low: float
    span: float
    steps: int
    top: int

    @property
    def said(self) -> str:
        if self.low == 0:
            return f"k/{self.steps}"
        return f"{self.low:g} to {self.low + self.span:g} in {self.steps} steps"


def read_levels(values: np.ndarray, *, asked: int | None, where: str) -> Reading:
    """Pixels and their number of grey levels.

    Whole numbers are counts from 0: of 2 levels where all are 0 or 1, of max + 1 where the largest is below 128, else
    of 256, or of the next power of 2. So are the points of a regular grid that reaches both ends of 0..1, -1..1 or
    -0.5..0.5, and k / 255 and k / 256. Anything else is real-valued.

    Args:
        values: numbers of any type.
        asked: how many levels there are, where that is known; None to find out.
        where: what messages begin with.

    Raises:
        InputError: for values that are no finite numbers, or whole ones of which the number of levels would be a guess.

    Example:
        >>> read_levels(np.array([0, 3, 16]), asked=None, where="digits").levels
        17
        >>> read_levels(np.array([-1.0, 0.0, 1.0]), asked=None, where="signs").pixels.tolist()
        [0, 1, 2]
    """
    values = _numbers(values, where)
    low, high = values.min().item() + 0, values.max().item() + 0  # Adding 0 takes the sign off a -0.
    is_whole = max(abs(low), abs(high)) < MOST_LEVELS and _near_whole(values)
    if asked is not None:
        return _as_asked(values, asked, is_whole=is_whole, where=where)
    if is_whole and low > -0.5:
        levels = _levels_of(round(low), round(high), where)
        return Reading(_stored(values, levels), levels, f"values {low:g}..{high:g} read as {levels} levels")
    if (grid := _grid(values, low, high)) is not None:
        return _on_grid(values, grid, levels=grid.top + 1)
    if is_whole or values.dtype.kind in "iu":
        raise InputError(f"{where}: whole numbers from {low:g} to {high:g}; {_remedy(low)}")
    return real_values(values, where=where)


def real_values(values: np.ndarray, *, where: str) -> Reading:
    """Values that are real whatever they look like.

    Raises:
        InputError: for values that are no finite float32 numbers.

    Example:
        >>> real_values(np.array([0.0, 1.0]), where="here").said
        'real values 0..1'
    """
    values = _numbers(values, where)
    low, high = values.min().item() + 0, values.max().item() + 0
    return Reading(values.astype(np.float32), None, f"real values {low:g}..{high:g}")


def first_levels(values: np.ndarray, *, where: str) -> Reading:
    """As version 1 of the defaults read values: counts have 2 or 256 levels, also where they are k / 255.

    Example:
        >>> first_levels(np.array([0.0, 3.0, 16.0]), where="digits").levels
        256
    """
    if values.dtype.kind != "f" and values.dtype not in (np.bool_, np.uint8):
        raise InputError(f"{where} is of {values.dtype}, which --file_rules 1 does not read; leave --file_rules out")
    values = _numbers(values, where)
    low, high = values.min().item(), values.max().item()
    for scale in (1, 255):
        if low >= 0 and high <= 255.5 / scale and _near_whole(values * scale if scale > 1 else values):
            levels = 2 if scale == 1 and round(high) <= 1 else EIGHT_BITS
            said = f"values {low:g}..{high:g} read as {levels} levels (--file_rules 1)"
            return Reading(np.rint(values * scale).astype(np.uint8), levels, said)
    return Reading(values.astype(np.float32), None, f"real values {low:g}..{high:g} (--file_rules 1)")


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    """The values in the machine's byte order, bytes for bits."""
    if values.dtype.kind not in "buif":
        raise InputError(f"{where} is of {values.dtype}; give whole or floating-point numbers, or booleans")
    most = np.finfo(np.float32).max
    if values.dtype.kind == "f" and not (-most <= values.min() and values.max() <= most):  # NaN is neither.
        raise InputError(f"{where} holds NaN, infinite or too large values; give finite float32 numbers")
    return values.astype(np.uint8 if values.dtype.kind == "b" else values.dtype.newbyteorder("="), copy=False)


def _near_whole(values: np.ndarray) -> bool:
    if values.dtype.kind != "f":
        return True
    return all(
        bool((np.abs(part - (nearest := np.rint(part))) <= _ROUNDING * np.abs(nearest)).all())
        for part in _parts(values)
    )


def _levels_of(low: int, high: int, where: str) -> int:
    if high < EIGHT_BITS // 2:
        if low > 0:
            raise InputError(
                f"{where}: whole numbers from {low} to {high}, of which the number of levels would be a guess; "
                f"subtract {low}, or add --levels {high + 1} where they are counts from 0, 256 for 8-bit images"
            )
        return max(2, high + 1)
    return max(EIGHT_BITS, 1 << high.bit_length())


def _remedy(low: float) -> str:
    if low < 0:
        return f"add {-low:g}, so that they are counts from 0"
    return f"give counts up to {MOST_LEVELS - 1}, or real values as float32, scaled to about 1"


def _as_asked(values: np.ndarray, levels: int, *, is_whole: bool, where: str) -> Reading:
    """Values as so many levels: whole numbers, or the points of a grid of so many."""
    low, high, top = values.min().item(), values.max().item(), levels - 1
    if is_whole and values.dtype.kind == "f" and levels > 2 and (round(low), round(high)) in ((0, 1), (1, 1)):
        raise InputError(
            f"{where}: floats of 0 and 1 alone could be k or k/{top}; leave out --levels, or store k as whole numbers"
        )
    if is_whole and low > -0.5 and high < top + 0.5:
        return Reading(_stored(values, levels), levels, f"values {low:g}..{high:g} read as {levels} levels (--levels)")
    for start, end in _SPANS:
        grid = _Grid(start, end - start, top, top)
        is_plain = not is_whole or (low < -0.5 and levels <= 3)  # Of whole numbers -1, 0 and 1 are such a grid.
        if is_plain and start <= low and high <= end and _fits(values, grid):
            return _on_grid(values, grid, levels=levels)
    what = "whole numbers" if is_whole else "values"
    raise InputError(
        f"{where}: {what} from {low:g} to {high:g} are not 0 to {top}, nor these divided by {top}: "
        + (f"--levels {max(2, round(high) + 1)} has them all" if is_whole and low > -0.5 else "leave out --levels")
    )


def _stored(values: np.ndarray, levels: int) -> np.ndarray:
    """Whole numbers in the smallest type that torch computes with."""
    kind = np.uint8 if levels <= EIGHT_BITS else np.int16 if levels <= 1 << 15 else np.int32
    return (np.rint(values) if values.dtype.kind == "f" else values).astype(kind, copy=False)


def _on_grid(values: np.ndarray, grid: _Grid, *, levels: int) -> Reading:
    counts = [
        _stored((part.astype(np.float64) - grid.low) * (grid.steps / grid.span), levels) for part in _parts(values)
    ]
    return Reading(np.concatenate(counts).reshape(values.shape), levels, f"values {grid.said} read as {levels} levels")


def _grid(values: np.ndarray, low: float, high: float) -> _Grid | None:
    """The coarsest plain grid that all values are on; a few of them tell most grids apart."""
    sample = np.unique(values.reshape(-1)[:_SAMPLE])
    few = sample[:: -(-len(sample) // _FEW)]
    fitting = (grid for grid in _grids(low, high) if _fits(few, grid) and _fits(sample, grid) and _fits(values, grid))
    return next(fitting, None)


def _grids(low: float, high: float) -> Iterator[_Grid]:
    for start, end in _SPANS:
        if abs(low - start) <= _ROUNDING and abs(high - end) <= _ROUNDING:
            yield from (_Grid(start, end - start, steps, steps) for steps in _STEPS)
    if low > _ROUNDING and abs(high - 1) <= _ROUNDING:
        yield from (_Grid(0.0, 1.0, steps, steps) for steps in _STEPS_TO_ONE)
    if low >= 0 and high <= 1 + _ROUNDING:
        yield _Grid(0.0, 1.0, 255, 255)
    if low >= 0 and abs(high - 255 / 256) <= _ROUNDING:
        yield _Grid(0.0, 1.0, 256, 255)


def _fits(values: np.ndarray, grid: _Grid) -> bool:
    """Whether each value is a point of the grid up to rounding: relative to it where the grid begins at 0."""
    return all(_part_fits(part, grid) for part in _parts(values))


def _parts(values: np.ndarray) -> Iterator[np.ndarray]:
    """The values in parts that a cache holds."""
    flat = values.reshape(-1)
    return (flat[start : start + _PART] for start in range(0, len(flat), _PART))


def _part_fits(values: np.ndarray, grid: _Grid) -> bool:
    counts = (values.astype(np.float64) - grid.low) * (grid.steps / grid.span)
    nearest = np.rint(counts)
    rounding = _HALF_ROUNDING if values.dtype == np.float16 else _ROUNDING
    slack = np.minimum(rounding * (np.abs(nearest) if grid.low == 0 else grid.steps), 0.25)
    return bool((nearest.max() <= grid.top) and (np.abs(counts - nearest) <= slack).all())
