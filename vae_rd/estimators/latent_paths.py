"""Paths through the space of z, by where a map g takes them: straight ones, arcs, and geodesics of its metric.

A map g of z, such as E[x|z], gives the space of z the pull-back metric J(z)' J(z), J = dg/dz. Of a path z_0, ..., z_T

    length = sum_t |g(z_t) - g(z_{t-1})|        energy = T sum_t |g(z_t) - g(z_{t-1})|^2 >= length^2

with equality where all steps are equally long. The path of least energy between two ends is the geodesic, passed at one
speed. Lengths are those of the chords, below that of the curve by a share of order T^-2.

Shapes: P paths of T steps in D dimensions, [P, T + 1, D]; g takes [M, D] to [M, F].

Source: Arvanitidis, Hansen and Hauberg 2018, "Latent Space Oddity", arXiv 1710.11379; Chen et al. 2018, "Metrics for
Deep Generative Models", arXiv 1711.01204.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
ITERATIONS = 150  # Of L-BFGS.


def straight(start: Tensor, end: Tensor, *, steps: int) -> Tensor:
    """(1 - s) start + s end at s = 0, 1/T, ..., 1, for ends [P, D] each.

    Example:
        >>> straight(torch.zeros(1, 1), torch.ones(1, 1), steps=2).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    s = torch.linspace(0, 1, steps + 1, dtype=start.dtype, device=start.device)[:, None]
    return start[:, None] * (1 - s) + end[:, None] * s


def arc(start: Tensor, end: Tensor, *, steps: int) -> Tensor:
    """sin((1 - s) a) / sin a start + sin(s a) / sin a end, a the ends' angle; straight where it is 0 or pi.

    Source: Shoemake 1985, "Animating rotation with quaternion curves"; of latents: White 2016, arXiv 1609.04468.

    Example:
        >>> arc(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), steps=2)[0, 1]
        tensor([0.7071, 0.7071])
    """
    s = torch.linspace(0, 1, steps + 1, dtype=start.dtype, device=start.device)[:, None]
    angle = torch.nn.functional.cosine_similarity(start, end).clamp(-1, 1).arccos()[:, None, None]
    sine = angle.sin()
    weights = ((1 - s) * angle).sin() / sine, (s * angle).sin() / sine
    bent = weights[0] * start[:, None] + weights[1] * end[:, None]
    return torch.where(sine > 1e-4, bent, straight(start, end, steps=steps))


def geodesic(g: Map, start: Tensor, end: Tensor, *, steps: int, iterations: int = ITERATIONS) -> Tensor:
    """Paths of locally least energy, found from the straight ones; none is longer than those.

    The inner points are the straight ones and a sum of sin(pi k s) / k, whose coefficients have Hessians of one scale
    where g is linear.

    Args:
        g: differentiable, row by row.
        start: [P, D].
        end: [P, D].
        steps: T.
        iterations: of L-BFGS over all paths together.

    Example:
        >>> g = lambda z: torch.cat([z, z.square().sum(1, keepdim=True)], 1)  # A paraboloid: around its top is nearer.
        >>> ends = torch.tensor([[-1.0, 0.1]]), torch.tensor([[1.0, 0.1]])
        >>> found = lengths(g, geodesic(g, *ends, steps=16))
        >>> bool(found < lengths(g, straight(*ends, steps=16)))
        True
    """
    line = straight(start, end, steps=steps)
    s = torch.linspace(0, 1, steps + 1, dtype=line.dtype, device=line.device)
    orders = torch.arange(1, steps, dtype=line.dtype, device=line.device)
    basis = (math.pi * orders * s[:, None]).sin() / orders
    basis[-1] = 0.0  # sin(pi k) is not quite that.
    change = torch.zeros(len(line), steps - 1, line.shape[-1], dtype=line.dtype, device=line.device)
    change.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [change], max_iter=iterations, history_size=20, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )

    def closure() -> Tensor:
        energy = steps * _squares(g, line + basis @ change).sum()
        (change.grad,) = torch.autograd.grad(energy, change)
        return energy

    optimizer.step(closure)
    with torch.no_grad():
        bent = line + basis @ change
        is_shorter = lengths(g, bent) < lengths(g, line)
        return torch.where(is_shorter[:, None, None], bent, line)


@torch.no_grad()
def steps_of(g: Map, paths: Tensor) -> Tensor:
    """|g(z_t) - g(z_{t-1})|, [P, T]."""
    return _squares(g, paths).sqrt()


def lengths(g: Map, paths: Tensor) -> Tensor:
    """The length of each path, [P]."""
    return steps_of(g, paths).sum(1)


def jacobian(g: Map, z: Tensor) -> Tensor:
    """dg/dz at each z [M, D], [M, F, D]: products with unit vectors, each the derivative of a vector product.

    Example:
        >>> jacobian(lambda z: z.square(), torch.tensor([[1.0, 3.0]]))[0].tolist()
        [[2.0, 0.0], [0.0, 6.0]]
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        values = g(z)
        weights = torch.ones_like(values).requires_grad_()
        (pulled,) = torch.autograd.grad(values, z, weights, create_graph=True)
        columns = [
            torch.autograd.grad(pulled[:, d].sum(), weights, retain_graph=True)[0].detach() for d in range(z.shape[1])
        ]
    return torch.stack(columns, -1)


def stretch(g: Map, z: Tensor, *, at_once: int = 100) -> Tensor:
    """The largest singular value of dg/dz at each z [M, D], [M]: the Lipschitz constant of g there."""
    return torch.cat([torch.linalg.matrix_norm(jacobian(g, part), 2) for part in z.split(at_once)])


def _squares(g: Map, paths: Tensor) -> Tensor:
    values = g(paths.flatten(0, 1)).unflatten(0, paths.shape[:2])
    return (values[:, 1:] - values[:, :-1]).square().sum(-1)
