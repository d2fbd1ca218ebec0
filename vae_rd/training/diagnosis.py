"""After each validation, on a few of its examples: whether p(x|z) depends on z, what z tells of x, whether q lags."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from vae_rd.data.base import subset
from vae_rd.data.dataset import DataSet
from vae_rd.data.targets import Scored
from vae_rd.estimators.gaps import Plan
from vae_rd.functional.active_units import active_by_rate, collapsed_units, share_at_prior
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.metrics.dependence import Dependence, dependence, is_known
from vae_rd.model.vae import VAE
from vae_rd.training.base import Member, TrainedModule
from vae_rd.training.stacked_gain import Gain

# Of validation: so many, and of a small training set a hundredth of its examples, so that it costs a percent or two of
# an epoch, but not so few that their noise hides a nat.
MOST, LEAST, SHARE = 400, 100, 0.01
STEPPED = 0.06  # Of these examples so many have their own q.
PLAN = Plan(steps=10, draws=2, samples=8, learning_rate=0.1)
Measure = Callable[[Gain, int], Tensor | None]
# The columns of history that it fills, beside the epoch's means.
DIAGNOSIS = tuple(
    f"val/{name}"
    for name in (
        *("active_units_by_rate", "collapsed_units", "shuffled_distortion", "prior_distortion"),
        *("information", "information_cap", "marginal_kl", "amortisation_gap"),
        *("shuffle_rise_stderr", "amortisation_gap_stderr"),
    )
)


class CollapseMonitor(Callback):
    """Puts columns into the epoch's row, means over the same few examples and the same noise at every validation.

    `val/shuffled_distortion` and `val/prior_distortion` are D of all of validation plus the rise of D on the few, which
    has far less noise than D itself; `val/information` is InfoNCE among them, `val/information_cap` the logarithm of
    their number, above which it cannot be, and `val/marginal_kl` R of them less that.

    Each process measures all of it: the numbers are those of one.

    Args:
        data: the data set.
        examples: trained on in an epoch.
        seed: of the choice of examples and of noise.
        measure: measures what steps on q gain, before the fit goes on from a step; alone by default.
    """

    def __init__(self, data: DataSet, *, examples: int, seed: int, measure: Measure | None = None) -> None:
        self.data, self.seed, self.measure = data, seed, measure
        n = len(data.pixels["val"])
        self.index = subset(n, min(n, MOST, max(LEAST, round(SHARE * examples))), seed, "diagnosis").sort().values

    @cached_property
    def examples(self) -> tuple[Tensor, Scored]:
        """The few, and what beside them the model is given, on the device that the data are on once training begins."""
        return self.data.examples("val", self.index), self.data.scored("val", self.index)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, where the epoch had a validation; before the row is written."""
        assert isinstance(pl_module, TrainedModule)
        for member in pl_module.members:
            if "val/distortion" in member.epoch_values and is_known(model := cast(VAE, member.model)):
                weight = float(pl_module.weight(step := trainer.global_step))
                is_fitted = member.objective is not None and member.objective.is_lagrangian
                self._measure(member, model, beta=weight if is_fitted else None, step=step)

    def _measure(self, member: Member, model: VAE, *, beta: float | None, step: int) -> None:
        was_training = model.training
        model.eval()
        x, scored = self.examples
        found = dependence(model, x, seed=self.seed, **scored)
        gap = self._gap(model, x, beta=beta, step=step)
        model.train(was_training)
        member.epoch_values |= columns_of(found, member.epoch_values, latent_dim=model.latent_dim)
        member.epoch_values["val/amortisation_gap"] = _mean(gap)
        errors = {"shuffle_rise": found.shuffled_stderr(found.rise), "amortisation_gap": stderr_of(gap)}
        member.stderrs |= {f"val/{name}_stderr": stderr for name, stderr in errors.items()}

    def _gap(self, model: VAE, x: Tensor, *, beta: float | None, step: int) -> Tensor | None:
        # An encoder that does not see y is not to be p(z|x, y), nor one trained by another loss the best for this.
        if self.data.targets is not None or beta is None:
            return None
        x = x[: max(2, round(STEPPED * len(x)))]
        gain = Gain(model, x, beta, (self.seed, "diagnosis", "gap"), PLAN)
        return gain.alone() if self.measure is None else self.measure(gain, step)


def columns_of(found: Dependence, known: Mapping[str, float], *, latent_dim: int) -> dict[str, float]:
    """The columns of the decoder and of units, nan where something is undefined.

    Args:
        found: of some examples of validation.
        known: the epoch's row so far, with D and the rates by units of all of them.
        latent_dim: D.
    """
    distortion, information, units = known["val/distortion"], _mean(found.information), found.rate_per_dim
    rates = torch.tensor([known.get(f"val/rate_dim_{d}", math.nan) for d in range(latent_dim)])
    return {
        "val/active_units_by_rate": math.nan if rates.isnan().any() else int(active_by_rate(rates)),
        "val/collapsed_units": math.nan if units is None else int(collapsed_units(share_at_prior(units))),
        "val/shuffled_distortion": distortion + _mean(found.rise),
        "val/prior_distortion": distortion + _mean(found.prior - found.distortion),
        "val/information": information,
        "val/information_cap": math.log(len(found.distortion)) if math.isfinite(information) else math.nan,
        "val/marginal_kl": _mean(found.rate) - information,
    }


def _mean(values: Tensor | None) -> float:
    return math.nan if values is None else float(values.mean())


def stderr_of(values: Tensor | None) -> float:
    """Of the mean of [n] values; nan where there are none."""
    return math.nan if values is None else mean_and_stderr(values[None], population=False)[1]
