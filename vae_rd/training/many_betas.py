"""A model that takes ln beta in training: a process's share of a batch's betas, and validation at a few betas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.data.module import Batch
from vae_rd.functional.statistics import over_draws
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import BetaRange
from vae_rd.process.collectives import all_gather

GRID = 5


def rows_of(context: Tensor, examples: int, first: int, count: int) -> Tensor:
    """ln beta of some of the examples of a batch, again one for so many that follow each other.

    Args:
        context: of the whole batch, [G], one for every B / G examples.
        examples: B.
        first: of the rows.
        count: of them; `first` is a multiple of it.

    Example:
        >>> rows_of(torch.tensor([1.0, 2.0, 3.0]), 12, first=6, count=6)  # Of four examples each.
        tensor([2., 3., 3.])
    """
    each = examples // len(context)
    shared = math.gcd(each, count)
    return context[torch.arange(first, first + count, shared, device=context.device) // each]


class BetaGrid:
    """D + b R of validation at GRID betas b, evenly spaced in ln b: each of its examples has one of them in turn.

    One further pass over validation is then all that it takes. The examples of a beta are the same at every epoch, and
    so is their noise.

    Args:
        wanted: the betas that are trained for.
    """

    def __init__(self, wanted: BetaRange) -> None:
        self.betas = torch.logspace(math.log10(wanted.low), math.log10(wanted.high), GRID, dtype=torch.float64)
        self.weights = wanted.weights(self.betas)
        self._sums: dict[int, Tensor] = {}  # By evaluation chunk: of D + b R by beta, and the examples, [GRID, 2].

    def add(self, model: VAE, batch: Batch, eps: Tensor) -> None:
        """Add a chunk, under the noise that is also that of the model's own beta; of no examples nothing."""
        if not len(batch.x):
            return
        place = torch.arange(len(batch.x), device=batch.x.device) % GRID
        betas = self.betas.to(eps)[place]
        terms = model.terms(batch.x, eps, context=betas.log(), **batch.scored)
        assert terms.rate is not None, "of a model that takes beta"
        values = over_draws(terms.distortion + betas * terms.rate)
        rows = torch.stack([values, torch.ones_like(values)], 1).double().cpu()
        self._sums[batch.part] = rows.new_zeros(GRID, 2).index_add(0, place.cpu(), rows)

    def means(self) -> dict[str, float]:
        """`objective_beta_<b>` at each beta, and `over_betas`, their weighted mean; nothing of none."""
        found, self._sums = all_gather(self._sums), {}
        if not found:
            return {}
        sums, counts = torch.stack([found[part] for part in sorted(found)]).sum(0).unbind(1)
        means = sums / counts
        weighted = (self.weights * means)[counts > 0].mean()
        named = {
            f"objective_beta_{beta:g}": mean for beta, mean in zip(self.betas.tolist(), means.tolist(), strict=True)
        }
        return named | {"over_betas": weighted.item()}
