"""The supremum over y of empirical means of X(y) = exp(-lambda d(x, y)) / u(x) and X(y)^2: where it can be, globally.

- Over an alphabet: enumerated.
- Squared error, lambda d = s|x - y|^2, in up to 3 dimensions: bounded from above, over all of R^d, by a grid.
  exp(-s|x - y|^2) times exp(s|y - c|^2) is log-convex in y, and so is any positive combination over x. On a cell with
  centre c and half diagonal h its largest value is thus at a corner, so the mean of X is at most exp(s h^2) times, and
  that of X^2 at most exp(2 s h^2) times, what the grid holds. A y outside the box around all x is farther from each of
  them than its projection on the box, so no cell outside is needed.
- Otherwise: gradient ascent from many starts, which may miss a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vae_rd.estimators.particles import Distortion, SquaredError

Supremum = Literal["enumerated", "grid", "multi_start"]

GRID_POINTS = {1: 512, 2: 192, 3: 40}  # Along each axis, by dimension: the slack s h^2 is a few thousandths in two.
ROWS = 2048  # Of x at a time.
STARTS, ASCENT_ROWS, ASCENT_STEPS = 32, 20_000, 50
ASCENT_STEP = 0.03  # In standard deviations of x.


class Ratio(NamedTuple):
    """X(y) over n points x.

    Attributes:
        x: [n, d] float64.
        log_u: ln u(x), [n] float64.
        distortion: d(x, y) >= 0.
        weight: lambda.
    """

    x: Tensor
    log_u: Tensor
    distortion: Distortion
    weight: float

    def at(self, y: Tensor) -> Tensor:
        """X, [n, K] for y [K, d]."""
        return (-self.weight * self.distortion(self.x, y) - self.log_u[:, None]).exp()

    def rows(self) -> Iterator[Ratio]:
        """The same over a few x at a time."""
        for x, log_u in zip(self.x.split(ROWS), self.log_u.split(ROWS), strict=True):
            yield self._replace(x=x, log_u=log_u)


class Moments(NamedTuple):
    """Means over x of X(y) and X(y)^2 at K points y, each [K]; on a grid, bounds on them over the cells around."""

    first: Tensor
    second: Tensor


class Located(NamedTuple):
    """Points y, [K, d], their moments, and how the supremum over all y is covered by them."""

    y: Tensor
    moments: Moments
    supremum: Supremum


def locate_supremum(ratio: Ratio, candidates: Tensor, *, enumerated: bool) -> Located:
    """Points whose largest moments are, or bound, or approach, the suprema over all y.

    Args:
        ratio: X over fresh x.
        candidates: the alphabet where `enumerated`, else the starts of an ascent, [M, d].
        enumerated: whether the candidates are all the y there are.
    """
    if enumerated:
        return Located(candidates, moments_at(ratio, candidates), "enumerated")
    if isinstance(ratio.distortion, SquaredError) and ratio.x.shape[1] in GRID_POINTS:
        axes, slack = _grid(ratio.x, curvature=ratio.weight * ratio.distortion.scale)
        first, second = _grid_moments(ratio, axes, curvature=ratio.weight * ratio.distortion.scale)
        moments = Moments(first * math.exp(slack), second * math.exp(2 * slack))
        return Located(torch.cartesian_prod(*axes).reshape(len(first), -1), moments, "grid")
    y = torch.cat([candidates, _ascend(ratio, candidates)])
    return Located(y, moments_at(ratio, y), "multi_start")


def moments_at(ratio: Ratio, y: Tensor) -> Moments:
    """Both moments at y, [K, d].

    Example:
        >>> x, zero = torch.tensor([[0.0], [1.0]]), torch.zeros(2)
        >>> moments_at(Ratio(x, zero, SquaredError(), weight=1.0), torch.tensor([[0.0]])).first
        tensor([0.6839])
    """
    first, second = y.new_zeros(2, len(y))
    for rows in ratio.rows():
        values = rows.at(y)
        first += values.sum(0)
        second += values.square_().sum(0)
    return Moments(first / len(ratio.x), second / len(ratio.x))


def _grid(x: Tensor, *, curvature: float) -> tuple[list[Tensor], float]:
    """Axes of a grid over the box around x, and s h^2."""
    points = GRID_POINTS[x.shape[1]]
    low, high = x.amin(0), x.amax(0)
    axes = [torch.linspace(*ends, points, dtype=x.dtype) for ends in zip(low.tolist(), high.tolist(), strict=True)]
    half = (high - low) / (points - 1) / 2
    return axes, curvature * half.square().sum().item()


def _grid_moments(ratio: Ratio, axes: list[Tensor], *, curvature: float) -> Moments:
    """Moments on the product of the axes: squared error factorises over them, so that each is a matrix product."""
    first, second = torch.zeros(2, len(axes[0]) ** (len(axes) - 1), len(axes[-1]), dtype=ratio.x.dtype)
    for rows in ratio.rows():
        factors = [(-curvature * (rows.x[:, [k]] - axis).square()).exp_() for k, axis in enumerate(axes)]
        left = (-rows.log_u).exp()[:, None]
        for factor in factors[:-1]:
            left = (left[:, :, None] * factor[:, None, :]).flatten(1)
        first.addmm_(left.T, factors[-1])
        second.addmm_(left.square_().T, factors[-1].square_())
    return Moments(first.flatten() / len(ratio.x), second.flatten() / len(ratio.x))


def _ascend(ratio: Ratio, candidates: Tensor) -> Tensor:
    """The best candidates moved uphill on the first rows of x, [STARTS, d]; all rows judge them afterwards."""
    part = ratio._replace(x=ratio.x[:ASCENT_ROWS], log_u=ratio.log_u[:ASCENT_ROWS])
    order = moments_at(part, candidates).first.argsort(descending=True)
    y = candidates[order[:STARTS]].clone().requires_grad_()
    step_size = ASCENT_STEP * part.x.std(0).mean().item()
    optimiser = torch.optim.Adam([y], lr=step_size, maximize=True)
    for _ in range(ASCENT_STEPS):
        optimiser.zero_grad()
        part.at(y).mean(0).log().sum().backward()
        optimiser.step()
    return y.detach()
