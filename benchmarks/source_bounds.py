"""Upper and lower bounds on R(D) of sources whose exact function is known, as a markdown table.

    python benchmarks/source_bounds.py [--seed 0] [--threads 1]

The particle bounds average fresh x; "sigma off" is (ours - exact) in their standard errors, positive where a bound from
above is not reached. Of the dual, the row is the estimate, and the one below its distribution-free 99 % limit.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from vae_rd.estimators.dual import dual_bound
from vae_rd.estimators.particles import Draw, SquaredError, particle_bound
from vae_rd.seeding import generator

VARIANCES = torch.tensor([1.20552675, 1.08976637], dtype=torch.float64)
GAUSSIAN, GAUSSIAN_RATE = 2.2350523, 1.2350523  # R + 3 * MSE at its minimum.
SPHERES = {2: 2.540630, 5: 5.178030, 10: 8.448071}  # R + 10 * half the squared error.
Row = tuple[str, float, float, float | None, float]
"""Quantity, exact, ours, standard error, seconds."""


def gaussian(n: int, source: torch.Generator) -> Tensor:
    return torch.randn(n, 2, generator=source, dtype=torch.float64) * VARIANCES.sqrt()


def sphere(dim: int) -> Draw:
    def draw(n: int, source: torch.Generator) -> Tensor:
        direction, noise = torch.randn(2, n, dim, generator=source, dtype=torch.float64)
        return direction / direction.norm(dim=1, keepdim=True) + math.sqrt(0.1) * noise

    return draw


def gaussian_rows(seed: int) -> Iterator[Row]:
    """MSE is a mean over 2 dimensions: 3 MSE is 3 times 0.5 |x - y|^2."""
    began = time.perf_counter()
    upper = particle_bound(
        gaussian,
        SquaredError(0.5),
        weight=3.0,
        generator=generator("cpu", seed, "gaussian", "particles"),
        particles=200,
        control=lambda x: x.square() - VARIANCES,
    )
    seconds = time.perf_counter() - began
    yield "2-D Gaussian, particles: R + 3 MSE", GAUSSIAN, upper.value, upper.stderr, seconds
    yield "2-D Gaussian, particles: R", GAUSSIAN_RATE, upper.rate, upper.rate_stderr, seconds
    yield "2-D Gaussian, particles: MSE", 1 / 3, upper.distortion, upper.distortion_stderr, seconds
    began = time.perf_counter()
    stream = generator("cpu", seed, "gaussian", "dual")
    lower = dual_bound(gaussian, SquaredError(0.5), weight=3.0, generator=stream, n_eval=4_000_000)
    seconds = time.perf_counter() - began
    yield "2-D Gaussian, dual: R + 3 MSE", GAUSSIAN, lower.value, lower.stderr, seconds
    yield "2-D Gaussian, dual: certified 99 % limit", GAUSSIAN, lower.lower_limit, None, seconds


def sphere_rows(seed: int, dim: int) -> Iterator[Row]:
    """Both bounds at their defaults; the dual's supremum is global for d = 2 alone."""
    exact, name = SPHERES[dim], f"noisy sphere, d = {dim}"
    began = time.perf_counter()
    stream = generator("cpu", seed, "sphere", dim, "particles")
    upper = particle_bound(sphere(dim), SquaredError(0.5), weight=10.0, generator=stream)
    yield f"{name}, particles: R + 10 D", exact, upper.value, upper.stderr, time.perf_counter() - began
    began = time.perf_counter()
    stream = generator("cpu", seed, "sphere", dim, "dual")
    lower = dual_bound(sphere(dim), SquaredError(0.5), weight=10.0, generator=stream)
    seconds = time.perf_counter() - began
    yield f"{name}, dual ({lower.supremum}): R + 10 D", exact, lower.value, lower.stderr, seconds
    yield f"{name}, dual ({lower.supremum}): 99 % limit", exact, lower.lower_limit, None, seconds


def line(row: Row) -> str:
    """One row of the table; a limit has no standard error of its own."""
    quantity, exact, ours, stderr, seconds = row
    errors = "| |" if stderr is None else f"| {stderr:.6f} | {(ours - exact) / stderr:+.1f}"
    return f"| {quantity} | {exact:.6f} | {ours:.6f} {errors} | {seconds:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| quantity | exact | ours | s.e. | sigma off | seconds |\n|---|---|---|---|---|---|")
    for rows in (gaussian_rows(options.seed), *(sphere_rows(options.seed, dim) for dim in SPHERES)):
        for row in rows:
            print(line(row), flush=True)


if __name__ == "__main__":
    main()
