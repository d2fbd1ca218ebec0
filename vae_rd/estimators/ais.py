"""Annealed importance sampling from the prior along ln f_b(z) = ln m(z) - b d(x, z), and its reverse.

A chain starts at an exact draw from f at the schedule's first b and meets, at each next b, first a weight and then an
HMC transition that leaves f_b as it is:

    ln w <- ln w - (b_t - b_{t-1}) d(x, z)         E w = Z_b / Z_{b_0}         Z_b = E_m(z) exp(-b d(x, z))

whatever the step sizes, as long as they do not depend on the chain itself. So the mean weight is an unbiased estimate
of Z_b, and -ln of it lies above -ln Z_b in expectation. With d = -ln p(x|z), Z_1 = p(x); with d = |x - g(z)|^2 / 2 and
b = 1 / (beta s2), or d = -ln p(x|z) and b = 1 / beta, -ln Z_b is the least R + b D that any encoder has at this x.

Shapes: C chains, N examples, D latent dimensions, T + 1 entries of a schedule. float64 throughout.

Sources: Neal 2001, "Annealed Importance Sampling", arXiv physics/9803008; Wu et al. 2017, "On the Quantitative Analysis
of Decoder-Based Generative Models", arXiv 1611.04273; bidirectional: Grosse, Ghahramani and Adams 2015, "Sandwiching
the marginal likelihood using bidirectional Monte Carlo", arXiv 1511.02543.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimators.annealing import Annealing
from vae_rd.estimators.hmc import FIRST_STEP, LogDensity, Point, adapted, evaluate, transition
from vae_rd.estimators.importance import check_evaluating
from vae_rd.estimators.memory import within
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.priors.base import Prior

FIRST_RUN_CHAINS = 8  # Enough to know a mean acceptance to 0.1, at a small part of the second run's cost.


class Path(NamedTuple):
    """The densities f_b of N examples, and exact draws from the first of them.

    Attributes:
        sample_prior: (C, generator) to z ~ m, [C, N, D] float64 on the generator's device.
        log_prior: z [C, N, D] to ln m(z), [C, N].
        distortion: z [C, N, D] to d(x, z), [C, N]: z[:, n] is scored with the n-th example.
    """

    sample_prior: Callable[[int, torch.Generator], Tensor]
    log_prior: LogDensity
    distortion: LogDensity


class Snapshot(NamedTuple):
    """The chains after one entry of the schedule.

    Attributes:
        b: the entry.
        log_weights: ln w, [C, N].
        point: z, with terms ln m(z) and d(x, z) and their gradients; under the weights a sample of f_b.
    """

    b: float
    log_weights: Tensor
    point: Point


class Sandwich(NamedTuple):
    """Stochastic bounds on ln Z of each example, [N] nats; their gap bounds the error of either in expectation.

    Attributes:
        lower: E lower <= ln Z, from forward chains.
        upper: E upper >= ln Z, from reverse chains.
        gap: mean over examples of upper - lower.
        gap_stderr: its standard error over x and the chains.
    """

    lower: Tensor
    upper: Tensor
    gap: float
    gap_stderr: float


def prior_path(prior: Prior, distortion: LogDensity, *, n: int) -> Path:
    """The path from a continuous m(z), for n examples.

    Example:
        >>> from vae_rd.model.priors.normal import StandardNormal
        >>> path = prior_path(StandardNormal(torch.zeros(2)), lambda z: 0.5 * z.square().sum(-1), n=3)
        >>> path.sample_prior(4, torch.Generator()).shape
        torch.Size([4, 3, 2])
    """

    def sample_prior(chains: int, generator: torch.Generator) -> Tensor:
        return prior.sample((chains, n), generator=generator).double()

    return Path(sample_prior, prior.log_prob, distortion)


def decoder_distortion(model: GenerativeModel, x: Tensor) -> LogDensity:
    """d(x, z) = -ln p(x|z) of a model's decoder, for z [C, N, D].

    The decoder runs in the precision of its own parameters; the result is float64, so that weights add up in it. Its
    gradient is taken by as many chains at a time as memory allows.

    Args:
        model: in eval mode, on x's device.
        x: N images, [N, C, H, W].

    Raises:
        InputError: the model is in training mode, where p(x|z) may depend on the batch.
    """
    check_evaluating(model)
    dtype = next(model.decoder.parameters()).dtype
    images = x.to(dtype)
    return within(model, images, lambda z: -model.decoder(z.to(dtype)).log_prob(images).double())


def adapt_step_sizes(path: Path, plan: Annealing, *, generator: torch.Generator) -> Tensor:
    """The first run: one step size per entry of the schedule and example, [T + 1, N], by what a few chains accept."""
    point = _start(path, path.sample_prior(FIRST_RUN_CHAINS, generator))
    step_size = torch.full_like(point.z[0, :, 0], FIRST_STEP)
    found = []
    for b in plan.schedule.tolist():
        point, acceptance = _transition(path, point, b, step_size, plan.leapfrog_steps, generator)
        step_size = adapted(step_size, acceptance)
        found.append(step_size)
    return torch.stack(found)


def anneal(
    path: Path, z: Tensor, plan: Annealing, *, step_sizes: Tensor, generator: torch.Generator
) -> Iterator[Snapshot]:
    """The second run: one weight and one transition per entry of the schedule, with frozen step sizes.

    Args:
        path: the densities.
        z: exact draws from f at the schedule's first entry, [C, N, D].
        plan: the schedule, up or down, and the transitions.
        step_sizes: [T + 1, N], from another run than this one.
        generator: of the noise, on z's device.
    """
    point = _start(path, z)
    log_weights, before = torch.zeros_like(point.terms[1]), plan.schedule[0].item()
    for b, step_size in zip(plan.schedule.tolist(), step_sizes, strict=True):
        log_weights = log_weights - (b - before) * point.terms[1]
        point, _ = _transition(path, point, b, step_size, plan.leapfrog_steps, generator)
        before = b
        yield Snapshot(b, log_weights, point)


def bidirectional(path: Path, posterior_z: Tensor, plan: Annealing, *, generator: torch.Generator) -> Sandwich:
    """ln Z at the schedule's last b from both sides, for data simulated from the model.

    Whoever draws z* ~ m and then x ~ p(x|z*) holds in z* an exact draw from p(z|x). Reverse chains, all from z*,
    estimate 1/Z without bias, and minus the logarithm of that lies above ln Z in expectation.

    Args:
        path: the densities. f at the schedule's last b must be p(x|z) m(z) up to a factor: d = -ln p(x|z) and b = 1.
        posterior_z: z*, the latents that the examples were simulated from, [N, D].
        plan: from 0 up; C chains run in either direction.
        generator: of all noise, on the device of z.

    Example:
        >>> from vae_rd.estimators.annealing import default_schedule
        >>> from vae_rd.model.priors.normal import StandardNormal
        >>> noise = torch.Generator().manual_seed(0)
        >>> z, error = torch.randn(2, 50, 1, dtype=torch.float64, generator=noise)
        >>> x = z + error
        >>> path = prior_path(StandardNormal(torch.zeros(1)), lambda z: 0.5 * (x - z).square().sum(-1), n=50)
        >>> plan = Annealing(default_schedule([1.0], steps=50), chains=20, leapfrog_steps=2)
        >>> sandwich = bidirectional(path, z, plan, generator=noise)
        >>> abs(sandwich.gap) < 0.05
        True
    """
    step_sizes = adapt_step_sizes(path, plan, generator=generator)
    z = path.sample_prior(plan.chains, generator)
    lower = log_mean_weight(_last(anneal(path, z, plan, step_sizes=step_sizes, generator=generator)))
    z = posterior_z.double().expand(plan.chains, -1, -1)
    reverse = anneal(path, z, plan.reversed(), step_sizes=step_sizes.flip(0), generator=generator)
    upper = -log_mean_weight(_last(reverse))
    return Sandwich(lower, upper, *mean_and_stderr((upper - lower)[None], population=False))


def log_mean_weight(snapshot: Snapshot) -> Tensor:
    """ln (1/C) sum_c w_c, [N]: the estimate of ln Z_b - ln Z_{b_0}, low in expectation."""
    return snapshot.log_weights.logsumexp(0) - math.log(len(snapshot.log_weights))


def _start(path: Path, z: Tensor) -> Point:
    point = evaluate((path.log_prior, path.distortion), z)
    if not point.terms.isfinite().all():
        raise InputError("ln m(z) or d(x, z) is not finite where the chains start: check the decoder's weights and x")
    return point


def _transition(
    path: Path, point: Point, b: float, step_size: Tensor, leapfrog_steps: int, generator: torch.Generator
) -> tuple[Point, Tensor]:
    return transition(
        point,
        (path.log_prior, path.distortion),
        coefficients=(1.0, -b),
        step_size=step_size,
        leapfrog_steps=leapfrog_steps,
        generator=generator,
    )


def _last(snapshots: Iterator[Snapshot]) -> Snapshot:
    for snapshot in snapshots:
        last = snapshot
    return last
