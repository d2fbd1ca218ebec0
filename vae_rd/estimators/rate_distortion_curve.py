"""The rate-distortion curve of a fixed decoder at many slopes, from one annealed run without an encoder.

The best q(z|x) for R + b D of one x is f_b / Z_b, f_b = m(z) exp(-b d(x, z)), and there

    R_b + b D_b = -ln Z_b         D_b = E_{f_b / Z_b} d(x, z)         dR_b / dD_b = -b

The line -ln Z^_b is an upper bound in expectation; D^_b, the mean of d under the chains' weights, and
R^_b = -ln Z^_b - b D^_b are estimates that may err on either side.

D_b could also come from the slope d(-ln Z_b)/db between neighbours of a schedule. Repeated transitions at b are used
instead: they need no difference quotient, so their error is noise alone, and one chain gives as many as are asked for.

Source: Huang et al. 2020, "Evaluating Lossy Compression Rates of Deep Generative Models", arXiv 2008.06653.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimators.ais import Path, Snapshot, adapt_step_sizes, anneal, log_mean_weight
from vae_rd.estimators.annealing import Annealing
from vae_rd.estimators.control_variates import Draws, with_less_variance
from vae_rd.functional.statistics import mean_and_stderr_of_estimates


class RateDistortionCurve(NamedTuple):
    """One curve per example: B slopes, N examples, nats (D in the units of d), float64.

    The standard errors are of the chains' noise alone, x being given, to first order: too small where the effective
    sample size is, as any weighted mean's are.

    Attributes:
        b: the slopes, ascending, [B].
        line_upper: -ln Z^_b, above R_b + b D_b in expectation, [B, N].
        line_stderr: [B, N].
        rate_estimate: R^_b, [B, N].
        rate_stderr: [B, N].
        distortion_estimate: D^_b, [B, N].
        distortion_stderr: [B, N].
        ess: effective sample size of the weights, (sum w)^2 / sum w^2, between 1 and the number of chains, [B, N].
    """

    b: Tensor
    line_upper: Tensor
    line_stderr: Tensor
    rate_estimate: Tensor
    rate_stderr: Tensor
    distortion_estimate: Tensor
    distortion_stderr: Tensor
    ess: Tensor


class MeanPoint(NamedTuple):
    """Means of a curve over n examples at one b, each with its standard error; `ess` is the smallest of them."""

    b: float
    line_upper: float
    line_stderr: float
    rate_estimate: float
    rate_stderr: float
    distortion_estimate: float
    distortion_stderr: float
    ess: float
    n: int


class Doubling(NamedTuple):
    """A curve, and that of a chain twice as long: on real data, the evidence that the chain was long enough."""

    single: RateDistortionCurve
    double: RateDistortionCurve

    @property
    def change(self) -> Tensor:
        """What doubling took off the line per slope and example, [B, N] nats."""
        return self.single.line_upper - self.double.line_upper

    @property
    def change_stderr(self) -> Tensor:
        """Its standard error, [B, N]: the two runs share x and no noise."""
        return torch.hypot(self.single.line_stderr, self.double.line_stderr)


def rate_distortion_curve(
    path: Path, b_values: Sequence[float], plan: Annealing, *, generator: torch.Generator
) -> RateDistortionCurve:
    """-ln Z_b, R_b and D_b of N examples at every requested b, from one run after one that finds its step sizes.

    Args:
        path: the densities f_b.
        b_values: slopes b on the schedule.
        plan: a schedule from 0 up, `default_schedule(b_values, steps=..., draws=...)`; standard errors take two chains.
        generator: of all noise, on the device of z.

    Raises:
        InputError: a requested b is not on the schedule, or the distortion is not finite at the prior's draws.

    Example:
        >>> from vae_rd.estimators.ais import prior_path
        >>> from vae_rd.estimators.annealing import default_schedule
        >>> from vae_rd.model.priors.normal import StandardNormal
        >>> path = prior_path(StandardNormal(torch.zeros(1).double()), lambda z: 0.5 * z.square().sum(-1), n=5)
        >>> plan = Annealing(default_schedule([1.0], steps=40), chains=200, leapfrog_steps=2)
        >>> curve = rate_distortion_curve(path, [1.0], plan, generator=torch.Generator().manual_seed(0))
        >>> abs(curve.line_upper.mean().item() - 0.5 * math.log(2)) < 0.02
        True
    """
    wanted = set(b_values)
    missing = sorted(wanted - set(plan.schedule.tolist()))
    if missing or not wanted:
        raise InputError(f"b = {missing or 'nothing'} asked for, not on the schedule: make it with default_schedule")
    step_sizes = adapt_step_sizes(path, plan, generator=generator)
    run = anneal(path, path.sample_prior(plan.chains, generator), plan, step_sizes=step_sizes, generator=generator)
    rows = [_row(list(visits)) for b, visits in groupby(run, key=lambda snapshot: snapshot.b) if b in wanted]
    b = torch.tensor(sorted(wanted), dtype=torch.float64)
    return RateDistortionCurve(b, *(torch.stack(values) for values in zip(*rows, strict=True)))


def doubling(path: Path, b_values: Sequence[float], plan: Annealing, *, generator: torch.Generator) -> Doubling:
    """The curve by this plan and by one of twice the length; arguments as of `rate_distortion_curve`.

    The line falls toward -ln Z as chains get longer, so a change that is small against what one wants to know says that
    little is left; it proves nothing where chains of both lengths miss the same mode. Only simulated data have a proof
    (`bidirectional`).
    """
    single = rate_distortion_curve(path, b_values, plan, generator=generator)
    return Doubling(single, rate_distortion_curve(path, b_values, plan.doubled(), generator=generator))


def mean_curve(curve: RateDistortionCurve, *, population: bool) -> list[MeanPoint]:
    """Means over the examples at each b.

    Args:
        curve: per-example values.
        population: whether the examples are all there are: then only the chains' noise is random, else x is as well.
    """

    def mean(values: Tensor, stderr: Tensor) -> tuple[float, float]:
        return mean_and_stderr_of_estimates(values, stderr.square(), population=population)

    n = curve.ess.shape[1]
    return [
        MeanPoint(
            b,
            *mean(curve.line_upper[i], curve.line_stderr[i]),
            *mean(curve.rate_estimate[i], curve.rate_stderr[i]),
            *mean(curve.distortion_estimate[i], curve.distortion_stderr[i]),
            ess=curve.ess[i].min().item(),
            n=n,
        )
        for i, b in enumerate(curve.b.tolist())
    ]


def _row(visits: list[Snapshot]) -> tuple[Tensor, ...]:
    """The values of one b, each [N], in the order of `RateDistortionCurve`; weights do not change between visits."""
    b, log_weights = visits[0].b, visits[0].log_weights
    chains = len(log_weights)
    share = log_weights.softmax(0)
    d = with_less_variance(_draws(visits)).mean(0)
    line, distortion = -log_mean_weight(visits[0]), (share * d).sum(0)
    # What each chain adds to the error of the line and of D, to first order.
    line_noise, distortion_noise = 1 / chains - share, share * (d - distortion)
    rate_noise = line_noise - b * distortion_noise
    return (
        line,
        _stderr(line_noise),
        line - b * distortion,
        _stderr(rate_noise),
        distortion,
        _stderr(distortion_noise),
        share.square().sum(0).reciprocal(),
    )


def _draws(visits: list[Snapshot]) -> Draws:
    """What the control variates need to know of repeated visits to one b."""
    points = [visit.point for visit in visits]
    prior_gradient, slopes = torch.stack([point.gradients for point in points], 1)
    return Draws(
        z=torch.stack([point.z for point in points]),
        score=prior_gradient - visits[0].b * slopes,
        values=torch.stack([point.terms[1] for point in points]),
        slopes=slopes,
    )


def _stderr(noise: Tensor) -> Tensor:
    """Standard error of a sum of independent zero-mean contributions, [C, N] to [N]; nan for a single chain."""
    chains = len(noise)
    return (noise.square().sum(0) * (chains / (chains - 1) if chains > 1 else math.nan)).sqrt()
