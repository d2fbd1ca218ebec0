"""Means of D, R and what belongs to them over any batches and processes, as a torchmetrics metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from vae_rd.errors import InputError
from vae_rd.functional.rate_distortion import SCALARS, means_of, sums_of
from vae_rd.functional.stated import stated


class RateDistortion(Metric):
    """Mean distortion, rate, ELBO, objective and loss, rates by units and active units over all examples seen.

    Its functional twin is `vae_rd.functional.rate_distortion.rate_distortion`. States are sums over examples and their
    count, float64, added over processes.

        self.rd = RateDistortion(slope=4.0)                                # in __init__
        self.rd.update(log_px_z=log_p, mean=mu, log_var=log_var)           # in validation_step: [B], [B, D], [B, D]
        self.log_dict(self.rd.scalars("val/")); self.rd.reset()            # in on_validation_epoch_end

    Args:
        latent_dim: D; None takes it from the first batch.
        slope: weight of the rate in `objective` = D + slope R, the beta of a beta-VAE; None leaves that undefined.

    Example:
        >>> metric = RateDistortion(slope=4.0)
        >>> mean, per_dim = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> metric.update(torch.tensor([2.0, 4.0]), mean=mean, rate_per_dim=per_dim)
        >>> means = metric.compute()
        >>> means["objective"].item(), means["rate_per_dim"].tolist(), means["active_units"].item()
        (7.0, [1.0, 0.0], 1.0)
        >>> {name: value.item() for name, value in metric.scalars("val/").items() if "rate" in name}
        {'val/rate': 1.0, 'val/rate_dim_0': 1.0, 'val/rate_dim_1': 0.0}
    """

    full_state_update = False
    higher_is_better = None
    sums: Tensor

    def __init__(self, latent_dim: int | None = None, *, slope: float | None = 1.0) -> None:
        super().__init__()
        self.slope = slope
        # One row for the count and for everything whose mean is asked for, so that an update costs one addition; before
        # D is known, one zero, which adds to a row of any length.
        size = 1 if latent_dim is None else _length(latent_dim)
        self.add_state("sums", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        distortion: Tensor | None = None,
        rate: Tensor | None = None,
        *,
        log_px_z: Tensor | None = None,
        mean: Tensor | None = None,
        rate_per_dim: Tensor | None = None,
        log_var: Tensor | None = None,
        scale: Tensor | None = None,
        loss: Tensor | None = None,
    ) -> None:
        """Add a batch of examples, one number for each: D, and of R what there is.

        Args:
            distortion: -ln p(x|z), [B] nats.
            rate: KL(q(z|x) || m(z)), [B]; None takes the sum of `rate_per_dim`, else that of N(mean, scale^2) from
                N(0, I), else leaves it undefined.
            log_px_z: ln p(x|z), in place of `distortion`.
            mean: E_q[z|x], [B, *event]; without it active units are undefined.
            rate_per_dim: the rate by units, [B, *event].
            log_var: ln of the variance of a normal q(z|x), [B, *event].
            scale: its standard deviation, in place of `log_var`.
            loss: what training minimises, [B].

        Raises:
            InputError: as `vae_rd.functional.stated.stated`, and for units that are not as many as before.
        """
        given = stated(
            distortion, rate, log_px_z=log_px_z, rate_per_dim=rate_per_dim, mean=mean, log_var=log_var, scale=scale
        )
        d, known = given.distortion, given.mean if given.mean is not None else given.rate_per_dim
        if d.ndim != 1:
            raise InputError(f"rate and distortion: D has shape {list(d.shape)}; give [B], a mean over draws and no x")
        units = self._latent_dim if known is None else known.shape[1]
        row = sums_of(
            d,
            torch.full_like(d, torch.nan) if given.rate is None else given.rate,
            mean=d.new_full((len(d), units), torch.nan) if given.mean is None else given.mean,
            rate_per_dim=given.rate_per_dim,
            loss=loss,
            slope=self.slope,
            dtype=self.sums.dtype,
        )
        if len(self.sums) not in (1, len(row)):
            raise InputError(f"rate and distortion: z has {units} units, and had {self._latent_dim}; give all of them")
        self.sums = self.sums + row

    @property
    def _latent_dim(self) -> int:
        return max(0, len(self.sums) - _length(0)) // 3

    def compute(self) -> dict[str, Tensor]:
        """Means by name: see `vae_rd.functional.rate_distortion.rate_distortion`."""
        sums = self.sums if len(self.sums) > 1 else self.sums.new_zeros(_length(0))  # Of no examples.
        return means_of(sums, slope=self.slope)

    def scalars(self, prefix: str = "") -> dict[str, Tensor]:
        """The same as `self.log_dict` takes them, one number each: rates by units are `rate_dim_<d>`.

        Args:
            prefix: of the names, such as "val/".
        """
        means = self.compute()
        per_dim = means.pop("rate_per_dim").reshape(-1)  # torchmetrics gives that of one unit as a scalar.
        named = means | {f"rate_dim_{d}": rate for d, rate in enumerate(per_dim)}
        return {f"{prefix}{name}": value for name, value in named.items()}

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[[], bool] | None = None,
    ) -> None:
        """As of torchmetrics; a process that has had no batch learns from the others how many units there are."""
        asked = distributed_available or self.distributed_available_fn
        if should_sync and not self._is_synced and callable(asked) and asked():
            gather = dist_sync_fn or gather_all_tensors
            lengths = gather(torch.tensor(len(self.sums), device=self.sums.device), group=process_group)
            self.sums = self.sums + self.sums.new_zeros(max(int(length) for length in lengths))
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)


def _length(latent_dim: int) -> int:
    """Of a row of sums."""
    return SCALARS + 3 * latent_dim + 1
