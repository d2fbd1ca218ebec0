"""Whether p(x|z) depends on z: D under z of another x and under z from the prior, and I beside it, on a few examples.

    shuffled   E_x E_{q(z|x')} [-ln p(x|z)], x' another example        prior   E_x E_{m(z)} [-ln p(x|z)]

A decoder that ignores z has the D of its own z under both. One that is right for q, p(x|z) = q(x|z), has D rise by I at
least: under independent x and z, E ln q(x|z) - E ln q(x) is minus a KL divergence.

z goes from each example to the next of one cycle through all of them, so that an example enters two values of shuffled
D: by its x, and by its z at the next. Their standard errors take the covariance of neighbours along the cycle,
`stderr_along_cycle`; those of own z and of the prior's are of independent examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.data.dataset import DataSet
from vae_rd.estimators.gaps import local_gain
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr, stderr_along_cycle
from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json, estimate

EXAMPLES = 1_000
NAMES = ("shuffled_distortion", "prior_distortion", "shuffle_rise")
DEPENDENCE = (*NAMES, "amortisation_gap")
STEPS, STEPPED = 50, 64  # Of the encoder's q, for each of so many examples: an eighth of an epoch of MNIST in all.


@dataclass(frozen=True)
class Dependence:
    """Values of n examples, nats, [n] each.

    Attributes:
        distortion: -ln p(x|z) under a draw of the example's own q(z|x).
        shuffled: under that of another example.
        prior: under a draw of m(z).
        rate: KL(q(z|x) || m(z)), or its draw; None where q has no density.
        rate_per_dim: the rate by units, [n, D]; None without a closed form.
        information: InfoNCE among these examples, float64; None where q has no density, or pairs are dear.
        cycle: the examples in an order in which each was given the z of the one before, the first that of the last.
    """

    distortion: Tensor
    shuffled: Tensor
    prior: Tensor
    rate: Tensor | None
    rate_per_dim: Tensor | None
    information: Tensor | None
    cycle: Tensor

    @property
    def rise(self) -> Tensor:
        """What shuffled z cost each example, [n]."""
        return self.shuffled - self.distortion

    def shuffled_stderr(self, values: Tensor) -> float:
        """Of the mean of values that hold `shuffled`, [n]: of these each example enters two."""
        return stderr_along_cycle(values[self.cycle])


@torch.no_grad()
def dependence(model: VAE, x: Tensor, *, seed: int, target: Tensor | None = None) -> Dependence:
    """Values of examples, [N, C, H, W], at least two, in an order of their own: neighbours in a file may be alike.

    Args:
        model: in eval mode, on the device of x.
        x: the examples.
        seed: of the draws.
        target: as of `VAE.terms`.
    """
    scored = x if target is None else target
    pairs = zip(x.split(EVAL_CHUNK), scored.split(EVAL_CHUNK), strict=True)
    return dependence_of(((model, part, None if target is None else of) for part, of in pairs), seed=seed)


@torch.no_grad()
def dependence_of(parts: Iterable[tuple[VAE, Tensor, Tensor | None]], *, seed: int) -> Dependence:
    """The same of examples in batches, each with a model of its own, whose decoder may be given more than z.

    Args:
        parts: a model, in eval mode, its examples, and what its decoder's distribution is of where that is not these.
        seed: of the draws.
    """
    noise = generator("cpu", seed, "dependence")
    held = [(model, model.terms(x, model.noise(1, x, noise), target=target)) for model, x, target in parts]
    terms = [of for _, of in held]
    z = torch.cat([of.z for of in terms], 1)
    n = z.shape[1]
    order = torch.randperm(n, generator=noise).to(z.device)
    others = torch.empty_like(z)
    others[:, order] = z[:, order.roll(1)]
    drawn = held[0][0].prior().sample((1, n), generator=generator(z.device, seed, "dependence", "prior"))
    return Dependence(
        torch.cat([-of.log_px_z[0] for of in terms]).double(),
        _distortion(held, others),
        _distortion(held, drawn),
        _joined([None if of.rate is None else of.rate[0] for of in terms]),
        _joined([of.rate_per_dim for of in terms]),
        _information(terms, z),
        order,
    )


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known) if len(known) == len(parts) else None


def _distortion(held: Sequence[tuple[VAE, DrawnTerms]], z: Tensor) -> Tensor:
    parts = zip(held, z.split([len(terms.x) for _, terms in held], 1), strict=True)
    return torch.cat([-model.decoder(part).log_prob(terms.x)[0] for (model, terms), part in parts]).double()


def _information(parts: Sequence[DrawnTerms], z: Tensor) -> Tensor | None:
    posteriors = [terms.groups[0].posterior for terms in parts]
    first = posteriors[0]
    if not first.has_density or first.most_compared is not None:
        return None
    return first.cat(posteriors).information(z.double()).lower[0]


def is_known(model: VAE) -> bool:
    """Whether a model's x is scored by its decoder alone, at a z that may be any."""
    return type(model).terms is VAE.terms


def dependence_metrics(model: VAE, data: DataSet, split: str, *, slope: float | None, seed: int) -> Json:
    """The record's entries: D under other z, its paired rise, and what local steps on q(z|x) gain of D + slope R.

    Args:
        model: on the same device as the data's pixels.
        data: the data set.
        split: whose examples, a random subset of at most EXAMPLES.
        slope: weight of R; None leaves the gap undefined.
        seed: of the subset and of the draws.
    """
    n = min(len(data.pixels[split]), EXAMPLES)
    if not is_known(model):
        return {name: {"value": None, "stderr": None, "n": n} for name in DEPENDENCE}
    was_training = model.training
    model.eval()
    index = subset(len(data.pixels[split]), n, seed, "dependence", split).sort().values
    x = data.examples(split, index)
    metrics = dependence_entries(dependence(model, x, seed=seed, **data.scored(split, index)))
    # Of labels there is none: an encoder that does not see y is not to be p(z|x, y).
    metrics["amortisation_gap"] = _gap(model, x, slope=slope if data.targets is None else None, seed=seed)
    model.train(was_training)
    return metrics


def dependence_entries(found: Dependence) -> Json:
    """D under other z, and its paired rise, as a record has them."""
    entries = (_shuffled(found, found.shuffled), _entry(found.prior), _shuffled(found, found.rise))
    return dict(zip(NAMES, entries, strict=True))


def _shuffled(found: Dependence, values: Tensor) -> Json:
    return estimate(values.mean().item(), found.shuffled_stderr(values), len(values), resampled="x, z")


def _gap(model: VAE, x: Tensor, *, slope: float | None, seed: int) -> Json:
    x = x[subset(len(x), min(STEPPED, len(x)), seed, "gap").to(x.device)]
    noise = generator("cpu", seed, "gap", "noise")
    gain = None if slope is None else local_gain(model, x, beta=slope, noise=noise, steps=STEPS)
    details = {"steps": STEPS, "slope": slope}
    return {"value": None, "stderr": None, "n": len(x), **details} if gain is None else _entry(gain, **details)


def _entry(values: Tensor, **details: object) -> Json:
    mean, stderr = mean_and_stderr(values[None], population=False)
    return estimate(mean, stderr, len(values), resampled="x, z", **details)
