"""What every exploration of a finished run shares: what was asked for, what it found, and the examples it looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.data.dataset import DataSet
from vae_rd.estimates.base import Fitted, an_example, codes, posterior
from vae_rd.estimates.priors import FAMILIES, stored
from vae_rd.explore.media.pictures import black_and_white, can_be_shown, named_stream
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.generative import GenerativeModel
from vae_rd.run.record import Json, estimate

OWN = "prior"  # The word of m(z) among the laws that z is drawn from.


class Asked(NamedTuple):
    """What `python -m vae_rd.explore` was asked for.

    Attributes:
        only: words of `vae_rd.config.explorations`; none for all.
        seed: of all draws.
        others: data sets whose examples are ranked with the run's own, by name.
    """

    only: tuple[str, ...] = ()
    seed: int = 0
    others: Mapping[str, DataSet] = MappingProxyType({})


class Page(NamedTuple):
    """Images [n, C, H, W], in units of x, in rows of `columns`; and in words what the rows are."""

    images: Tensor
    columns: int
    of: str

    @property
    def range(self) -> tuple[float, float]:
        """The values of x that are black and white."""
        return black_and_white(self.images)


@dataclass(frozen=True)
class Found:
    """What an exploration found.

    Attributes:
        line: its numbers in one line.
        numbers: each as `vae_rd.run.record.estimate` has it, by name; or such by name of a row.
        rows: of its CSV.
        page: its picture; None where x is nothing that a screen can show.
    """

    line: str
    numbers: Json
    rows: Sequence[Json]
    page: Page | None = None
    facts: Json = field(default_factory=dict)


class Exploration(NamedTuple):
    """What a word of `--only` stands for.

    Attributes:
        make: of an opened run.
        why_not: why a run has none, in words that follow the exploration's; None where it has.
    """

    make: Callable[[Fitted, Asked], Found]
    why_not: Callable[[Fitted], str | None] = lambda run: None


def without_codes(run: Fitted) -> str | None:
    """Why a run has no codes of x; None where it has."""
    if run.data.card.target is not None:
        return "p(.|z) is of labels, not of x"
    return None if run.model.has_encoder else "the model has no q(z|x), and so no codes of x"


def page_of(run: Fitted, rows: Sequence[Tensor], of: str) -> Page | None:
    """Rows of equally many images, [n, C, H, W] each, of any device, as one page; None where x is none."""
    return Page(torch.cat([row.cpu() for row in rows]), len(rows[0]), of) if can_be_shown(run.data.card) else None


def some(run: Fitted, split: str, most: int, seed: int) -> Tensor:
    """Ascending positions of at most so many examples of a split, at random where they are not all.

    Of "test" those that training has not seen, where there are two such.
    """
    places = torch.arange(len(run.data.pixels[split]))
    if split == "test" and (unseen := unseen_of(run)) is not None:
        places = unseen
    return places[subset(len(places), min(most, len(places)), seed, "explore", split)].sort().values


def unseen_of(run: Fitted) -> Tensor | None:
    """Positions of the test examples that training has not seen; None where there are no two."""
    places = run.data.held_out
    places = torch.arange(len(run.data.pixels["test"])) if places is None else places
    return places if len(places) > 1 else None


def laws(run: Fitted) -> dict[str, GenerativeModel]:
    """The model under its own m(z) and under each prior that `evaluate --fit_marginal` left in the run's folder.

    Nothing has led the codes of a plain autoencoder to its m(z), which is left out.
    """
    fitted = {word: found for word in FAMILIES if (found := stored(run, word)) is not None}
    is_point = run.model.has_encoder and not posterior(run, an_example(run)).has_density
    own = {} if is_point else {OWN: run.model}
    return own | {word: run.model.with_prior(found.head) for word, found in fitted.items()}


@torch.no_grad()
def decoded_law(model: GenerativeModel, z: Tensor) -> Distribution:
    """p(x|z) of z [M, D], batch shape [1, M]."""
    return cast(Distribution, model.decoder(z[None]))


def mean_map(model: GenerativeModel) -> Callable[[Tensor], Tensor]:
    """z [M, D] to E[x|z], [M, C H W], differentiable."""

    def g(z: Tensor) -> Tensor:
        x: Tensor = model.decoder(z[None]).mean[0]
        return x.flatten(1)

    return g


@torch.no_grad()
def means(model: GenerativeModel, z: Tensor) -> Tensor:
    """E[x|z] of z [M, D], [M, C, H, W]."""
    return torch.cat([decoded_law(model, part).mean[0] for part in z.split(EVAL_CHUNK)])


def drawn_codes(run: Fitted, split: str, index: Tensor, *key: int | str) -> Tensor:
    """One z ~ q(z|x) of each of these examples, [N, D], on the model's device."""
    parts = [
        codes(run, run.data.examples(split, some), generator("cpu", *key, part))["draw"]
        for part, some in enumerate(index.split(EVAL_CHUNK))
    ]
    return torch.cat(parts).to(next(run.model.parameters()))


@torch.no_grad()
def draws(model: GenerativeModel, z: Tensor, *key: int | str) -> Tensor:
    """x ~ p(x|z) of each z [M, D], [M, C, H, W], by a stream of its own."""
    with named_stream(z.device, *key):
        return torch.cat([decoded_law(model, part).sample()[0] for part in z.split(EVAL_CHUNK)])


def mean_of(values: Tensor) -> Json:
    """The mean of independent values [N], with its standard error."""
    mean, stderr = mean_and_stderr(values.double()[None], population=False)
    return estimate(mean, stderr, len(values))


def said(number: Json, digits: int = 2) -> str:
    """A number with its error, in words.

    Example:
        >>> said({"value": 0.5, "stderr": 0.25, "n": 4}), said({"value": None, "stderr": None, "n": 4})
        ('0.50 ± 0.25', 'undefined')
    """
    if number["value"] is None:
        return "undefined"
    error = "" if number["stderr"] is None else f" ± {number['stderr']:.{digits}f}"
    return f"{number['value']:.{digits}f}{error}"
