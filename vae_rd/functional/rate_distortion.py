"""Means of D, R and what belongs to them over examples: the sums that add up over batches and processes."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.functional.active_units import active_units

SCALARS = 4  # The count and the sums of distortion, rate and loss come first, the square of the objective last.


def rate_distortion(
    distortion: Tensor,
    rate: Tensor,
    *,
    mean: Tensor,
    rate_per_dim: Tensor | None = None,
    loss: Tensor | None = None,
    slope: float | None = 1.0,
) -> dict[str, Tensor]:
    """Means over examples of D, R, ELBO and D + slope R, rates by units, and the number of active units.

        active units = #{d : Var_x(E_q[z_d|x]) > 0.01}

    Args:
        distortion: -ln p(x|z) of each example, [B] nats.
        rate: KL(q(z|x) || m(z)) of each example, [B] nats; nan where undefined.
        mean: E_q[z|x], [B, D].
        rate_per_dim: the rate by units, [B, D]; None where it has no closed form.
        loss: what training minimised, [B]; None where there is none.
        slope: weight of the rate in `objective`; None leaves that undefined.

    Returns:
        by name, float64: "distortion", "rate", "elbo", "objective" and its "objective_stderr" over examples, "loss" and
        "active_units", [] each, and "rate_per_dim", [D]. Undefined is nan.

    Example:
        >>> d, r = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 1.0])
        >>> means = rate_distortion(d, r, mean=torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), slope=4.0)
        >>> means["elbo"].item(), means["objective"].item(), means["active_units"].item()
        (-4.0, 7.0, 1.0)
    """
    sums = sums_of(distortion, rate, mean=mean, rate_per_dim=rate_per_dim, loss=loss, slope=slope, dtype=torch.float64)
    return means_of(sums, slope=slope)


def objective_of(distortion: Tensor, rate: Tensor, slope: float) -> Tensor:
    """D + slope R, which is D with a slope of 0, even where R is undefined.

    Example:
        >>> objective_of(torch.tensor(3.0), torch.tensor(torch.nan), 0.0).item()
        3.0
    """
    return distortion + slope * rate if slope else distortion


def sums_of(
    distortion: Tensor,
    rate: Tensor,
    *,
    mean: Tensor,
    rate_per_dim: Tensor | None,
    loss: Tensor | None,
    slope: float | None,
    dtype: torch.dtype,
) -> Tensor:
    """One row of sums over examples, [SCALARS + 3 D + 1]: what batches and processes add up."""
    undefined = torch.full_like(distortion, torch.nan)
    scalars = torch.stack([torch.ones_like(distortion), distortion, rate, undefined if loss is None else loss], 1)
    per_dim = torch.full_like(mean, torch.nan) if rate_per_dim is None else rate_per_dim
    # Squares in the precision of the sums, since variances are small differences of large ones; last the objective's.
    mean = mean.to(dtype)
    objective = undefined.to(dtype) if slope is None else objective_of(distortion.to(dtype), rate.to(dtype), slope)
    rows = torch.cat([scalars, mean, mean.square(), per_dim], 1)
    return torch.cat([rows.sum(0, dtype=dtype), objective.square().sum(0, keepdim=True)])


def means_of(sums: Tensor, *, slope: float | None) -> dict[str, Tensor]:
    """What `rate_distortion` returns, from the sums over all examples."""
    means = sums / sums[0]
    latent_dim = (len(means) - SCALARS) // 3
    (_, distortion, rate, loss), mean, square, per_dim, (objective_square,) = means.split(
        [SCALARS, *[latent_dim] * 3, 1]
    )
    between = square - mean.square()
    objective = torch.full_like(rate, torch.nan) if slope is None else objective_of(distortion, rate, slope)
    variance = (objective_square - objective.square()).clamp_min(0)
    return {
        "distortion": distortion,
        "rate": rate,
        "elbo": -(distortion + rate),
        "objective": objective,
        "objective_stderr": (variance / (sums[0] - 1)).sqrt(),
        "loss": loss,
        "active_units": torch.where(between.isnan().any(), torch.nan, active_units(between).to(means))
        if latent_dim
        else torch.full_like(rate, torch.nan),
        "rate_per_dim": per_dim,
    }
