"""D, R and the bounds on I of one split at fixed weights: the numbers of a run's record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from vae_rd.data.dataset import DataSet
from vae_rd.functional.statistics import POPULATION_SAMPLES
from vae_rd.metrics.bound import bound_of_draws
from vae_rd.metrics.cuts import cut_distortion
from vae_rd.metrics.dependence import DEPENDENCE, dependence_metrics
from vae_rd.metrics.quality import sample_metrics
from vae_rd.metrics.summary import summarise
from vae_rd.metrics.units import variance_ratio
from vae_rd.metrics.values import split_values
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json

OF_UNITS = ("cut_distortion_per_dim", "variance_ratio_per_dim")  # Of the test split alone, as DEPENDENCE is.


def by_split(data: DataSet, splits: Sequence[str], evaluate: Callable[[str], Json]) -> Iterator[tuple[str, Json]]:
    """The metrics of each split, of which those that are one population are measured once: all of it is all there is.

    Args:
        data: the data set.
        splits: whose metrics are asked for.
        evaluate: as `evaluate_split`.
    """
    for group in data.groups(splits):
        found = evaluate(group[-1])
        for split in group:
            alone = () if split == "test" else (*OF_UNITS, *DEPENDENCE)
            yield split, {name: entry for name, entry in found.items() if name not in alone}


def evaluate_split(
    model: GenerativeModel,
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
        split: "train", "val" or "test"; those that are one population have the same noise.
        slope: weight of the rate in `objective` = D + slope R, which is undefined for None.
        seed: of the evaluation noise.
        samples: draws of z per example; None takes 8 on a population (whose standard errors need two), else 1.
        information_examples: how many examples the information is measured at; None takes all, of an unlimited source
            UNLIMITED_REFERENCES.
        bound_samples: K of L_K, where the run's loss has one.
    """
    if not model.has_encoder:
        return sample_metrics(model, data, data.stand_in(split), seed=seed)
    return _evaluated(
        cast(VAE, model),
        data,
        split,
        slope=slope,
        seed=seed,
        samples=samples,
        information_examples=information_examples,
        bound_samples=bound_samples,
    )


def _evaluated(
    model: VAE,
    data: DataSet,
    split: str,
    *,
    slope: float | None,
    seed: int,
    samples: int | None,
    information_examples: int | None,
    bound_samples: int | None,
) -> Json:
    draws, same = samples or (POPULATION_SAMPLES if data.card.population[split] else 1), data.stand_in(split)
    values = split_values(model, data, same, samples=draws, seed=seed, information_examples=information_examples)
    likelihood = getattr(model.decoder, "likelihood", None)
    measure = likelihood.measure if isinstance(likelihood, Likelihood) else None
    metrics = summarise(values, data.card, split, slope=slope, measure=measure)
    if bound_samples is not None:
        metrics["l_k"] = bound_of_draws(model, data, same, draws=bound_samples, repeats=draws, seed=seed)
    if split != "test":
        return metrics
    cut = cut_distortion(model, data, split, seed=seed)
    by_units = dict(zip(OF_UNITS, (cut, variance_ratio(model, metrics["variance_per_dim"], seed=seed)), strict=True))
    # L_K has a slope, that of its ELBO, but q(z|x) is not fitted to it.
    fitted = slope if bound_samples is None else None
    return metrics | by_units | dependence_metrics(model, data, split, slope=fitted, seed=seed)
