"""Means of D, R and what belongs to them over any batches and processes, as a torchmetrics metric."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from vae_rd.functional.rate_distortion import SCALARS, means_of, sums_of


class RateDistortion(Metric):
    """Mean distortion, rate, ELBO, objective and loss, rates by units and active units over all examples seen.

    Its functional twin is `vae_rd.functional.rate_distortion.rate_distortion`. States are sums over examples and their
    count, float64, added over processes.

    Args:
        latent_dim: D.
        slope: weight of the rate in `objective` = D + slope R, the beta of a beta-VAE; None leaves that undefined.

    Example:
        >>> metric = RateDistortion(2, slope=4.0)
        >>> mean, per_dim = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> metric.update(torch.tensor([2.0, 4.0]), per_dim.sum(-1), mean=mean, rate_per_dim=per_dim)
        >>> means = metric.compute()
        >>> means["objective"].item(), means["rate_per_dim"].tolist(), means["active_units"].item()
        (7.0, [1.0, 0.0], 1.0)
    """

    full_state_update = False
    higher_is_better = None
    sums: Tensor

    def __init__(self, latent_dim: int, *, slope: float | None = 1.0) -> None:
        super().__init__()
        self.slope = slope
        # One row for the count and for everything whose mean is asked for, so that an update costs one addition.
        self.add_state("sums", torch.zeros(SCALARS + 3 * latent_dim + 1, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        distortion: Tensor,
        rate: Tensor,
        *,
        mean: Tensor,
        rate_per_dim: Tensor | None = None,
        loss: Tensor | None = None,
    ) -> None:
        """Add a batch: arguments as of `vae_rd.functional.rate_distortion.rate_distortion`."""
        of_examples = sums_of(
            distortion,
            rate,
            mean=mean,
            rate_per_dim=rate_per_dim,
            loss=loss,
            slope=self.slope,
            dtype=self.sums.dtype,
        )
        self.sums.add_(of_examples)

    def compute(self) -> dict[str, Tensor]:
        """Means by name: see `vae_rd.functional.rate_distortion.rate_distortion`."""
        return means_of(self.sums, slope=self.slope)
