"""D, R and the bounds on I of one split at fixed weights: the numbers of a run's record.

One pass over the split, whose chunks several processes share out, collects per-example values under fixed noise; every
estimate, difference and standard error is a mean of those values, so differences are paired. On a population split only
z is resampled, elsewhere x and z.

The information compares every z with every example, so that it costs the square of a split. Of a split of more than
`information_examples` it takes one draw of each of so many examples, chosen at random since a file may be in order, and
compares them with all: the same quantity, exact where it was exact, from a smaller sample of x and z. All but I, the
marginal KL and the decoder's go on being of all examples. A split of an unlimited source is a sample that may be made
as large as anyone likes: there the first UNLIMITED_REFERENCES stand for all. Where ln q(z|x) of a pair is dear, so many
examples at random stand for all, as the posterior says: InfoNCE and leave-one-out are then bounds, on whatever split.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, DataCard, subset
from vae_rd.data.dataset import DataSet
from vae_rd.functional.rate_distortion import objective_of
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.metrics.bound import bound_of_draws
from vae_rd.metrics.cuts import cut_distortion
from vae_rd.metrics.dependence import dependence_metrics
from vae_rd.metrics.units import unit_metrics, variance_ratio
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import all_gather, own_shard, shared_out
from vae_rd.run.record import Json, estimate
from vae_rd.seeding import generator

UNLIMITED_REFERENCES = 10_000  # Examples of an unlimited source that speak for I, unless more are asked for.


@dataclass(frozen=True)
class SplitValues:
    """Per-example values of one split in float64, nats.

    Attributes:
        distortion: -ln p(x|z) per draw, or its mean over q(z|x) where that is analytic, [S, N].
        minus_log_px_z: -ln p(x|z) per draw, the Monte Carlo form of the distortion, [S, N].
        rate: KL(q(z|x) || m(z)) per draw, analytic where it can be, [S, N]; None where q has no density.
        log_ratio: ln q(z|x) - ln m(z), the Monte Carlo form of the rate, [S, N]; likewise.
        rate_per_dim: [N, D], or None without a closed form; this and the next two in the model's precision.
        mean: E_q[z|x], [N, D], or None where it is not known.
        variance: Var_q[z|x], likewise.
        lower: InfoNCE values of the examples at `asked`, [S, M], or [1, M] where these are not all; None where z has
            several groups, or q no density.
        leave_one_out: likewise.
        asked: whose information is measured, [M] positions in the split.
        references: how many examples each of them is compared with, itself among them: of a finite split all, unless
            pairs are dear.
    """

    distortion: Tensor
    minus_log_px_z: Tensor
    rate: Tensor | None
    log_ratio: Tensor | None
    rate_per_dim: Tensor | None
    mean: Tensor | None
    variance: Tensor | None
    lower: Tensor | None
    leave_one_out: Tensor | None
    asked: Tensor
    references: int

    def paired(self, values: Tensor | None) -> Tensor | None:
        """Those of [S, N] values that pair with the information's, [S, M]; all where there is none."""
        if values is None:
            return None
        return values if self.lower is None else values[: len(self.lower), self.asked]


def evaluate_split(
    model: VAE,
    data: DataSet,
    split: str,
    *,
    slope: float | None,
    seed: int,
    samples: int | None = None,
    information_examples: int | None = None,
    bound_samples: int | None = None,
) -> Json:
    """The record's metrics of one split, in eval mode, every estimate with standard error and n.

    Args:
        model: on the same device as the data's pixels.
        data: the data set.
        split: "train", "val" or "test".
        slope: weight of the rate in `objective` = D + slope R, which is undefined for None.
        seed: of the evaluation noise.
        samples: draws of z per example; None takes 8 on a population (whose standard errors need two), else 1.
        information_examples: how many examples the information is measured at; None takes all, of an unlimited source
            UNLIMITED_REFERENCES.
        bound_samples: K of L_K, where the run's loss has one.
    """
    draws = samples or (POPULATION_SAMPLES if data.card.population[split] else 1)
    values = split_values(model, data, split, samples=draws, seed=seed, information_examples=information_examples)
    likelihood = getattr(model.decoder, "likelihood", None)
    measure = likelihood.measure if isinstance(likelihood, Likelihood) else None
    metrics = summarise(values, data.card, split, slope=slope, measure=measure)
    if bound_samples is not None:
        metrics["l_k"] = bound_of_draws(model, data, split, draws=bound_samples, repeats=draws, seed=seed)
    if split != "test":
        return metrics
    by_units = {
        "cut_distortion_per_dim": cut_distortion(model, data, split, seed=seed),
        "variance_ratio_per_dim": variance_ratio(model, metrics["variance_per_dim"], seed=seed),
    }
    return metrics | by_units | dependence_metrics(model, data, split, slope=slope, seed=seed)


@torch.no_grad()
def split_values(
    model: VAE, data: DataSet, split: str, *, samples: int, seed: int, information_examples: int | None = None
) -> SplitValues:
    """Run the model over a split, noise fixed by (seed, split, chunk), and collect its per-example values."""
    was_training = model.training
    model.eval()
    references, asked = _compared(model, data, split, information_examples, seed=seed)
    drawn = samples if len(asked) == len(references) else 1
    found: dict[int, _Chunk] = {}
    for chunk in own_shard(data.chunks(split)):
        x = data.evaluation_chunk(split, chunk)
        noise = generator("cpu", seed, "evaluation", split, chunk)
        first = chunk * EVAL_CHUNK
        here = asked[(asked >= first) & (asked < first + len(x))] - first
        terms = model.terms(x, model.noise(samples, x, noise), **data.scored_chunk(split, chunk))
        found[chunk] = _chunk(terms, here.to(x.device), drawn)
    model.train(was_training)
    chunks = [chunk for _, chunk in sorted(all_gather(found).items())]
    return _whole(chunks, device=data.pixels[split].device, asked=asked, references=references)


def _compared(model: VAE, data: DataSet, split: str, wanted: int | None, *, seed: int) -> tuple[Tensor, Tensor]:
    """Ascending positions of the examples that z are compared with, [R], and of those whose z are, [M]."""
    n, x = data.card.n[split], data.evaluation_chunk(split, 0)[:1]
    count = min(n, max(wanted or 0, UNLIMITED_REFERENCES)) if data.card.unlimited[split] else n
    groups = model.terms(x, model.noise(1, x, generator("cpu", seed, "references", split))).groups
    asked, most = groups[0].posterior.most_compared or (count, count)
    references = torch.arange(count) if most >= count else _some(torch.arange(count), most, seed, "references", split)
    asked = min(asked, wanted or len(references))
    return references, references if asked >= len(references) else _some(references, asked, seed, "information", split)


def _some(positions: Tensor, size: int, *key: int | str) -> Tensor:
    """`size` of them at random, ascending."""
    return positions[subset(len(positions), size, *key).sort().values]


class _Chunk(NamedTuple):
    """Values of one chunk on the CPU, examples along the second axis, and its posteriors where one group is.

    What is per draw is float64. What is per unit, the most of it, stays in the model's precision, and z is that of the
    examples that the information asks for.
    """

    values: dict[str, Tensor]
    posterior: Posterior | None


def _chunk(terms: DrawnTerms, asked: Tensor, drawn: int) -> _Chunk:
    values = {"distortion": terms.distortion, "minus_log_px_z": -terms.log_px_z}
    if (rate := terms.rate) is not None:
        values |= {"rate": rate, "log_ratio": terms.log_qz - terms.log_mz}
    values = {name: value.double() for name, value in values.items()} | {"z": terms.z[:drawn, asked]}
    if (moments := terms.moments) is not None:
        values |= {"mean": moments.mean[None], "variance": moments.variance[None]}
    if terms.rate_per_dim is not None:
        values["rate_per_dim"] = terms.rate_per_dim[None]
    posterior = terms.groups[0].posterior.detached() if len(terms.groups) == 1 else None
    return _Chunk(
        {name: value.cpu() for name, value in values.items()},
        None if posterior is None else posterior.to("cpu", posterior.tensors[0].dtype),
    )


def _whole(chunks: Sequence[_Chunk], *, device: torch.device, asked: Tensor, references: Tensor) -> SplitValues:
    """All chunks together, with the information of the examples at `asked` among those at `references`."""
    values = {name: torch.cat([c.values[name] for c in chunks], 1).to(device) for name in chunks[0].values}
    posteriors = [chunk.posterior for chunk in chunks if chunk.posterior is not None]
    sides = None
    if posteriors and posteriors[0].has_density:
        q = posteriors[0].cat(posteriors).part(references).to(device, posteriors[0].tensors[0].dtype)
        index = torch.searchsorted(references, asked)
        sides = q.information(values["z"].double(), index=index, parts=shared_out)
    return SplitValues(
        distortion=values["distortion"],
        minus_log_px_z=values["minus_log_px_z"],
        rate=values.get("rate"),
        log_ratio=values.get("log_ratio"),
        rate_per_dim=_only(values, "rate_per_dim"),
        mean=_only(values, "mean"),
        variance=_only(values, "variance"),
        lower=sides.lower if sides else None,
        leave_one_out=sides.leave_one_out if sides else None,
        asked=asked.to(device),
        references=len(references),
    )


def _only(values: dict[str, Tensor], name: str) -> Tensor | None:
    return values[name][0] if name in values else None


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
