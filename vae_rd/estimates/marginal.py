"""A tighter rate, and so a tighter upper bound on I, by a prior fitted afterwards to q(z) of the training split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import subset
from vae_rd.errors import InputError
from vae_rd.estimates.base import Examples, Fitted, Settings, check_density, entry, posterior, prior
from vae_rd.estimates.partials import Values
from vae_rd.estimators.marginal import fit_marginal
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.model.nn.whitening import Sample
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.flow import FlowPrior
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.vamp import VampPrior
from vae_rd.process.collectives import broadcast
from vae_rd.run.files import staged
from vae_rd.run.record import Json
from vae_rd.seeding import generator

MOST = 50_000  # Examples of a split that it is fitted to.
DRAWS = 4  # Of z an example, behind R*; a population takes as many as its other estimates.
MOST_IMAGES = 5_000  # Among which pseudo-inputs begin.
STEPS, BATCH = 1500, 500


class Family(NamedTuple):
    """Priors of one kind.

    Attributes:
        head: of a run, with so many components.
        meaning: in the words of a legend, with a place for their number.
        components: how many where nothing is said; 0 where it has none.
        lr: the highest learning rate.
    """

    head: Callable[[Fitted, int], PriorHead]
    meaning: str
    components: int = 0
    lr: float = 3e-2

    def count(self, settings: Settings) -> int:
        """How many components it gets."""
        return (settings.components or self.components) if self.components else 0


def _flow(word: str, bins: int | None) -> Callable[[Fitted, int], PriorHead]:
    return lambda run, _: FlowPrior(run.model.latent_dim, transforms=3, bins=bins, word=f"--fit_marginal {word}")


# By the last word of their kinds.
FAMILIES: Mapping[str, Family] = {
    "mixture": Family(
        lambda run, k: MixturePrior(run.model.latent_dim, components=k), "a mixture of {} normals", components=100
    ),
    "vamp": Family(
        lambda run, k: VampPrior(run.model.encoder, run.data.card.shape, components=k),
        "a VampPrior of {} pseudo-inputs",
        components=500,
    ),
    "maf": Family(_flow("maf", None), "a masked autoregressive flow", lr=3e-3),
    "spline": Family(_flow("spline", 8), "a neural spline flow", lr=3e-3),
}
AUTO = ("mixture", "maf")  # Quick to fit; a VampPrior takes a pass of the encoder for each pseudo-input and step.


def fitted_marginal(families: Sequence[str], run: Fitted, settings: Settings) -> Json:
    """R* = E KL(q(z|x) || m*(z)), m* the best of these families fitted to q(z) of the training split, paired with R."""
    word, head, cost = min((_fitted(word, run, settings) for word in families), key=lambda found: found[2])
    components = FAMILIES[word].count(settings)
    examples = Examples(run, settings, kind := f"marginal_{word}")
    draws = POPULATION_SAMPLES if examples.is_population else DRAWS

    @torch.no_grad()
    def measure(part: int, x: Tensor) -> Values:
        terms = run.model.terms(x, run.model.noise(draws, x, examples.noise(x, "marginal", part)))
        # Beside the rate itself, which may be analytic, only the two priors' difference is drawn.
        gain = head().log_prob(terms.z) - terms.log_mz
        values = {"distortion": terms.distortion, "rate": terms.rate, "gain": gain}
        return {name: value.double() for name, value in values.items()}

    values = examples.measure(measure, components=components)

    def mean(each: Tensor) -> Json:
        return examples.number(*mean_and_stderr(each, population=examples.is_population))

    rate = values["rate"] - values["gain"]
    broadcast(partial(_keep, run, kind, head))
    return entry(
        kind,
        settings,
        mean(rate),
        bound="upper",
        source=f"R under {FAMILIES[word].meaning.format(components)} fitted to q(z)",
        components=components or None,
        held_out_cross_entropy=cost,
        rate=mean(values["rate"]),
        gain=mean(values["gain"]),
        distortion=mean(values["distortion"]),
        negative_elbo=mean(values["distortion"] + rate),
    )


def _fitted(word: str, run: Fitted, settings: Settings) -> tuple[str, PriorHead, float]:
    """A family's m*, and its E[-ln m*(z)] on the validation split; the same in every process."""
    train, val = (_posteriors(run, split, settings) for split in ("train", "val"))
    device = train.tensors[0].device
    noise = generator(device, settings.seed, "marginal", word)

    def batch() -> Tensor:
        chosen = torch.randint(len(train.tensors[0]), (BATCH,), generator=noise, device=device)
        return _drawn(run, train.part(chosen), noise)

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        head = FAMILIES[word].head(run, FAMILIES[word].count(settings)).to(device)
    if head.starts_from_data:
        x = run.data.examples("train", _some(run, "train", settings, most=MOST_IMAGES))
        head.start(Sample(x), generator=generator("cpu", settings.seed, "start", word))
    held_out = _drawn(run, val, generator(device, settings.seed, "held out"))
    return word, head, fit_marginal(head, batch, lambda: held_out, steps=STEPS, lr=FAMILIES[word].lr)


def _drawn(run: Fitted, q: Posterior, noise: torch.Generator) -> Tensor:
    return q.from_noise(run.model.noise(1, q.tensors[0], noise)).z[0]


@torch.no_grad()
def _posteriors(run: Fitted, split: str, settings: Settings) -> Posterior:
    """q(z|x) of a split, of MOST examples at most."""
    index = _some(run, split, settings, most=MOST)
    parts = [posterior(run, run.data.examples(split, some)) for some in index.split(BATCH)]
    return parts[0].cat(parts)


def _some(run: Fitted, split: str, settings: Settings, *, most: int) -> Tensor:
    """Ascending positions in a split, at random where they are not all, since a file may be in order."""
    there = run.data.card.n[split]
    return subset(there, min(most, there), settings.seed, "marginal", split).sort().values


def _keep(run: Fitted, kind: str, head: PriorHead) -> None:
    with staged(run.folder / f"{kind}.pt") as path:
        torch.save({name: value.cpu() for name, value in head.state_dict().items()}, path)


def check_marginal(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose q(z|x) is no density over real z.

    Raises:
        InputError: naming the run.
    """
    check_density(run, "--fit_marginal")
    if not getattr(prior(run), "is_continuous", True):
        raise InputError(f"{run.folder}: --fit_marginal takes a real z, not one of finitely many states")
