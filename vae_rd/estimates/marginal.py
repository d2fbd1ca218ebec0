"""A tighter rate, and so a tighter upper bound on I, by a prior fitted afterwards to q(z) of the training split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.base import Examples, Fitted, Settings, entry, posterior
from vae_rd.estimates.partials import Values
from vae_rd.estimators.marginal import fit_marginal
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.model.nn.whitening import Sample
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.vamp import VampPrior
from vae_rd.process.collectives import broadcast
from vae_rd.run.files import staged
from vae_rd.run.record import Json
from vae_rd.seeding import generator

MOST = 50_000  # Examples of a split that it is fitted to.
DRAWS = 4  # Of z an example, behind R*; a population takes as many as its other estimates.
STEPS, BATCH = 1500, 500
LR = 3e-2


class Family(NamedTuple):
    """Priors of one kind.

    Attributes:
        head: of a run, with so many components.
        components: how many where nothing is said.
        meaning: in the words of a legend, with a place for their number.
    """

    head: Callable[[Fitted, int], PriorHead]
    components: int
    meaning: str


# By the last word of their kinds.
FAMILIES: Mapping[str, Family] = {
    "mixture": Family(lambda run, k: MixturePrior(run.model.latent_dim, components=k), 100, "a mixture of {} normals"),
    "vamp": Family(
        lambda run, k: VampPrior(run.model.encoder, run.data.card.shape, components=k),
        500,
        "a VampPrior of {} pseudo-inputs",
    ),
}


def fitted_marginal(families: Sequence[str], run: Fitted, settings: Settings) -> Json:
    """R* = E KL(q(z|x) || m*(z)), m* the best of these families fitted to q(z) of the training split, paired with R."""
    word, head, cost = min((_fitted(word, run, settings) for word in families), key=lambda found: found[2])
    components = settings.components or FAMILIES[word].components
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
        components=components,
        held_out_cross_entropy=cost,
        rate=mean(values["rate"]),
        gain=mean(values["gain"]),
        distortion=mean(values["distortion"]),
        negative_elbo=mean(values["distortion"] + rate),
    )


def _fitted(word: str, run: Fitted, settings: Settings) -> tuple[str, PriorHead, float]:
    """A family's m*, and its E[-ln m*(z)] on the validation split; the same in every process."""
    train, val = _posteriors(run, "train"), _posteriors(run, "val")
    device = train.tensors[0].device
    noise = generator(device, settings.seed, "marginal", word)

    def batch() -> Tensor:
        chosen = torch.randint(len(train.tensors[0]), (BATCH,), generator=noise, device=device)
        return _drawn(run, train.part(chosen), noise)

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        head = FAMILIES[word].head(run, settings.components or FAMILIES[word].components).to(device)
    if head.starts_from_data:
        x = torch.cat([run.data.evaluation_chunk("train", chunk) for chunk in range(_chunks(run))])
        head.start(Sample(x), generator=generator("cpu", settings.seed, "start", word))
    held_out = _drawn(run, val, generator(device, settings.seed, "held out"))
    return word, head, fit_marginal(head, batch, lambda: held_out, steps=STEPS, lr=LR)


def _drawn(run: Fitted, q: Posterior, noise: torch.Generator) -> Tensor:
    return q.from_noise(run.model.noise(1, q.tensors[0], noise)).z[0]


@torch.no_grad()
def _posteriors(run: Fitted, split: str) -> Posterior:
    """q(z|x) of a split, of its first MOST examples at most."""
    n = min(MOST, run.data.card.n[split])
    parts = [posterior(run, run.data.examples(split, index)) for index in torch.arange(n).split(BATCH)]
    return parts[0].cat(parts)


def _chunks(run: Fitted) -> int:
    return min(run.data.chunks("train"), MOST // BATCH)


def _keep(run: Fitted, kind: str, head: PriorHead) -> None:
    with staged(run.folder / f"{kind}.pt") as path:
        torch.save({name: value.cpu() for name, value in head.state_dict().items()}, path)


def check_marginal(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose q(z|x) is no density over real z.

    Raises:
        InputError: naming the run.
    """
    if not getattr(run.model.prior, "is_continuous", False):
        raise InputError(f"{run.folder}: --fit_marginal takes a real z, not one of finitely many states")
