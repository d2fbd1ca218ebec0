"""Terms of anyone's batches to the numbers of a record, in one pass: what `rate_distortion` and the adapters share."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from vae_rd.data.base import DataCard, Entropy, Support, uniform_entropy
from vae_rd.errors import InputError
from vae_rd.foreign.contents import Contents
from vae_rd.foreign.result import RateDistortionResult, check_beta
from vae_rd.functional.seeding import generator
from vae_rd.metrics.summary import summarise
from vae_rd.metrics.units import PRIOR_DRAWS, ratio_to_draws
from vae_rd.metrics.values import Chunk, SplitValues, chunk_of, compared, joined
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.stated import Terms
from vae_rd.run.record import SPLITS, Json

INFORMATION_EXAMPLES = 5_000
STATED = ("family", "measure", "scale", "squared_error_weight", "constant")  # What D is, in a record.


class Seen(NamedTuple):
    """What is known of one batch.

    Attributes:
        terms: per draw and example, in eval mode, without a gradient.
        posterior: q(z|x) of the batch, for pairs of z and x; None where it has no ln q of them.
        x: the batch, for its shape, values and repeats; None where `shape` says it.
    """

    terms: Terms
    posterior: Posterior | None = None
    x: Tensor | None = None


class Collected:
    """What the numbers of a record take of batches.

    Attributes:
        chunks: values of each batch, on the CPU.
        contents: what their x were.
        last: the last batch; None where there was none.
    """

    def __init__(self, batches: Iterable[Seen] = ()) -> None:
        self.chunks, self.contents, self.last = list[Chunk](), Contents(), cast(Seen | None, None)
        for seen in batches:
            self.add(seen)

    @property
    def n(self) -> int:
        """How many examples there were."""
        return sum(chunk.values["distortion"].shape[1] for chunk in self.chunks)

    def add(self, seen: Seen, *, with_x: bool = True) -> None:
        """Take note of a batch, and of its x unless somebody else does."""
        self.last = seen
        self.chunks.append(chunk_of(seen.terms, seen.posterior, slice(None), len(seen.terms.log_px_z)))
        if with_x and seen.x is not None:
            self.contents.add(seen.x)


@torch.no_grad()
def of_terms(
    batches: Iterable[Seen] | Collected,
    *,
    entropy: float | None = None,
    population: bool = False,
    beta: float | None = None,
    split: str = "test",
    data: str = "loader",
    seed: int = 0,
    information_examples: int | None = INFORMATION_EXAMPLES,
    device: torch.device | str = "cpu",
    shape: Sequence[int] | None = None,
    support: Support | None = None,
    distortion: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> RateDistortionResult:
    """D, R, the bounds on I and what belongs to them, from terms that someone else computes.

    Args:
        batches: in an order that is the same at every pass; or what was collected of them.
        entropy: H of the source in nats, where it is known.
        population: whether the examples are the whole source, each equally probable: H is then counted.
        beta: weight of R in training, for the record; None where there was none.
        split: "test", "val", or "train" for examples that the model was trained on.
        data: what figures and tables call the examples.
        seed: of the choice of examples for I, and of draws from the prior.
        information_examples: how many I is a mean over, each against all; None for all.
        device: where pairs are compared.
        shape: of an example, where batches have no x.
        support: its values, likewise.
        distortion: what D is, as a record's `model.distortion` says it; at least its "measure" and "family".
        notes: lines to be printed with it.

    Raises:
        InputError: for an H that cannot be, and no examples.

    Example:
        >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -3.0), rate_per_dim=torch.ones(2, 4))
        >>> result = of_terms([Seen(terms)], shape=[8], distortion={"family": "stated", "measure": "discrete"})
        >>> result["distortion"]["value"], result["rate"]["value"]
        (3.0, 4.0)
    """
    if split not in SPLITS:
        raise InputError(f"split: {split!r} is none of {', '.join(SPLITS)}")
    began = time.monotonic()
    collected = batches if isinstance(batches, Collected) else Collected(batches)
    if (last := collected.last) is None:
        raise InputError("loader: it has no examples; give one that has")
    stated = dict.fromkeys(STATED) | dict(distortion or {})
    measure = stated["measure"]
    values = _values(collected, information_examples, device=torch.device(device), seed=seed, split=split)
    facts = _card(collected, split, name=data, shape=shape, support=support, population=population)
    card = _with_entropy(facts, collected.contents, entropy, split=split, measure=measure)
    metrics = summarise(values, card, split, slope=beta, measure=measure)
    ratio = _variance_ratio(metrics["variance_per_dim"], last.terms, seed=seed)
    return RateDistortionResult(
        metrics=metrics | {"variance_ratio_per_dim": ratio},
        values=values,
        card=card,
        split=split,
        latent_dim=_latent_dim(last.terms),
        distortion=stated,
        is_rate_analytic=getattr(last.terms, "is_rate_analytic", None),
        beta=None if beta is None else check_beta(beta),
        seed=seed,
        device=str(device),
        seconds=time.monotonic() - began,
        notes=tuple(notes) + _not_finite(values),
    )


def _values(collected: Collected, wanted: int | None, *, device: torch.device, seed: int, split: str) -> SplitValues:
    """All batches together, with the information of so many examples."""
    posterior = None if collected.last is None else collected.last.posterior
    dear = None if posterior is None else posterior.most_compared
    references, asked = compared(collected.n, dear, wanted, seed=seed, split=split)
    if len(asked) < len(references):
        for chunk in collected.chunks:
            chunk.values.update({name: z[:1] for name, z in chunk.values.items() if name == "z"})
    return joined(collected.chunks, device=device, asked=asked, references=references)


def _card(
    collected: Collected,
    split: str,
    *,
    name: str,
    shape: Sequence[int] | None,
    support: Support | None,
    population: bool,
) -> DataCard:
    """The facts of the examples, as far as they are known."""
    contents = collected.contents
    has_x = bool(contents.shape) or not shape
    if not has_x and population:
        raise InputError("population: without x nothing can be counted; give entropy")
    return DataCard(
        name=name,
        n={some: collected.n if some == split else 0 for some in SPLITS},
        shape=cast(Any, contents.shape if has_x else tuple(shape or ())),
        support=support or (contents.support if has_x else "real"),
        population={some: population and some == split for some in SPLITS},
        pixel_scale=None,
        entropy=dict.fromkeys(SPLITS, Entropy()),
        params={},
        content=contents.digest if has_x else None,
    )


def _with_entropy(
    card: DataCard, contents: Contents, given: float | None, *, split: str, measure: str | None
) -> DataCard:
    """The card with H of the split: as given, or counted where the examples are all there are."""
    if given is not None and not (isinstance(given, int | float) and math.isfinite(given)):
        raise InputError(f"entropy: {given!r} is no number of nats; leave it out where H is not known")
    known = Entropy()
    if given is not None:
        discrete = measure == "discrete" or (measure is None and card.support == "binary")
        known = Entropy(float(given), 0.0, "exact", "discrete" if discrete else "differential", "given")
    elif card.population[split]:
        known = uniform_entropy(contents.multiplicities)
    card.entropy[split] = known  # type: ignore[index]
    return card


def _variance_ratio(variance: Json, terms: Terms, *, seed: int) -> Json:
    """Var q(z_d) / Var m(z_d) by units, by draws of whatever prior the terms have."""
    return ratio_to_draws(
        variance, lambda: terms.prior_draws(PRIOR_DRAWS, noise=generator("cpu", seed, "prior", "variance"))
    )


def _latent_dim(terms: Terms) -> int:
    known = (terms.z, terms.rate_per_dim, None if terms.moments is None else terms.moments.mean)
    return next((values.shape[-1] for values in known if values is not None), 0)


def _not_finite(values: SplitValues) -> tuple[str, ...]:
    """Words on examples without a finite D or R, whose means are null."""
    named = {"D": values.distortion, "R": values.rate}
    counts = {name: int((~v.isfinite()).any(0).sum()) for name, v in named.items() if v is not None}
    n = values.distortion.shape[1]
    return tuple(f"{name} of {count:,} of {n:,} examples is not finite" for name, count in counts.items() if count)
