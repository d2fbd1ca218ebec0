"""D, R and the bounds on I of one split at fixed weights: the numbers of a run's record.

One pass over the split, whose chunks several processes share out, collects per-example values under fixed noise; every
estimate, difference and standard error is a mean of those values, so differences are paired. On a population split only
z is resampled, elsewhere x and z. The information's cost is the square of the number of examples: of a large sample of
an unlimited source, the first INFORMATION_EXAMPLES speak for I and the marginal KL, and all for everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.functional.active_units import active_units
from vae_rd.functional.information import categorical_information, two_sided_information
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.terms import Terms
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import joined, own_share, shared_out
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
        mean: E_q[z|x], [N, D].
        variance: Var_q[z|x], [N, D].
        lower: InfoNCE values of the first M examples among each other, [S, M], or None where q(z|x) is neither diagonal
            normal nor categorical; M = N but for an unlimited source.
        leave_one_out: likewise.
    """

    distortion: Tensor
    minus_log_px_z: Tensor
    rate: Tensor
    log_ratio: Tensor
    rate_per_dim: Tensor | None
    mean: Tensor
    variance: Tensor
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
    return summarise(values, data.card, split, slope=slope)


@torch.no_grad()
def split_values(model: VAE, data: DataSet, split: str, *, samples: int, seed: int) -> SplitValues:
    """Run the model over a split, noise fixed by (seed, split, chunk), and collect its per-example values."""
    was_training = model.training
    model.eval()
    found: dict[int, dict[str, Tensor]] = {}
    for chunk in own_share(data.chunks(split)):
        x = data.evaluation_chunk(split, chunk)
        noise = generator("cpu", seed, "evaluation", split, chunk)
        eps = torch.randn(samples, len(x), model.latent_dim, generator=noise, dtype=x.dtype).to(x.device)
        found[chunk] = {name: value.cpu() for name, value in _chunk_values(model.terms(x, eps)).items()}
    model.train(was_training)
    chunks, device = [chunk for _, chunk in sorted(joined(found).items())], data.pixels[split].device
    values = {name: torch.cat([chunk[name] for chunk in chunks], 1).to(device) for name in chunks[0]}
    return _with_information(values, first=INFORMATION_EXAMPLES if data.card.unlimited[split] else None)


def _chunk_values(terms: Terms) -> dict[str, Tensor]:
    """Float64 values of one chunk, examples along the second axis."""
    values = {"distortion": terms.distortion, "minus_log_px_z": -terms.log_px_z}
    values |= {"rate": terms.rate, "log_ratio": terms.log_qz - terms.log_mz}
    values |= {"z": terms.z, "mean": terms.posterior.mean[None], "variance": terms.posterior.variance[None]}
    if terms.kl_per_dim is not None:
        values["rate_per_dim"] = terms.kl_per_dim[None]
    if isinstance(terms.posterior, DiagonalNormal):
        values["log_var"] = terms.posterior.log_var[None]
    if isinstance(terms.posterior, CategoricalLatent):
        values["probabilities"] = terms.posterior.mean[None]
    return {name: value.double() for name, value in values.items()}


def _with_information(values: dict[str, Tensor], *, first: int | None) -> SplitValues:
    sides = None
    if "log_var" in values:
        z, mu, log_var = (values[name][:, :first] for name in ("z", "mean", "log_var"))
        sides = two_sided_information(z, mu[0], (0.5 * log_var[0]).exp(), parts=shared_out)
    if "probabilities" in values:
        sides = categorical_information(values["probabilities"][0, :first], draws=len(values["z"]))
    return SplitValues(
        distortion=values["distortion"],
        minus_log_px_z=values["minus_log_px_z"],
        rate=values["rate"],
        log_ratio=values["log_ratio"],
        rate_per_dim=values["rate_per_dim"][0] if "rate_per_dim" in values else None,
        mean=values["mean"][0],
        variance=values["variance"][0],
        lower=sides.lower if sides else None,
        leave_one_out=sides.leave_one_out if sides else None,
    )


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
    n = len(values.mean)
    between, within = values.mean.var(0, correction=0), values.variance.mean(0)
    metrics: Json = {
        "active_units": estimate(active_units(between), None, n),
        # Scale-free companion of active units: the share of each unit's variance that x explains.
        "explained_variance_per_dim": {"value": (between / (between + within)).tolist(), "stderr": None, "n": n},
    }
    if values.rate_per_dim is None:
        return metrics | {"rate_per_dim": {"value": None, "stderr": None, "n": n}}
    stderr = torch.zeros_like(between) if population else values.rate_per_dim.std(0) / math.sqrt(n)
    per_dim = {"value": values.rate_per_dim.mean(0).tolist(), "stderr": stderr.tolist(), "n": n}
    return metrics | {"rate_per_dim": per_dim}
