"""Models of callables, measured from Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, OneHotCategorical

from vae_rd import rate_distortion
from vae_rd.foreign.collecting import Seen, of_terms
from vae_rd.model.stated import Terms

from walk.steps import Call, each, step

X = (torch.rand(24, 1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()
STATES = OneHotCategorical(logits=torch.zeros(16))


def encode(x: Tensor) -> Distribution:
    return Independent(Normal(x.flatten(1)[:, :2], 1.0), 1)


def decode(z: Tensor) -> Distribution:
    return Independent(Bernoulli(logits=z.sum(1)[:, None, None, None].expand(-1, 1, 4, 4)), 3)


def state(x: Tensor) -> Distribution:
    return OneHotCategorical(logits=x.flatten(1))


def shaken(function: Callable[[Tensor], Distribution]) -> Callable[[Tensor], Distribution]:
    """As if a module that no one finds were in train mode."""
    return lambda x: function(F.dropout(x))


class Unsummed(Independent):
    """A distribution of images whose log_prob is one of pixels."""

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base_dist.log_prob(value)


def measured(x: Any = X, **given: Any) -> Call:
    return lambda: rate_distortion(x, **{"encoder": encode, "decoder": decode, **given})


def stated(**given: Any) -> Call:
    terms = Terms.stated(log_px_z=torch.full((1, 3), -2.0), rate_per_dim=torch.ones(3, 2), mean=torch.zeros(3, 2))
    return lambda: of_terms([Seen(terms)], shape=[8], **given)


def once() -> Call:
    """A generator that was read before."""
    used = iter([X])
    list(used)
    return measured(used)


def saved(**given: Any) -> Call:
    return lambda: rate_distortion(X, encoder=encode, decoder=decode).save("mine", **given)


TWO = [{"left": X, "right": X}]

STEPS = [
    step("encoder: it returned", measured(encoder=lambda x: (x, x)), measured()),
    step(
        "encoder: Normal has batch shape",
        measured(encoder=lambda x: Normal(x.flatten(1)[:, :2], 1.0)),
        measured(),
    ),
    step("encoder: q(z|x) is of 1 examples", measured(encoder=lambda x: encode(x[:1])), measured()),
    step("encoder: q(z|x) of the same examples is another one", measured(encoder=shaken(encode)), measured()),
    step("prior: z is discrete", measured(encoder=state), measured(encoder=state, prior=STATES)),
    step("prior: it is", measured(prior=3), measured(prior=Normal(0.0, 2.0)), measured(prior=None)),
    step("give one of the shape of z", measured(prior=STATES), measured(prior=Normal(torch.zeros(2), 1.0))),
    step("decoder: it returned", measured(decoder=lambda z: z), measured()),
    step("wrap it: Independent(..., 3)", measured(decoder=lambda z: decode(z).base_dist), measured()),  # type: ignore[attr-defined]
    step(
        "sum it over all but the first dimension",
        measured(decoder=lambda z: Unsummed(decode(z).base_dist, 3)),  # type: ignore[attr-defined]
        measured(),
    ),
    step("cross-entropy of grey pixels is no likelihood", measured(X / 2), measured((X / 2 > 0.25).float())),
    step("loader: it is of type int", measured(3), measured([X])),
    step("loader: it has no examples; one that can be read once", once(), measured([X])),
    step("loader: it has no examples; give one", lambda: of_terms([]), stated()),
    step("a batch of the loader has a str", measured([("a", 1)]), measured([(X, 1)]), measured([{"x": X}])),
    step("give x's as key=", measured(TWO), measured(TWO, key="left")),
    step("samples: 0", measured(samples=0), measured(samples=1), measured(samples=None)),
    step("entropy: nan", measured(entropy=math.nan), measured()),
    step("population: without x", stated(population=True), stated(entropy=1.0)),
    step("split: 'all'", measured(split="all"), measured(split="val")),
    step("beta: -1", measured(beta=-1), measured(beta=0), measured(beta=None)),
    step(
        "a record is there already",
        saved(),
        saved(overwrite=True),
        lambda: rate_distortion(X, encoder=encode, decoder=decode).save("another"),
        before=each(saved()),
    ),
]
