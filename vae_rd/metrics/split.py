"""D, R and the bounds on I of one split at fixed weights: the numbers of a run's record.

One pass over the split, whose chunks several processes share out, collects per-example values under fixed noise; every
estimate, difference and standard error is a mean of those values, so differences are paired. On a population split only
z is resampled, elsewhere x and z. The information's cost is the square of the number of examples: of a large sample of
an unlimited source, the first INFORMATION_EXAMPLES speak for I and the marginal KL, and all for everything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.functional.active_units import active_units
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.metrics.cuts import cut_distortion
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import all_gather, own_shard, shared_out
from vae_rd.run.record import Json, estimate
from vae_rd.seeding import generator

INFORMATION_EXAMPLES = 10_000


@dataclass(frozen=True)
class SplitValues:
    """Per-example values of one split in float64, nats.

    Attributes:
        distortion: -ln p(x|z) per draw, or its mean over q(z|x) where that is analytic, [S, N].
        minus_log_px_z: -ln p(x|z) per draw, the Monte Carlo form of the distortion, [S, N].
        rate: KL(q(z|x) || m(z)) per draw, analytic where it can be, [S, N].
        log_ratio: ln q(z|x) - ln m(z), the Monte Carlo form of the rate, [S, N].
        rate_per_dim: [N, D], or None without a closed form.
        mean: E_q[z|x], [N, D], or None where it is not known.
        variance: Var_q[z|x], likewise.
        lower: InfoNCE values of the first M examples among each other, [S, M], or None where z has several groups;
            M = N but for an unlimited source.
        leave_one_out: likewise.
    """

    distortion: Tensor
    minus_log_px_z: Tensor
    rate: Tensor
    log_ratio: Tensor
    rate_per_dim: Tensor | None
    mean: Tensor | None
    variance: Tensor | None
    lower: Tensor | None
    leave_one_out: Tensor | None

    @property
    def paired_rate(self) -> Tensor:
        """The rates of those examples that the information is of, [S, M]."""
        return self.rate if self.lower is None else self.rate[:, : self.lower.shape[1]]


def evaluate_split(
    model: VAE, data: DataSet, split: str, *, slope: float | None, seed: int, samples: int | None = None
) -> Json:
    """The record's metrics of one split, in eval mode, every estimate with standard error and n.

    Args:
        model: on the same device as the data's pixels.
        data: the data set.
        split: "train", "val" or "test".
        slope: weight of the rate in `objective` = D + slope R, which is undefined for None.
        seed: of the evaluation noise.
        samples: draws of z per example; None takes 8 on a population (whose standard errors need two), else 1.
    """
    draws = samples or (POPULATION_SAMPLES if data.card.population[split] else 1)
    values = split_values(model, data, split, samples=draws, seed=seed)
    cut = {"cut_distortion_per_dim": cut_distortion(model, data, split, seed=seed)} if split == "test" else {}
    return summarise(values, data.card, split, slope=slope) | cut


@torch.no_grad()
def split_values(model: VAE, data: DataSet, split: str, *, samples: int, seed: int) -> SplitValues:
    """Run the model over a split, noise fixed by (seed, split, chunk), and collect its per-example values."""
    was_training = model.training
    model.eval()
    found: dict[int, _Chunk] = {}
    for chunk in own_shard(data.chunks(split)):
        x = data.evaluation_chunk(split, chunk)
        noise = generator("cpu", seed, "evaluation", split, chunk)
        found[chunk] = _chunk(model.terms(x, model.noise(samples, x, noise)))
    model.train(was_training)
    chunks = [chunk for _, chunk in sorted(all_gather(found).items())]
    first = INFORMATION_EXAMPLES if data.card.unlimited[split] else None
    return _whole(chunks, device=data.pixels[split].device, first=first)


class _Chunk(NamedTuple):
    """Float64 values of one chunk on the CPU, examples along the second axis, and its posteriors where one group is."""

    values: dict[str, Tensor]
    posterior: Posterior | None


def _chunk(terms: DrawnTerms) -> _Chunk:
    values = {"distortion": terms.distortion, "minus_log_px_z": -terms.log_px_z, "z": terms.z}
    values |= {"rate": terms.rate, "log_ratio": terms.log_qz - terms.log_mz}
    if (moments := terms.moments) is not None:
        values |= {"mean": moments.mean[None], "variance": moments.variance[None]}
    if terms.rate_per_dim is not None:
        values["rate_per_dim"] = terms.rate_per_dim[None]
    posterior = terms.groups[0].posterior.detached() if len(terms.groups) == 1 else None
    return _Chunk(
        {name: value.to("cpu", torch.float64) for name, value in values.items()},
        None if posterior is None else posterior.to("cpu", torch.float64),
    )


def _whole(chunks: Sequence[_Chunk], *, device: torch.device, first: int | None) -> SplitValues:
    """All chunks together, with the information of the first so many examples, or of all."""
    values = {name: torch.cat([c.values[name] for c in chunks], 1).to(device) for name in chunks[0].values}
    posteriors = [chunk.posterior for chunk in chunks if chunk.posterior is not None]
    sides = None
    if posteriors:
        q = posteriors[0].cat(posteriors).to(device, torch.float64).first(first)
        sides = q.information(values["z"][:, :first], parts=shared_out)
    return SplitValues(
        distortion=values["distortion"],
        minus_log_px_z=values["minus_log_px_z"],
        rate=values["rate"],
        log_ratio=values["log_ratio"],
        rate_per_dim=_only(values, "rate_per_dim"),
        mean=_only(values, "mean"),
        variance=_only(values, "variance"),
        lower=sides.lower if sides else None,
        leave_one_out=sides.leave_one_out if sides else None,
    )


def _only(values: dict[str, Tensor], name: str) -> Tensor | None:
    return values[name][0] if name in values else None


def summarise(values: SplitValues, card: DataCard, split: str, *, slope: float | None) -> Json:
    """Means and standard errors of a split's values, as the record's metrics."""
    population = card.population[split]
    n = values.distortion.shape[1]

    def stat(per_example: Tensor | None, **details: object) -> Json:
        if per_example is None:
            return estimate(math.nan, None, n, **details)
        mean, stderr = mean_and_stderr(per_example, population=population)
        return estimate(mean, stderr, per_example.shape[1], resampled="z" if population else "x, z", **details)

    kind = _kind(card, split)
    method, upper = _upper(values, card, split, kind=kind)
    d, r, paired_r, lower = values.distortion, values.rate, values.paired_rate, values.lower
    return {
        "distortion": stat(d),
        "distortion_monte_carlo": stat(values.minus_log_px_z),
        "rate": stat(r),
        "rate_monte_carlo": stat(values.log_ratio),
        "elbo": stat(-(d + r)),
        "objective": stat(None if slope is None else d + slope * r),
        "mutual_information_lower": stat(lower, cap=math.log(paired_r.shape[1]), kind=kind),
        "mutual_information_leave_one_out": stat(values.leave_one_out),
        "mutual_information_upper": stat(upper, method=method),
        "marginal_kl_lower": stat(None if upper is None else paired_r - upper),
        "marginal_kl_upper": stat(None if lower is None else paired_r - lower),
        "decoder_kl": stat(_decoder_kl(values, card, split, kind=kind)),
        **_per_dim(values, population=population),
    }


def _kind(card: DataCard, split: str) -> str:
    """What InfoNCE over the split is: I of the source, I of the split alone, or a bound on the source's I.

    A bound takes examples that the encoder was not fitted to.
    """
    if card.population[split]:
        return "exact"
    return "empirical" if split == "train" and not card.unlimited[split] else "bound"


def _upper(values: SplitValues, card: DataCard, split: str, *, kind: str) -> tuple[str | None, Tensor | None]:
    """The upper bound on I of smallest upper limit (value + 3 s.e.), and its name; I itself where that is known.

    The smaller of two noisy values would be biased low, hence the choice by the limit.
    """
    if kind != "bound" and values.lower is not None:
        return "exact", values.lower
    bounds = {"rate": values.paired_rate}
    if values.leave_one_out is not None and values.leave_one_out.isfinite().all():
        bounds["leave_one_out"] = values.leave_one_out
    entropy = card.entropy[split]
    if entropy.value is not None and entropy.kind == "exact" and entropy.measure == "discrete":
        bounds["entropy"] = torch.full_like(bounds["rate"], entropy.value)

    def limit(name: str) -> float:
        mean, stderr = mean_and_stderr(bounds[name], population=False)
        return mean + 3 * stderr

    method = min(bounds, key=limit)
    return method, bounds[method]


def _decoder_kl(values: SplitValues, card: DataCard, split: str, *, kind: str) -> Tensor | None:
    """D + I - H = E_q(z) KL(q(x|z) || p(x|z)) per draw, where I and H are those of the split itself."""
    entropy = card.entropy[split]
    if values.lower is None or kind == "bound" or entropy.value is None or entropy.kind != "exact":
        return None
    return values.distortion + values.lower - entropy.value


def _per_dim(values: SplitValues, *, population: bool) -> Json:
    n = values.distortion.shape[1]
    nothing: Json = {"value": None, "stderr": None, "n": n}
    names = ("active_units", "mean_variance_per_dim", "explained_variance_per_dim", "rate_per_dim")
    metrics: Json = dict.fromkeys(names, nothing)
    if values.mean is not None and values.variance is not None:
        between, within = values.mean.var(0, correction=0), values.variance.mean(0)
        metrics["active_units"] = estimate(int(active_units(between)), None, n)
        metrics["mean_variance_per_dim"] = {"value": between.tolist(), "stderr": None, "n": n}
        # Scale-free companion of active units: the share of each unit's variance that x explains.
        shares = (between / (between + within)).tolist()
        metrics["explained_variance_per_dim"] = {"value": shares, "stderr": None, "n": n}
    if (rates := values.rate_per_dim) is not None:
        stderr = torch.zeros_like(rates[0]) if population else rates.std(0) / math.sqrt(n)
        metrics["rate_per_dim"] = {"value": rates.mean(0).tolist(), "stderr": stderr.tolist(), "n": n}
    return metrics
