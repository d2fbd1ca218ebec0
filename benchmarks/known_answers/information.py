"""Two-sided mutual information on the exact channel of an optimal linear beta-VAE."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from known_answers.table import Row, above, below, close
from vae_rd.functional.information import TwoSided
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.theory.linear_vae import optimum

EIGENVALUES, S2 = [8.0, 4.0, 2.0, 1.0, 0.5, 0.25], 0.1
EXAMPLES = 262_144  # Behind each expectation, whatever the size of the reference set.
# Expectations by long Monte Carlo with their standard errors: size of the reference set, InfoNCE, leave-one-out.
PUBLISHED = {
    1.0: ((128, 4.752, 16.28), (1024, 6.405, 10.55)),
    3.0: ((128, 3.933, 6.04), (1024, 4.522, 5.01)),
}
NOISE = (0.006, 0.024)


def draw(beta: float, size: int, noise: torch.Generator) -> TwoSided:
    """Values of one reference set of fresh x; q(z) = N(0, I), and only units above the water level say anything."""
    variance = torch.as_tensor(optimum(EIGENVALUES, s2=S2, beta=beta, latent_dim=6).posterior_variance)
    mu = (1 - variance).sqrt() * torch.randn(size, 6, generator=noise, dtype=torch.float64)
    eps = torch.randn(1, size, 6, generator=noise, dtype=torch.float64)
    sigma = variance.sqrt().expand_as(mu)
    return DiagonalNormal(mu, 2 * sigma.log()).information(mu + sigma * eps)


def means(beta: float, size: int, examples: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """InfoNCE and leave-one-out with their standard errors over batches, whose values are not independent within."""
    noise = generator("cpu", 0, "information", size)
    batches = [draw(beta, size, noise) for _ in range(examples // size)]
    sides = ([b.lower.mean() for b in batches], [b.leave_one_out.mean() for b in batches])
    low, high = (mean_and_stderr(torch.stack(side)[None], population=False) for side in sides)
    return low, high


def information_rows() -> Iterator[Row]:
    """Expectations, whose standard errors join ours; and, on the way to I, those of 10,000."""
    for beta, rows in PUBLISHED.items():
        exact = optimum(EIGENVALUES, s2=S2, beta=beta, latent_dim=6).rate
        for size, lower, leave_one_out in rows:
            sides = means(beta, size, EXAMPLES)
            for name, truth, noise, (mean, stderr) in zip(
                ("InfoNCE", "leave-one-out"), (lower, leave_one_out), NOISE, sides, strict=True
            ):
                both = math.hypot(noise, stderr)
                yield close(f"I, beta = {beta:g}: E {name}({size})", truth, mean, both, within=4 * both, digits=3)
        low, high = means(beta, 10_000, 80_000)
        _, least, most = rows[-1]
        yield below(f"I, beta = {beta:g}: InfoNCE(10000)", exact, *low, least=least, digits=3)
        yield above(f"I, beta = {beta:g}: leave-one-out(10000)", exact, *high, by=most - exact, digits=3)


def population_rows() -> Iterator[Row]:
    """On a population InfoNCE over the whole split is I: 3,000 posteriors of one dimension, against quadrature."""
    noise = generator("cpu", 0, "population")
    mu = 2 * torch.randn(3000, 1, generator=noise, dtype=torch.float64)
    sigma = 0.1 + torch.rand(3000, 1, generator=noise, dtype=torch.float64)
    grid = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    density = torch.zeros_like(grid)
    entropy = (sigma.log() + 0.5 * math.log(2 * math.pi * math.e)).mean().item()
    for m, s in zip(mu[:, 0].split(100), sigma[:, 0].split(100), strict=True):
        density += torch.exp(-0.5 * ((grid[:, None] - m) / s).square() - s.log()).sum(1)
    density = density / (3000 * math.sqrt(2 * math.pi))
    exact = torch.trapezoid(-torch.special.xlogy(density, density), grid).item() - entropy
    z = mu + sigma * torch.randn(8, 3000, 1, generator=noise, dtype=torch.float64)
    mean, stderr = mean_and_stderr(DiagonalNormal(mu, 2 * sigma.log()).information(z).lower, population=True)
    yield close("I of a population of 3000 by InfoNCE(3000)", exact, mean, stderr, within=4 * stderr)
