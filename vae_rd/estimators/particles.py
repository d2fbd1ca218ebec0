"""Upper bound on a source's rate-distortion function from a reproduction distribution on finitely many particles.

For a source p(x), a distortion d and a weight lambda, every distribution of y on particles y_m with weights w_m gives

    min_{q(y|x)} [I(X; Y) + lambda E d(X, Y)]  <=  E_p(x)[-ln sum_m w_m exp(-lambda d(x, y_m))]

whatever the particles were fitted to, as long as the right side is averaged over fresh x. Its minimiser over w is
Blahut's and Arimoto's; descending the gradient in the positions too is a Wasserstein gradient descent. The conditional
pi_m(x) ~ w_m exp(-lambda d(x, y_m)) puts the bound's point at D = E sum_m pi_m d(x, y_m) and R = bound - lambda D.

Source: Yang, Eckstein, Nutz, Mandt 2023, "Estimating the Rate-Distortion Function by Wasserstein Gradient Descent",
arXiv 2310.18908.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vae_rd.errors import InputError

Draw = Callable[[int, torch.Generator], Tensor]
"""n and a generator to n independent x of the source, [n, d]."""
Distortion = Callable[[Tensor, Tensor], Tensor]
"""x [N, d] and y [M, d] to d(x, y) >= 0 of all pairs, [N, M], differentiable in y."""

ROWS = 4096  # Of x at a time: a table of [ROWS, particles] stays near the caches.
PILOT = 20_000  # Fresh x for the coefficients of control variates, apart from those that are averaged.
Z_99 = 2.326347874040841  # The standard normal's 99 % point.
STEP_SIZE = 0.03  # Of Adam: for positions in standard deviations of the source, for ln w in nats.


@dataclass(frozen=True)
class SquaredError:
    """d(x, y) = scale |x - y|^2, all pairs as one matrix product.

    Example:
        >>> SquaredError(0.5)(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0], [0.0, 3.0]]))
        tensor([[12.5000,  0.0000]])
    """

    scale: float = 1.0

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """[N, M] for x [N, d] and y [M, d]; rounding below 0 is cut off."""
        squares = x.square().sum(1, keepdim=True) + y.square().sum(1)
        return self.scale * torch.addmm(squares, x, y.T, alpha=-2.0).clamp(min=0.0)


@dataclass(frozen=True)
class Particles:
    """A distribution of y on M points.

    Attributes:
        positions: y_m, [M, d] float64.
        log_weights: ln w_m, [M] float64, normalised.
    """

    positions: Tensor
    log_weights: Tensor

    def log_joint(self, x: Tensor, distortion: Distortion, *, weight: float) -> Tensor:
        """ln w_m - lambda d(x, y_m), [N, M]: its logsumexp over m is minus the bound's value at x."""
        return self.log_weights - weight * distortion(x, self.positions)


@dataclass(frozen=True)
class ParticleBound:
    """An upper bound on min I(X; Y) + weight * E d(X, Y), in nats, with the point of its optimal conditional.

    The standard errors are those of means over the n fresh x, particles held fixed.

    Attributes:
        value: the bound's estimate; its expectation is never below the minimum.
        upper_limit: one-sided 99 % limit, value + 2.326 stderr (normal: n is large and the values' tails are light).
        rate: R = value - weight * distortion.
        particles: the reproduction distribution.
    """

    value: float
    stderr: float
    upper_limit: float
    rate: float
    rate_stderr: float
    distortion: float
    distortion_stderr: float
    n: int
    weight: float
    particles: Particles
    steps: int
    batch: int


def particle_bound(
    draw: Draw,
    distortion: Distortion,
    *,
    weight: float,
    generator: torch.Generator,
    particles: int = 1000,
    steps: int = 1000,
    batch: int = 1024,
    n_eval: int = 300_000,
    control: Callable[[Tensor], Tensor] | None = None,
) -> ParticleBound:
    """Fit particles to fresh batches, then average their bound over n_eval fresh x.

    Args:
        draw: the source.
        distortion: d(x, y).
        weight: lambda > 0, nats per unit of distortion: minus the slope of R(D).
        generator: all the randomness there is.
        particles: M.
        steps: of Adam, at a step size that falls to 0 along a cosine.
        batch: fresh x a step.
        n_eval: fresh x of the average.
        control: functions of x that are known to average exactly 0 over the source, [N, d] to [N, k]: control variates.
            Their coefficients come from x of their own, so the bound stays unbiased.

    Raises:
        InputError: for settings out of range and for a source or distortion that does not return finite tables.

    Example:
        >>> draw = lambda n, generator: torch.randn(n, 1, generator=generator)
        >>> generator = torch.Generator().manual_seed(0)
        >>> sizes = dict(particles=30, steps=200, batch=256, n_eval=20_000)
        >>> bound = particle_bound(draw, SquaredError(), weight=2.0, generator=generator, **sizes)
        >>> abs(bound.value - (0.5 * math.log(4.0) + 0.5)) < 4 * bound.stderr + 1e-3
        True
    """
    check_settings(weight=weight, particles=particles, batch=batch, n_eval=n_eval)
    check_problem(draw, distortion, generator)
    fitted = fit_particles(
        draw, distortion, weight=weight, generator=generator, particles=particles, steps=steps, batch=batch
    )
    x = draw(n_eval, generator).double()
    values = _values(x, fitted, distortion, weight=weight)
    if control is not None:
        pilot = draw(PILOT, generator).double()
        values -= control(x) @ _coefficients(control(pilot), _values(pilot, fitted, distortion, weight=weight))
    return _bound_of(values, fitted, weight=weight, steps=steps, batch=batch)


def _bound_of(values: Tensor, particles: Particles, *, weight: float, steps: int, batch: int) -> ParticleBound:
    """The means of the bound, the rate and the distortion at each x, [N, 3], with their standard errors."""
    n = len(values)
    (value, rate, mean), errors = values.mean(0).tolist(), (values.std(0) / math.sqrt(n)).tolist()
    return ParticleBound(
        value=value,
        stderr=errors[0],
        upper_limit=value + Z_99 * errors[0],
        rate=rate,
        rate_stderr=errors[1],
        distortion=mean,
        distortion_stderr=errors[2],
        n=n,
        weight=weight,
        particles=particles,
        steps=steps,
        batch=batch,
    )


def fit_particles(
    draw: Draw,
    distortion: Distortion,
    *,
    weight: float,
    generator: torch.Generator,
    particles: int,
    steps: int,
    batch: int,
) -> Particles:
    """Descend the bound in positions and ln w together, on fresh batches, from draws of the source.

    A function of the arguments alone: float64, Adam, step size falling to 0.
    """
    positions = draw(particles, generator).double().requires_grad_()
    logits = positions.new_zeros(particles).requires_grad_()
    scale = draw(PILOT, generator).double().std(0).mean().item()
    groups: list[dict[str, Any]] = [{"params": [positions], "lr": STEP_SIZE * scale}, {"params": [logits]}]
    optimiser = torch.optim.Adam(groups, lr=STEP_SIZE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    for _ in range(steps):
        optimiser.zero_grad()
        current = Particles(positions, logits.log_softmax(0))
        log_joint = current.log_joint(draw(batch, generator).double(), distortion, weight=weight)
        log_joint.logsumexp(1).mean().neg().backward()
        optimiser.step()
        schedule.step()
    return Particles(positions.detach(), logits.detach().log_softmax(0))


def check_settings(*, weight: float, **counts: int) -> None:
    """Refuse a weight or a count that is not positive."""
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f"weight={weight}: the weight of the distortion must be finite and above 0")
    for name, count in counts.items():
        if count < 2:
            raise InputError(f"{name}={count}: at least 2 are needed")


def check_problem(draw: Draw, distortion: Distortion, generator: torch.Generator) -> None:
    """Refuse a source or distortion whose tables have another shape or are not finite, or a negative distortion."""
    x = draw(3, generator)
    if x.shape[:1] != (3,) or x.ndim != 2 or not bool(x.isfinite().all()):
        raise InputError(f"draw(3, generator) gave {tuple(x.shape)}: it must return finite x as [3, d]")
    table = distortion(x.double(), x[:2].double())
    if table.shape != (3, 2) or not bool((table >= 0).all()):
        raise InputError(f"distortion of [3, d] and [2, d] gave {tuple(table.shape)}: it must be [3, 2], all >= 0")


def _values(x: Tensor, particles: Particles, distortion: Distortion, *, weight: float) -> Tensor:
    """The bound's value, rate and distortion at each x, [N, 3]."""
    parts = []
    for rows in x.split(ROWS):
        log_joint = particles.log_joint(rows, distortion, weight=weight)
        value = -log_joint.logsumexp(1)
        mean = (log_joint.softmax(1) * (particles.log_weights - log_joint)).sum(1) / weight
        parts.append(torch.stack([value, value - weight * mean, mean], 1))
    return torch.cat(parts)


def _coefficients(control: Tensor, values: Tensor) -> Tensor:
    """Least-squares coefficients of the centred values on the controls, [k, 3]."""
    return torch.linalg.lstsq(control, values - values.mean(0)).solution
