"""What every estimate on a finished run shares: the run, what was asked for, its examples, and its entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import EVAL_CHUNK
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.partials import Values, by_parts
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr_of_estimates
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import Prior
from vae_rd.model.vae import VAE
from vae_rd.run.files import sha256
from vae_rd.run.points import kept_of
from vae_rd.run.record import Json, estimate

FEW = 100  # Examples of an annealed run or of per-example optimisation, unless more are asked for.
PART_OF_FEW = 25  # Examples that one process takes at a time there.


@dataclass(frozen=True)
class Settings:
    """What `python -m vae_rd.evaluate` was asked for; None leaves a number to the estimate.

    `kinds` are all estimates that were asked for together.
    """

    split: str = "test"
    samples: int = 5000
    examples: int | None = None
    chains: int = 16
    temperatures: int = 500
    components: int | None = None
    factor: str | None = None
    marginal: str | None = None
    seed: int = 0
    kinds: tuple[str, ...] = ()


class Fitted(NamedTuple):
    """A finished run, opened.

    Attributes:
        folder: of the run.
        config: of the run.
        model: at the kept checkpoint, in eval mode.
        data: as the run saw them.
        slope: -dD/dR where its training aimed at, in nats a nat; None where nothing says so.
    """

    folder: Path
    config: FitConfig
    model: GenerativeModel
    data: DataSet
    slope: float | None

    @property
    def vae(self) -> VAE:
        """The model with its q(z|x): of a run that was checked to have one."""
        assert self.model.has_encoder, "estimates that take q(z|x) are refused before"
        return cast(VAE, self.model)


Estimate = Callable[[Fitted, Settings], Json]


class Examples:
    """The examples of one estimate on one split: all, or as many as were asked for or can be afforded.

    Fewer than all are drawn at random, since the first of a split may be alike; of an unlimited source, whose examples
    are drawn already, they are the first.

    Args:
        run: an opened run.
        settings: what was asked for.
        kind: of the estimate.
        few: whether it takes only FEW unless more are asked for.
        most: what it can afford at most.
    """

    def __init__(
        self, run: Fitted, settings: Settings, kind: str, *, few: bool = False, most: int | None = None
    ) -> None:
        self.run, self.settings, self.kind = run, settings, kind
        self.part = PART_OF_FEW if few else EVAL_CHUNK
        there = run.data.card.n[settings.split]
        self.n = min(there, settings.examples or (FEW if few else there), most or there)
        if self.n < there and not run.data.card.unlimited[settings.split]:
            noise = generator("cpu", settings.seed, "examples", settings.split)
            self.index = torch.randperm(there, generator=noise)[: self.n].sort().values
        else:
            self.index = torch.arange(self.n)
        self.is_population = run.data.card.population[settings.split] and self.n == there

    def measure(self, measure: Callable[[int, Tensor], Values], **asked: int | str | Json) -> Values:
        """Values of all examples: `measure` takes a part's number and its x; `asked` is what else they depend on.

        They depend on the checkpoint: what was kept of a run before it went on is of other weights.
        """
        settings, data = self.settings, self.run.data
        decides = {"kind": self.kind, "split": settings.split, "seed": settings.seed, "n": self.n, **asked}
        decides["kept"] = sha256(kept_of(self.run.folder))
        parts = [partial(data.examples, settings.split, index) for index in self.index.split(self.part)]
        return by_parts(self.run.folder, decides, measure, parts)

    def noise(self, x: Tensor, use: str, part: int = 0) -> torch.Generator:
        """The random stream of one use on one part."""
        return generator(x.device, self.settings.seed, use, self.settings.split, part)

    def mean(self, values: Tensor, variances: Tensor, *, shared: float = 0.0) -> Json:
        """Mean of per-example estimates [N] of the given variances, with its standard error.

        `shared` is the variance of the mean by noise that all examples have in common.
        """
        value, stderr = mean_and_stderr_of_estimates(values, variances, population=self.is_population)
        return self.number(value, (stderr**2 + shared) ** 0.5)

    def number(self, value: float, stderr: float | None) -> Json:
        """A number over these examples, as records hold it."""
        return estimate(value, stderr, self.n, resampled="z" if self.is_population else "x, z")


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


def prior(run: Fitted) -> Prior:
    """m(z)."""
    return cast(Prior, run.model.prior())


@torch.no_grad()
def posterior(run: Fitted, x: Tensor) -> Posterior:
    """q(z|x) of images [N, C, H, W]."""
    return cast(Posterior, run.vae.encoder(x))


def codes(run: Fitted, x: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
    """A draw of z of each x and, where it has a closed form, the mean: [N, D] each, float64 on the CPU."""
    q = posterior(run, x)
    values = {"draw": q.from_noise(run.vae.noise(1, x, noise)).z[0]}
    if (moments := q.moments()) is not None:
        values["mean"] = moments.mean
    return {name: value.double().cpu() for name, value in values.items()}


def table_line(name: str, cells: list[str]) -> str:
    """A line of an entry that is printed as a table."""
    return f"               {name:<26}" + "".join(f"{cell:>20}" for cell in cells)


def has_rate(run: Fitted) -> bool:
    """Whether there is a q(z|x) with a density, so that R is defined."""
    return run.model.has_encoder and posterior(run, an_example(run)).has_density


def check_density(run: Fitted, flag: str) -> None:
    """Refuse a run whose q(z|x) has no density.

    Raises:
        InputError: naming the run and the flag.
    """
    if not posterior(run, an_example(run)).has_density:
        raise InputError(f"{run.folder}: {flag} takes a q(z|x) with a density; choose another run")


def an_example(run: Fitted) -> Tensor:
    """One x, to ask what the run's posteriors can do, [1, C, H, W]."""
    return run.data.examples("test", torch.tensor([0]))
