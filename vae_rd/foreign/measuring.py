"""D, R and I of a model that is any two callables, on anyone's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.errors import InputError
from vae_rd.experiment.matching import network_of
from vae_rd.foreign.checks import check_steady, scale_note
from vae_rd.foreign.collecting import INFORMATION_EXAMPLES, Seen, of_terms
from vae_rd.foreign.contents import Reservoir
from vae_rd.foreign.loaders import batches
from vae_rd.foreign.modules import device_of, measured, modules_of
from vae_rd.foreign.result import RateDistortionResult
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import POPULATION_SAMPLES
from vae_rd.metrics.cuts import PASSES, cut_entry
from vae_rd.metrics.dependence import EXAMPLES, dependence, dependence_entries
from vae_rd.model.torch_distributions import is_discrete
from vae_rd.model.torch_terms import Scored, vae_of
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json


def rate_distortion(
    loader: Any,
    *,
    encoder: Callable[[Tensor], Any],
    decoder: Callable[[Tensor], Any],
    prior: Distribution | None = None,
    key: str | int | None = None,
    samples: int | None = None,
    entropy: float | None = None,
    population: bool = False,
    beta: float | None = None,
    split: str = "test",
    data: str = "loader",
    information_examples: int | None = INFORMATION_EXAMPLES,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> RateDistortionResult:
    """D, R, the bounds on I, active units and a verdict of a model made of callables that return torch Distributions.

        D = E_x E_q(z|x) [-ln p(x|z)]      R = E_x KL(q(z|x) || m(z))      H - D <= I <= R      nats

    One pass over the loader, without a gradient, with the modules behind the callables in eval mode and back.

    Args:
        loader: what yields x, (x, y, ...) or a dict; a Dataset; or all x as one tensor or array, [N, ...].
        encoder: x [B, ...] -> q(z|x), batch shape [B], such as `Independent(Normal(mu, sigma), 1)`, sigma the standard
            deviation; events of z of any rank.
        decoder: z [B, *event] -> p(x|z), batch shape [B], such as `Independent(Bernoulli(logits=...), 3)`; its events
            are of the shape of an x.
        prior: m(z), batch shape []; None for N(0, I).
        key: where x is in a batch that is a dict, or in a tuple whose first item it is not.
        samples: draws of z for each x; None takes 8 where `population`, whose standard errors need two, else 1.
        entropy: H of the source in nats, where it is known.
        population: whether the loader yields the whole source, each x equally probable: H is then counted, and I exact.
        beta: weight of R in training, for the objective D + beta R and the record; None where it is not known.
        split: what the loader yields, "test", "val", or "train" for what the model was trained on.
        data: what figures and tables call the examples.
        information_examples: how many x I is a mean over, each against all of them; None for all.
        seed: of the draws.
        device: where the model is; None for that of its first parameter.

    Returns:
        A mapping from the names of a record's metrics to entries with value, stderr and n, which prints as a table;
        `.save("runs/mine")` leaves a record, `.plane()` draws.

    Raises:
        InputError: for what is no distribution of an example, an x that p(x|z) has no density of, a model that says
            something else at each call, and a loader without examples.

    Example:
        >>> from torch.distributions import Bernoulli, Independent, Normal
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> result = rate_distortion(
        ...     x,
        ...     encoder=lambda x: Independent(Normal(8 * x[:, :1] - 4, 1.0), 1),
        ...     decoder=lambda z: Independent(Bernoulli(logits=8 * z.repeat(1, 2)), 1),
        ...     population=True,
        ... )
        >>> result["rate"]["value"], round(result.card.entropy["test"].value, 4)
        (8.0, 0.6931)
    """
    check_counts(samples=samples, information_examples=information_examples)
    modules = modules_of(encoder, decoder)
    draws = samples or (POPULATION_SAMPLES if population else 1)
    where = device_of(modules, device)
    with measured(modules):
        xs = (x.to(where) for x in batches(loader, key))
        stream = _Stream(xs, encoder, decoder, prior, draws=draws, seed=seed, split=split)
        result = of_terms(
            stream,
            entropy=entropy,
            population=population,
            beta=beta,
            split=split,
            data=data,
            seed=seed,
            information_examples=information_examples,
            device=where,
            distortion=stream.distortion,
        )
        result.metrics |= stream.of_some()
    result.network = network_of(nn.ModuleList(modules)) if modules else None
    result.notes += stream.notes
    return result


class _Stream:
    """The terms of a loader's batches; the model is made at the first one, and a few examples stay for later."""

    def __init__(
        self,
        xs: Iterator[Tensor],
        encode: Callable[[Tensor], Any],
        decode: Callable[[Tensor], Any],
        prior: Distribution | None,
        *,
        draws: int,
        seed: int,
        split: str,
    ) -> None:
        self.first, self.rest = next(xs), xs
        self.draws, self.seed, self.split = draws, seed, split
        self.kept, self.notes = Reservoir(EXAMPLES, seed=seed), tuple[str, ...]()
        self.model: VAE = vae_of(self.first[:2], encode=encode, decode=decode, prior=prior).eval()
        check_steady(self.model, self.first, seed=seed)
        one = self.first[:1]
        self.distortion = said_of(self.model.terms(one, self.model.noise(1, one, generator("cpu", 0))).likelihood)
        self._batch = 0

    def __iter__(self) -> Iterator[Seen]:
        yield self._seen(self.first)
        for x in self.rest:
            yield self._seen(x)

    def _seen(self, x: Tensor) -> Seen:
        """The terms of the next batch, whose noise its number names."""
        noise = generator("cpu", self.seed, "evaluation", self.split, self._batch)
        self._batch += 1
        self.kept.add(x)
        terms = self.model.terms(x, self.model.noise(self.draws, x, noise))
        return Seen(terms, terms.posterior, x)

    def of_some(self) -> Json:
        """What takes other z than an example's own: D under shuffled z and the prior's, and without each unit."""
        x = self.kept.x
        if len(x) < 2:
            return {}
        note = scale_note(self.model, x, seed=self.seed)
        self.notes += () if note is None else (note,)
        entries = dependence_entries(dependence(self.model, x, seed=self.seed))
        x = x[: max(2, PASSES // self.model.latent_dim)]
        noise = generator("cpu", self.seed, "cut", self.split, "noise")
        parts = [self.model.terms(some, self.model.noise(1, some, noise)) for some in x.split(EVAL_CHUNK)]
        return entries | {"cut_distortion_per_dim": cut_entry(self.model, parts)}


def said_of(p: Distribution) -> Json:
    """What D is, by the distribution that the decoder returns."""
    base: Any = p.base if isinstance(p, Scored) else p
    measure = "discrete" if is_discrete(base) else "differential"
    while hasattr(base, "base_dist"):
        base = base.base_dist
    return {"family": type(base).__name__, "measure": measure}


def check_counts(**counts: int | None) -> None:
    """Numbers of draws and examples.

    Raises:
        InputError: for what is none.
    """
    for name, count in counts.items():
        if count is not None and (type(count) is not int or count < 1):
            raise InputError(f"{name}: {count!r} is no number of them; give 1 or more, or None")
