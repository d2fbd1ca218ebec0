"""What every estimate on a finished run shares: the run, what was asked for, and the entry it makes in the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.config import FitConfig
from vae_rd.data.dataset import DataSet
from vae_rd.estimates.partials import Values, by_chunks
from vae_rd.functional.statistics import mean_and_stderr_of_estimates
from vae_rd.model import VAE
from vae_rd.records import Json
from vae_rd.seeding import generator

FEW = 100  # Examples of an annealed run or of per-example optimisation, unless more are asked for.


@dataclass(frozen=True)
class Settings:
    """What `python -m vae_rd.evaluate` was asked for; `examples` None leaves their number to the estimate."""

    split: str = "test"
    samples: int = 5000
    examples: int | None = None
    chains: int = 16
    temperatures: int = 500
    seed: int = 0


class Fitted(NamedTuple):
    """A finished run, opened: its folder and config, the model at the kept checkpoint in eval mode, and the data."""

    folder: Path
    config: FitConfig
    model: VAE
    data: DataSet


Estimate = Callable[[Fitted, Settings], Json]


def entry(
    kind: str,
    settings: Settings,
    value: Json,
    /,
    *,
    bound: str | None,
    source: str,
    certified: bool = False,
    curve: Json | None = None,
    **own: object,
) -> Json:
    """One element of the record's `estimates`, as docs/records.md lists its keys.

    Args:
        kind: which estimate this is.
        settings: what was asked for.
        value: the number with its stderr and n.
        bound: "upper" or "lower" on what is estimated, in expectation; None where it is neither.
        source: what made it, in the words of a legend.
        certified: whether a `limit` among `own` holds with 99 % confidence.
        curve: rates and distortions along b, where there is a curve.
        own: further keys of this kind.
    """
    place = {"kind": kind, "split": settings.split, **value, "seed": settings.seed}
    return place | {"bound": bound, "certified": certified, "source": source, "curve": curve} | own


def measured(
    run: Fitted,
    settings: Settings,
    kind: str,
    measure: Callable[[int, Tensor], Values],
    *,
    few: bool = False,
    most: int | None = None,
    **asked: int,
) -> tuple[Values, int]:
    """Values of as many examples as are asked for, or as the estimator can afford, and their number."""
    there = run.data.card.n[settings.split]
    n = min(there, settings.examples or (FEW if few else there), most or there)
    decides = {"kind": kind, "split": settings.split, "seed": settings.seed, **asked}
    return by_chunks(run.folder, run.data, decides, measure, examples=n), n


def mean_of(run: Fitted, settings: Settings, values: Tensor, variances: Tensor) -> tuple[float, float]:
    """Mean and standard error of per-example estimates [N] of the given variances."""
    return mean_and_stderr_of_estimates(values, variances, population=is_population(run, settings))


def is_population(run: Fitted, settings: Settings) -> bool:
    """Whether only the draws are random: all of a population was measured."""
    return run.data.card.population[settings.split] and settings.examples is None


def noise_for(x: Tensor, settings: Settings, kind: str, chunk: int) -> torch.Generator:
    """The random stream of one estimate on one chunk."""
    return generator(x.device, settings.seed, kind, settings.split, chunk)
