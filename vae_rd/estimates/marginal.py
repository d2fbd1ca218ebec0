"""A tighter rate, and so a tighter upper bound on I, by a prior fitted afterwards to q(z) of the training split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from vae_rd.data.base import subset
from vae_rd.errors import InputError
from vae_rd.estimates.base import Examples, Fitted, Settings, check_density, entry, posterior, prior
from vae_rd.estimates.partials import Values
from vae_rd.estimates.priors import FAMILIES, FittedPrior, asked_of, keep, new_head, stored
from vae_rd.estimators.importance import importance
from vae_rd.estimators.marginal import fit_marginal
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.model.nn.whitening import Sample
from vae_rd.model.posteriors.base import Posterior
from vae_rd.process.collectives import broadcast, is_first
from vae_rd.run.record import Json

MOST = 50_000  # Examples of a split that it is fitted to.
DRAWS = 4  # Of z an example, behind R*; a population takes as many as its other estimates.
MOST_IMAGES = 5_000  # Among which pseudo-inputs begin.
STEPS, BATCH = 1500, 500


def fitted_marginal(families: Sequence[str], run: Fitted, settings: Settings) -> Json:
    """R* = E KL(q(z|x) || m*(z)), m* the best of these families fitted to q(z) of the training split, paired with R."""
    best = min((_fitted(word, run, settings) for word in families), key=lambda found: found.cost)
    components = best.asked["components"]
    examples = Examples(run, settings, kind := f"marginal_{best.asked['word']}")
    values = _measured(best, examples)

    def mean(each: Tensor) -> Json:
        return examples.number(*mean_and_stderr(each, population=examples.is_population))

    undefined = torch.full_like(values["distortion"], torch.nan)  # Where q(z|x) has no density.
    rates, gain = values.get("rate", undefined), values.get("gain", undefined)
    rate = rates - gain
    has_nll = "importance" in settings.kinds
    return entry(
        kind,
        settings,
        mean(rate),
        bound="upper",
        source=f"R under {best.family.meaning.format(components)} fitted to q(z)",
        components=components or None,
        held_out_cross_entropy=best.cost,
        rate=mean(rates),
        gain=mean(gain),
        distortion=mean(values["distortion"]),
        negative_elbo=mean(values["distortion"] + rate),
        samples=settings.samples if has_nll else None,
        nll=_nll(best, examples) if has_nll else None,
    )


def _measured(best: FittedPrior, examples: Examples) -> Values:
    """D of each example; where q(z|x) has a density also R, and what m* saves of it, `gain`."""
    vae, draws = examples.run.vae, POPULATION_SAMPLES if examples.is_population else DRAWS

    @torch.no_grad()
    def measure(part: int, x: Tensor) -> Values:
        terms = vae.terms(x, vae.noise(draws, x, examples.noise(x, "marginal", part)))
        if terms.rate is None:
            return {"distortion": terms.distortion.double()}
        # Beside the rate itself, which may be analytic, only the two priors' difference is drawn.
        gain = best.head().log_prob(terms.z) - terms.log_mz
        values = {"distortion": terms.distortion, "rate": terms.rate, "gain": gain}
        return {name: value.double() for name, value in values.items()}

    return examples.measure(measure, components=best.asked["components"])


def _nll(best: FittedPrior, examples: Examples) -> Json:
    """-E ln p*(x) from above by L_K, p*(x) the integral of p(x|z) m*(z); paired with `importance_nll` by its draws."""
    model, samples = examples.run.vae.with_prior(best.head), examples.settings.samples

    def measure(part: int, x: Tensor) -> Values:
        weighted = importance(model, x, samples=samples, noise=examples.noise(x, "importance", part))
        return {"log_p": weighted.log_p, "variance": weighted.variance, "ess": weighted.ess}

    values = examples.measure(measure, samples=samples, components=best.asked["components"])
    ess = values["ess"]
    number = examples.mean(-values["log_p"], values["variance"])
    return number | {"bound": "upper", "samples": samples, "ess": ess.mean().item(), "ess_least": ess.min().item()}


def _fitted(word: str, run: Fitted, settings: Settings) -> FittedPrior:
    """A family's m*, the same in every process: that of the run's folder, or a new one, which is left there."""
    asked = asked_of(word, run, settings)
    before = stored(run, word) if broadcast(partial(_is_there, run, word, asked)) else None
    if before is not None:
        if is_first():
            print(f"{run.folder / before.path}: fitted before under this seed and these settings, taken as it is")
        return before
    fitted = _descended(asked, run, settings)
    broadcast(partial(keep, run, fitted))
    return fitted


def _is_there(run: Fitted, word: str, asked: Json) -> bool:
    found = stored(run, word)
    return found is not None and found.asked == asked


def _descended(asked: Json, run: Fitted, settings: Settings) -> FittedPrior:
    """A new m*, with its E[-ln m*(z)] on the validation split."""
    train, val = (_posteriors(run, split, settings) for split in ("train", "val"))
    device, word = train.tensors[0].device, asked["word"]
    noise = generator(device, settings.seed, "marginal", word)

    def batch() -> Tensor:
        chosen = torch.randint(len(train.tensors[0]), (BATCH,), generator=noise, device=device)
        return _drawn(run, train.part(chosen), noise)

    head = new_head(run, asked)
    if head.starts_from_data:
        x = run.data.examples("train", _some(run, "train", settings, most=MOST_IMAGES))
        head.start(Sample(x), generator=generator("cpu", settings.seed, "start", word))
    held_out = _drawn(run, val, generator(device, settings.seed, "held out"))
    cost = fit_marginal(head, batch, lambda: held_out, steps=STEPS, lr=FAMILIES[word].lr)
    return FittedPrior(asked, cost, head)


def _drawn(run: Fitted, q: Posterior, noise: torch.Generator) -> Tensor:
    return q.from_noise(run.vae.noise(1, q.tensors[0], noise)).z[0]


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


def check_marginal(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose z is not real, and a mixture of q(z|x) where these are points.

    Of points R stays undefined; the prior is fitted to them all the same, to sample from.

    Raises:
        InputError: naming the run.
    """
    if "marginal_vamp" in settings.kinds:
        check_density(run, "--fit_marginal vamp")
    if not getattr(prior(run), "is_continuous", True):
        raise InputError(f"{run.folder}: --fit_marginal takes a real z, not one of finitely many states")
