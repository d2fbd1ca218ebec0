"""A split's per-example values as the metrics of a record: means, standard errors, and what kind of number each is.

Every estimate, difference and standard error is a mean of the same values, so that differences are paired. On a
population split only z is resampled, elsewhere x and z.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.data.base import DataCard
from vae_rd.functional.rate_distortion import objective_of
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.metrics.units import unit_metrics
from vae_rd.metrics.values import SplitValues
from vae_rd.run.record import Json, estimate


def summarise(
    values: SplitValues, card: DataCard, split: str, *, slope: float | None, measure: str | None = None
) -> Json:
    """Means and standard errors of a split's values, as the record's metrics; D is of the card's measure for None."""
    population = card.population[split]
    n = values.distortion.shape[1]

    def stat(per_example: Tensor | None, **details: object) -> Json:
        if per_example is None:
            return estimate(math.nan, None, n, **details)
        whole = population and per_example.shape[1] == n
        mean, stderr = mean_and_stderr(per_example, population=whole)
        return estimate(mean, stderr, per_example.shape[1], resampled="z" if whole else "x, z", **details)

    kind = _kind(card, split, is_whole=values.references == n)
    method, upper = _upper(values, card, split, kind=kind)
    d, r, lower = values.distortion, values.rate, values.lower
    paired_r = values.paired(r)
    return {
        "distortion": stat(d),
        "distortion_monte_carlo": stat(values.minus_log_px_z),
        "rate": stat(r),
        "rate_monte_carlo": stat(values.log_ratio),
        "elbo": stat(None if r is None else -(d + r)),
        "objective": stat(_objective(d, r, slope)),
        "mutual_information_lower": stat(lower, cap=math.log(values.references), kind=kind),
        "mutual_information_leave_one_out": stat(values.leave_one_out),
        "mutual_information_upper": stat(upper, method=method),
        "marginal_kl_lower": stat(None if upper is None or paired_r is None else paired_r - upper),
        "marginal_kl_upper": stat(None if lower is None or paired_r is None else paired_r - lower),
        "decoder_kl": stat(_decoder_kl(values, card, split, kind=kind, measure=measure or card.measure)),
        **unit_metrics(values.mean, values.variance, values.rate_per_dim, n=n, population=population),
    }


def _objective(distortion: Tensor, rate: Tensor | None, slope: float | None) -> Tensor | None:
    if slope is None or (rate is None and slope != 0):
        return None
    return distortion if rate is None else objective_of(distortion, rate, slope)


def _kind(card: DataCard, split: str, *, is_whole: bool) -> str:
    """What InfoNCE over the split is: I of the source, I of the split alone, or a bound on the source's I.

    A bound takes examples that the encoder was not fitted to. Against a part of a finite split, InfoNCE bounds what it
    would be against all of it: of a training sample I of those examples, and nothing of the source.
    """
    if not (is_whole or card.unlimited[split]):
        return "bound"
    if card.population[split]:
        return "exact"
    return "empirical" if split == "train" and not card.unlimited[split] else "bound"


def _upper(values: SplitValues, card: DataCard, split: str, *, kind: str) -> tuple[str | None, Tensor | None]:
    """The upper bound on I of smallest upper limit (value + 3 s.e.), and its name; I itself where that is known.

    The smaller of two noisy values would be biased low, hence the choice by the limit.
    """
    if kind != "bound" and values.lower is not None:
        return "exact", values.lower
    bounds = {} if (rate := values.paired(values.rate)) is None else {"rate": rate}
    if values.leave_one_out is not None and values.leave_one_out.isfinite().all():
        bounds["leave_one_out"] = values.leave_one_out
    entropy = card.entropy[split]
    if entropy.value is not None and entropy.kind == "exact" and entropy.measure == "discrete" and card.target is None:
        bounds["entropy"] = torch.full_like(bounds.get("rate", values.distortion), entropy.value)

    def limit(name: str) -> float:
        mean, stderr = mean_and_stderr(bounds[name], population=False)
        return mean + 3 * stderr

    method = min(bounds, key=limit, default=None)
    return method, None if method is None else bounds[method]


def _decoder_kl(values: SplitValues, card: DataCard, split: str, *, kind: str, measure: str) -> Tensor | None:
    """D + I - H = E_q(z) KL(q(x|z) || p(x|z)) per draw, where I and H are those of the split, and H of D's measure."""
    entropy = card.entropy[split]
    is_held = entropy.kind == "exact" and entropy.measure == measure and card.target is None  # I is that of x.
    if values.lower is None or kind == "bound" or entropy.value is None or not is_held:
        return None
    return values.distortion[: len(values.lower), values.asked] + values.lower - entropy.value
