"""Linear-Gaussian models whose state follows from their weights: eight of each, of several sizes and random scales.

`constructed(HELD_OUT)` has six of each that no threshold or rule was set by: other seeds, sizes, noises and strengths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.metrics.split import evaluate_split
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.kinds import judged

EACH, EXAMPLES, PIXELS, NOISE = 8, 600, 8, 0.5
LENGTHS = (1.2, 4.0)  # Of a decoder's columns, of which a unit's rate is 0.5 ln(1 + length^2 / NOISE).


@dataclass(frozen=True)
class Coder:
    """x = W z + N(0, NOISE I), and the encoder N(A x + shift, diag(variance))."""

    w: Tensor
    matrix: Tensor
    shift: Tensor
    variance: Tensor

    def model(self) -> VAE:
        """The VAE of these weights."""
        units = self.w.shape[1]
        trunk, posterior = linear_encoder((1, 1, PIXELS), ()), DiagonalPosterior(PIXELS, units)
        decoder = linear_decoder((1, 1, PIXELS), (), latent_dim=units)
        with torch.no_grad():
            posterior.head.weight.copy_(torch.cat([self.matrix, torch.zeros_like(self.matrix)]))
            posterior.head.bias.copy_(torch.cat([self.shift, self.variance.log()]))
            decoder[0].weight.copy_(self.w)
            decoder[0].bias.zero_()
        head = Decoder(decoder, GaussianLikelihood(math.sqrt(NOISE)))
        return VAE(Encoder(trunk, posterior), head, StandardNormalPrior(units), latent_dim=units).eval()


def exact(w: Tensor, *, scale: float = 1.0) -> Coder:
    """The encoder that is p(z|x) of orthogonal columns, with z taken `scale` times as large on both sides."""
    variance = 1 / (1 + w.square().sum(0) / NOISE)
    matrix = variance[:, None] * w.T / NOISE
    return Coder(w / scale, scale * matrix, torch.zeros(w.shape[1]), scale**2 * variance)


def columns(units: int, *, off: int = 0) -> Tensor:
    """Orthogonal columns of random lengths, the last `off` of them 0."""
    lengths = LENGTHS[0] + (LENGTHS[1] - LENGTHS[0]) * torch.rand(units)
    lengths[units - off :] = 0
    return torch.linalg.qr(torch.randn(PIXELS, units)).Q * lengths


def _constant(w: Tensor, number: int) -> Coder:
    """The same q for every x: narrow, or far from the prior."""
    units = w.shape[1]
    shift, variance = (0.0, 0.2) if number % 2 else (0.9, 1.0)
    return Coder(w, torch.zeros(units, PIXELS), torch.full((units,), shift), torch.full((units,), variance))


def _lagging(w: Tensor, number: int) -> Coder:
    """The mean is a part of what it should be."""
    best = exact(w)
    return Coder(w, (0.2 + 0.05 * (number % 4)) * best.matrix, best.shift, best.variance)


def _ignored(w: Tensor, number: int) -> Coder:
    best = exact(w)
    return Coder(w * (0.0 if number % 2 else 3e-3), best.matrix, best.shift, best.variance)


# What is made of a source's columns and a number, and how many of so many columns are 0.
STATES: Mapping[str, tuple[Callable[[Tensor, int], Coder], Callable[[int], int]]] = {
    "healthy": (lambda w, n: exact(w, scale=1 + 0.05 * (n % 5)), lambda units: 0),
    "partially_collapsed": (lambda w, n: exact(w), lambda units: 1 + units // 3),
    "collapsed": (lambda w, n: exact(w), lambda units: units),
    "no_information": (_constant, lambda units: 0),
    "ignored": (_ignored, lambda units: 0),
    "lagging": (_lagging, lambda units: 0),
    "over_dispersed": (lambda w, n: exact(w, scale=1.7 + 0.2 * n), lambda units: 0),
}


class Family(NamedTuple):
    """Models of each state.

    Attributes:
        states: as `STATES`.
        numbers: of the models, which are their seeds.
        units: how many units a number has.
    """

    states: Mapping[str, tuple[Callable[[Tensor, int], Coder], Callable[[int], int]]]
    numbers: range
    units: Callable[[int], int]


def _far(w: Tensor, number: int) -> Coder:
    """The same q for every x, on the other side of the prior, narrow in every other one."""
    units = w.shape[1]
    shift, variance = -0.6 - 0.1 * (number % 3), 0.5 if number % 2 else 1.0
    return Coder(w, torch.zeros(units, PIXELS), torch.full((units,), shift), torch.full((units,), variance))


def _weak(w: Tensor, number: int) -> Coder:
    """The mean is a part of what it should be, and the variance is too large as well."""
    best = exact(w)
    return Coder(w, (0.1 + 0.04 * (number % 5)) * best.matrix, best.shift, 1.5 * best.variance)


def _turned(w: Tensor, number: int) -> Coder:
    """The decoder reads a tenth of a per cent of z, with its sign turned in every other one."""
    best = exact(w)
    return Coder(w * (1e-3 if number % 2 else -1e-3), best.matrix, best.shift, best.variance)


TUNED = Family(STATES, range(EACH), lambda number: 2 + number % 4)
HELD_OUT = Family(
    {
        "healthy": (lambda w, n: exact(w, scale=0.85 + 0.07 * (n % 6)), lambda units: 0),
        "partially_collapsed": (lambda w, n: exact(w, scale=1.1), lambda units: units // 2),
        "collapsed": (lambda w, n: exact(w), lambda units: units),
        "no_information": (_far, lambda units: 0),
        "ignored": (_turned, lambda units: 0),
        "lagging": (_weak, lambda units: 0),
        "over_dispersed": (lambda w, n: exact(w, scale=1.55 + 0.3 * (n % 6)), lambda units: 0),
    },
    range(1000, 1006),
    lambda number: 2 + number % 6,
)


def constructed(family: Family = TUNED) -> list[tuple[str, str, str]]:
    """Name, state and verdict of every model, in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        return [_case(family, state, number) for state in family.states for number in family.numbers]
    finally:
        torch.set_default_dtype(torch.float32)


def _case(family: Family, state: str, number: int) -> tuple[str, str, str]:
    torch.manual_seed(number)
    make, off = family.states[state]
    w = columns(units := family.units(number), off=off(units))
    x = torch.randn(EXAMPLES, w.shape[1]) @ w.T + math.sqrt(NOISE) * torch.randn(EXAMPLES, PIXELS)
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), x[:, None, None]), levels=None))
    test = evaluate_split(make(w, number).model(), data, "test", slope=1.0, seed=0)
    found = judged(Evidence({"test": test}, w.shape[1]))["collapse"]["state"]
    return f"{state} {number}", state, str(found)
