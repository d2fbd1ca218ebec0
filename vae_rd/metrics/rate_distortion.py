"""torchmetrics shell over sums and counts of a run's per-step terms: exact means over any batches and processes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from vae_rd.functional.active_units import active_units
from vae_rd.model.terms import Terms


class ExampleTerms(NamedTuple):
    """What a batch adds to the means, cut off from its graph: [S, B], [S, B], [B], [B, D] and [B, D] nats."""

    distortion: Tensor
    rate: Tensor
    loss: Tensor
    mean: Tensor
    rate_per_dim: Tensor


def example_terms(terms: Terms, loss: Tensor) -> ExampleTerms:
    """The terms of one batch and its per-example loss, [B]; per-unit rates are nan without a closed form."""
    mean, per_dim = terms.posterior.mean.detach(), terms.kl_per_dim
    per_dim = torch.full_like(mean, torch.nan) if per_dim is None else per_dim.detach()
    return ExampleTerms(terms.distortion.detach(), terms.rate.detach(), loss.detach(), mean, per_dim)


class RateDistortion(Metric):
    """Mean distortion, rate, ELBO, objective and loss, per-unit rates and active units over all examples seen.

        active units = #{d : Var_x(E_q[z_d|x]) > 0.01}

    States are sums over examples and their count, float64 where the device has it, added over processes.

    Args:
        latent_dim: D.
        beta: final weight of the rate, for `objective` = D + beta R.
    """

    full_state_update = False
    higher_is_better = None
    sums: Tensor

    def __init__(self, latent_dim: int, *, beta: float) -> None:
        super().__init__()
        self.latent_dim, self.beta = latent_dim, beta
        # One row for the count and for everything whose mean is asked for, so that an update costs one addition.
        self.add_state("sums", torch.zeros(4 + 3 * latent_dim, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, *batches: ExampleTerms) -> None:
        """Add batches, several at a time where steps are short: a sum costs about the same for one as for many."""
        distortion, rate = (torch.cat(draws, 1).mean(0) for draws in zip(*(b[:2] for b in batches), strict=True))
        loss, mean, per_dim = (torch.cat(parts) for parts in zip(*(b[2:] for b in batches), strict=True))
        scalars = torch.stack([torch.ones_like(loss), distortion, rate, loss], 1)
        self.sums.add_(torch.cat([scalars, mean, mean.square(), per_dim], 1).sum(0, dtype=self.sums.dtype))

    def compute(self) -> dict[str, float]:
        """Means by name, per-unit rates as `rate_dim_<d>` (nan without a closed form)."""
        means = self.sums / self.sums[0]
        (_, distortion, rate, loss), mean, square, per_dim = means.split([4, *[self.latent_dim] * 3])
        return {
            "distortion": distortion.item(),
            "rate": rate.item(),
            "elbo": -(distortion + rate).item(),
            "objective": (distortion + self.beta * rate).item(),
            "loss": loss.item(),
            "active_units": active_units(square - mean.square()),
            **{f"rate_dim_{d}": value for d, value in enumerate(per_dim.tolist())},
        }
