"""Where a curve that falls is going: an exponential and a power-law approach to a level, by least squares on its tail.

With t the epochs before the last one, t <= 0, and n that of the last, counted from 1,

    exponential: y = level + to_go exp(-t / tau)                power law: y = level + to_go ((n + t) / n)^-p

so that `to_go` is how far the fitted curve still has to fall after the last epoch. The power law allows for less and
less progress that never ends, and has further to go: of two curves through the same tail neither is the true one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
TAIL_POINTS = 8  # Fewer do not tell three parameters from noise.
TAIL_SHARE = 0.5  # Of the validations: the beginning follows another law.
DETERMINED = 3.0  # Times its standard error that the way to go must be.
_GRID, _ROUNDS = 21, 5  # Shapes tried at a time, and how often about the best one.
APPROACHES = ("exponential", "power law")


def approaches(epochs: Sequence[int], values: Sequence[float]) -> list[dict[str, Any]]:
    """Each approach fitted to the tail of a curve that falls, if the tail determines it.

    One is left out where it is not determined: of fewer than 8 values, where the way to go is less than 3 s.e. of it,
    and where the best shape is the last one tried, a straight line. The standard error is that of least squares, by
    the curve's scatter about the fit.

    Args:
        epochs: of the validations, from 0, increasing.
        values: nats.

    Returns:
        of each "kind", "to_go" and its "stderr", nats, the "level", the "shape", tau in epochs or p, and from which
        epoch "first" to which "last" it was fitted.

    Example:
        >>> (found, _) = approaches(range(20), [5 + 8 * math.exp(-epoch / 10) for epoch in range(20)])
        >>> found["kind"], round(found["level"], 3), round(found["to_go"], 3), round(found["shape"], 3)
        ('exponential', 5.0, 1.197, 10.0)
    """
    first = min(round((1 - TAIL_SHARE) * len(values)), max(len(values) - TAIL_POINTS, 0))
    if len(values) - first < TAIL_POINTS:
        return []
    t, y = np.asarray(epochs[first:], np.float64), np.asarray(values[first:], np.float64)
    found = (_fitted(kind, t - t[-1], y, last=int(t[-1])) for kind in APPROACHES)
    return [entry | {"first": int(t[0]), "last": int(t[-1])} for entry in found if entry is not None]


def approach_at(entry: Mapping[str, Any], epochs: Sequence[int]) -> Array:
    """The fitted curve at epochs, nats."""
    t = np.asarray(epochs, np.float64) - entry["last"]
    return np.asarray(entry["level"] + entry["to_go"] * _course(entry["kind"], t, entry["shape"], last=entry["last"]))


def _course(kind: str, t: Array, shape: float, *, last: int) -> Array:
    """1 at t = 0, and on its way to 0 after it."""
    if kind == "exponential":
        return np.exp(-t / shape)
    return np.asarray(((last + 1 + t) / (last + 1)) ** -shape)


def _fitted(kind: str, t: Array, y: Array, *, last: int) -> dict[str, Any] | None:
    span = -t[0]
    low, high = (0.05 * span, 10 * span) if kind == "exponential" else (0.05, 20.0)
    edges = math.log(low), math.log(high)
    for _ in range(_ROUNDS):
        shapes = np.exp(np.linspace(math.log(low), math.log(high), _GRID))
        losses = [_least(kind, t, y, float(shape), last=last)[0] for shape in shapes]
        best = int(np.argmin(losses))
        low, high = float(shapes[max(best - 1, 0)]), float(shapes[min(best + 1, _GRID - 1)])
    shape = float(shapes[best])
    if math.log(shape) - edges[0] < 1e-3 or edges[1] - math.log(shape) < 1e-3:
        return None
    loss, (level, to_go) = _least(kind, t, y, shape, last=last)
    stderr = _stderr(kind, t, shape, to_go, last=last, variance=loss / (len(t) - 3))
    if not to_go > DETERMINED * stderr:
        return None
    return {"kind": kind, "to_go": to_go, "stderr": stderr, "level": level, "shape": shape}


def _least(kind: str, t: Array, y: Array, shape: float, *, last: int) -> tuple[float, tuple[float, float]]:
    """The sum of squares at a shape, and the level and the way to go of the best line in its course."""
    course = _course(kind, t, shape, last=last)
    centred = course - course.mean()
    if not (norm := float(centred @ centred)) > 0:
        return math.inf, (float(y.mean()), 0.0)
    to_go = float(centred @ y) / norm
    level = float(y.mean()) - to_go * float(course.mean())
    return float(np.square(y - level - to_go * course).sum()), (level, to_go)


def _stderr(kind: str, t: Array, shape: float, to_go: float, *, last: int, variance: float) -> float:
    """Of the way to go, by the inverse of J'J; its derivative by ln shape is a central difference."""
    course, step = _course(kind, t, shape, last=last), 1e-4
    up, down = (_course(kind, t, shape * math.exp(sign * step), last=last) for sign in (1, -1))
    jacobian = np.stack([np.ones_like(t), course, to_go * (up - down) / (2 * step)], 1)
    return math.sqrt(max(0.0, variance * float(np.linalg.pinv(jacobian.T @ jacobian)[1, 1])))
