"""Free bits: a rate that is paid for only beyond an allowance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.beta import BetaObjective
from vae_rd.process.collectives import mean_over_processes


class FreeBitsObjective(BetaObjective):
    """D + beta_t sum_d max(lambda, R_d), R_d the rate of unit d in the mean over the batch; or one max for all of R.

    Below lambda a rate has no gradient, so that no unit is lost at the start of training for want of use. Over several
    processes the mean is that of the whole batch; in validation it is that of each chunk.

    Source: Kingma et al. 2016, "Improved Variational Inference with Inverse Autoregressive Flow", arXiv 1606.04934,
    appendix C.8, whose groups are the units here; lambda is in nats, as in theirs.

    Args:
        beta: the final weight.
        free: lambda, nats.
        per_unit: whether each unit has lambda, or all of them together.
        warmup, start, schedule: as of `BetaObjective`.

    Example:
        >>> objective = FreeBitsObjective(1.0, free=0.5, per_unit=True)
        >>> terms = Terms.stated(log_px_z=torch.zeros(1, 2), rate_per_dim=torch.tensor([[0.1, 2.0], [0.3, 4.0]]))
        >>> objective(terms, 0, noise=torch.Generator())
        tensor([2.5000, 4.5000])
    """

    couples_examples = True
    weighs_rate = False
    share_paid: Tensor

    def __init__(
        self,
        beta: float,
        *,
        free: float,
        per_unit: bool,
        warmup: int = 0,
        start: float = 0.0,
        schedule: str = "auto",
    ) -> None:
        super().__init__(beta, warmup=warmup, start=start, schedule=schedule)
        self.free, self.per_unit, self.takes_units = free, per_unit, per_unit
        self.register_buffer("share_paid", torch.ones(()))

    def charged(self, terms: Terms) -> Tensor:
        """sum_d of R_d(x) where the batch's mean is above lambda, else of lambda, [S, B]; its batch mean is the max."""
        rates = self._rates(terms)
        return torch.where(self._is_paid(rates), rates, self.free).sum(-1).expand(terms.log_px_z.shape)

    def _rates(self, terms: Terms) -> Tensor:
        """Those that have an allowance each, [B, D] or [S, B, 1]."""
        rates = terms.rate_per_dim if self.per_unit else terms.rate
        assert rates is not None, "`vae_rd.training.aims` has seen to it that they are there"
        return rates if self.per_unit else rates[..., None]

    def _is_paid(self, rates: Tensor) -> Tensor:
        """Which are above lambda in the mean, [D] or [1]; validation's chunks may fall to any process."""
        means = rates.detach().flatten(0, -2).mean(0)
        return (mean_over_processes(means) if self.training else means) > self.free

    @torch.no_grad()
    def after_step(self, terms: Terms) -> None:
        """Note whether a clamp is active."""
        self.share_paid.copy_(self._is_paid(self._rates(terms)).to(self.share_paid).mean())

    def slope(self) -> None:
        """Undefined beforehand: where a clamp is active, a nat of R costs nothing."""
        return

    def achieved_slope(self) -> float | None:
        """beta where no clamp is active, else undefined."""
        return self.beta if self.share_paid.item() == 1 else None

    def logged(self) -> Mapping[str, Tensor]:
        """The share of units whose rate is above lambda."""
        return {"share_paid": self.share_paid}

    def score(self, means: Mapping[str, float]) -> float:
        """The loss of validation."""
        return means["loss"]
