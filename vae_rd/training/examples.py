"""What each step adds to the epoch's means, kept for a block of steps: one sum over many costs as much as over one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model.terms import Terms


class ExampleTerms(NamedTuple):
    """What a batch adds to the means, cut off from its graph: [S, B], [S, B], [B], [B, D] and [B, D] nats."""

    distortion: Tensor
    rate: Tensor
    loss: Tensor
    mean: Tensor
    rate_per_dim: Tensor


def example_terms(terms: Terms, loss: Tensor, *, latent_dim: int) -> ExampleTerms:
    """The terms of one batch and its per-example loss, [B]; nan where undefined."""
    distortion, rate, per_dim, moments = terms.distortion, terms.rate, terms.rate_per_dim, terms.moments
    return ExampleTerms(
        distortion.detach(),
        torch.full_like(distortion, torch.nan) if rate is None else rate.detach(),
        loss.detach(),
        _undefined(loss, latent_dim) if moments is None else moments.mean.detach(),
        _undefined(loss, latent_dim) if per_dim is None else per_dim.detach(),
    )


def as_terms(seen: ExampleTerms) -> Terms:
    """D and the rates of a batch, nan where undefined, which is all that an objective takes note of after a step."""
    return Terms.stated(log_px_z=-seen.distortion, rate=seen.rate, rate_per_dim=seen.rate_per_dim)


def _undefined(loss: Tensor, latent_dim: int) -> Tensor:
    return loss.new_full((len(loss), latent_dim), torch.nan)


def add_examples(metric: RateDistortion, seen: Sequence[ExampleTerms]) -> None:
    """Add the batches of a block to the means, over the draws of each example."""
    distortion, rate = (torch.cat(draws, 1).mean(0) for draws in zip(*(s[:2] for s in seen), strict=True))
    loss, mean, per_dim = (torch.cat(parts) for parts in zip(*(s[2:] for s in seen), strict=True))
    metric.update(distortion, rate, mean=mean, rate_per_dim=per_dim, loss=loss)


def read_means(metric: RateDistortion) -> dict[str, float]:
    """The means of an epoch as numbers, rates by units as `rate_dim_<d>`; the sums begin anew."""
    numbers = {name: value.item() for name, value in metric.scalars().items()}
    metric.reset()
    if math.isfinite(numbers["active_units"]):
        numbers["active_units"] = int(numbers["active_units"])
    return numbers
