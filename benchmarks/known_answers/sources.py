"""Bounds on the rate-distortion function of a source, whatever the model: particles from above, the dual from below."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from known_answers.table import Row, above, below
from vae_rd.data.base import UnlimitedSource
from vae_rd.data.synthetic import sphere
from vae_rd.estimators.dual import dual_bound
from vae_rd.estimators.particles import Draw, SquaredError, particle_bound
from vae_rd.functional.seeding import generator

VARIANCES = torch.tensor([1.20552675, 1.08976637], dtype=torch.float64)
GAUSSIAN, WISH = 2.2350523, 2.19  # R + 3 MSE, the MSE a mean over two dimensions.
SPHERES = {2: (2.540630, 0.02), 5: (5.178030, 0.02), 10: (8.448071, 0.06)}  # R + 10 D, D half the squared error.


def source_rows() -> Iterator[Row]:
    """The 2-D Gaussian at weight 3, from both sides, and the noisy sphere at weight 10 from above."""
    upper = particle_bound(
        gaussian,
        SquaredError(0.5),
        weight=3.0,
        generator=generator("cpu", 0, "gaussian", "particles"),
        particles=200,
        control=lambda x: x.square() - VARIANCES,
    )
    name = "2-D Gaussian, R + 3 MSE"
    yield above(f"{name}: particles", GAUSSIAN, upper.value, upper.stderr, by=1e-3, digits=6)
    stream = generator("cpu", 0, "gaussian", "dual")
    sizes = {"steps": 4000, "batch": 4096, "n_eval": 4_000_000}
    lower = dual_bound(gaussian, SquaredError(0.5), weight=3.0, generator=stream, **sizes)
    yield below(f"{name}: dual ({lower.supremum} supremum)", GAUSSIAN, lower.value, lower.stderr, least=None, digits=6)
    yield below(f"{name}: certified 99 % limit", GAUSSIAN, lower.lower_limit, None, least=WISH, digits=6)
    for dim, (exact, by) in SPHERES.items():
        stream = generator("cpu", 0, "sphere", dim)
        bound = particle_bound(points_of(sphere(dim)), SquaredError(0.5), weight=10.0, generator=stream)
        name = f"noisy sphere, d = {dim}, R + 10 D: particles, {bound.n:,} fresh x"
        yield above(name, exact, bound.value, bound.stderr, by=by)


def gaussian(n: int, noise: torch.Generator) -> Tensor:
    """n draws of the source, [n, 2]."""
    return torch.randn(n, 2, generator=noise, dtype=torch.float64) * VARIANCES.sqrt()


def points_of(source: UnlimitedSource) -> Draw:
    """A data set's source as a sampler of flat float64 points."""
    return lambda n, noise: source.draw(n, noise).flatten(1).double()
