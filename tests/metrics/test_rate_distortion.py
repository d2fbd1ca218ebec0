"""The metric of anyone's tensors: against means taken directly, over batches, processes and a LightningModule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from vae_rd import RateDistortion

from helpers.users import Functional, fitted, functional_terms

NOISE = torch.Generator().manual_seed(0)
D, MU, LOG_VAR = (torch.randn(shape, generator=NOISE, dtype=torch.float64) for shape in ((40,), (40, 3), (40, 3)))
KL = kl_divergence(Normal(MU, (0.5 * LOG_VAR).exp()), Normal(0.0, 1.0))
FORMS: dict[str, dict[str, Tensor]] = {
    "rates": {"distortion": D, "rate": KL.sum(1), "rate_per_dim": KL, "mean": MU},
    "units": {"distortion": D, "rate_per_dim": KL, "mean": MU},
    "log_var": {"log_px_z": -D, "mean": MU, "log_var": LOG_VAR},
    "scale": {"log_px_z": -D, "mean": MU.view(40, 3, 1), "scale": (0.5 * LOG_VAR).exp().view(40, 3, 1)},
}


def parts(given: dict[str, Tensor], *bounds: slice) -> list[dict[str, Tensor]]:
    return [{name: tensor[some] for name, tensor in given.items()} for some in bounds]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("latent_dim", [None, 3])
def test_every_form_has_the_means_of_the_closed_forms(form: str, latent_dim: int | None) -> None:
    metric = RateDistortion(latent_dim, slope=4.0)
    for batch in parts(FORMS[form], slice(7), slice(7, 40)):
        metric.update(**batch)
    means = metric.compute()
    assert means["objective"].item() == pytest.approx((D + 4 * KL.sum(1)).mean().item(), rel=1e-12)
    stderr = ((D + 4 * KL.sum(1)).std() / 40**0.5).item()
    assert means["objective_stderr"].item() == pytest.approx(stderr, rel=1e-9)
    assert means["rate_per_dim"].tolist() == pytest.approx(KL.mean(0).tolist(), rel=1e-12)
    assert means["active_units"] == (MU.var(0, correction=0) > 0.01).sum()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", FORMS)
def test_half_precision_loses_no_digits_but_those_that_it_came_without(form: str, dtype: torch.dtype) -> None:
    half = {name: tensor.to(dtype) for name, tensor in FORMS[form].items()}
    found, exact = RateDistortion(), RateDistortion()
    found.update(**half)
    exact.update(**{name: tensor.double() for name, tensor in half.items()})
    for name, value in found.compute().items():
        assert torch.allclose(value, exact.compute()[name], rtol=1e-6, equal_nan=True), name


@pytest.mark.parametrize(("dtype", "mean"), [(torch.bfloat16, 7.3), (torch.float16, 33.3), (torch.float32, 3000.2)])
def test_a_constant_mean_is_no_active_unit(dtype: torch.dtype, mean: float) -> None:
    metric = RateDistortion()
    metric.update(D.to(dtype), mean=torch.full((40, 2), mean, dtype=dtype))
    assert metric.compute()["active_units"] == 0


def test_what_is_not_given_is_undefined() -> None:
    metric = RateDistortion()
    metric.update(D)
    metric.update(D, 2 * D)
    means = metric.compute()
    assert means["distortion"].item() == pytest.approx(D.mean().item())
    assert all(means[name].isnan() for name in ("rate", "elbo", "active_units", "loss"))
    assert set(metric.scalars()) == set(means) - {"rate_per_dim"}


def test_forward_gives_the_batchs_own_means_and_reset_forgets_the_number_of_units() -> None:
    metric = RateDistortion()
    first, second = parts(FORMS["units"], slice(7), slice(7, 40))
    metric(**first)
    assert metric(**second)["distortion"].item() == pytest.approx(D[7:].mean().item())
    assert metric.compute()["distortion"].item() == pytest.approx(D.mean().item())
    metric.reset()
    metric.update(D, mean=MU[:, :2], rate_per_dim=KL[:, :2])
    assert len(metric.compute()["rate_per_dim"]) == 2


@pytest.mark.parametrize("empty", ["first", "second"])
def test_a_process_without_a_batch_learns_the_number_of_units(empty: str) -> None:
    """What torchmetrics does between processes, here of two metrics of one."""
    one, other = RateDistortion(), RateDistortion()
    (one if empty == "second" else other).update(**FORMS["units"])

    def gathered(value: Tensor, group: Any = None) -> list[Tensor]:
        if value.ndim == 0:
            return [value, torch.tensor(len(other.sums))]
        return [value, other.sums + other.sums.new_zeros(len(value))]  # As the other one makes it long, too.

    one.sync(dist_sync_fn=gathered, distributed_available=lambda: True)
    assert one.sums[0] == 40
    assert len(one.sums) == 4 + 3 * 3 + 1
    one.unsync()
    assert one.sums[0] == (40 if empty == "second" else 0)


def test_in_anyones_validation_step_it_logs_what_the_callback_logs() -> None:
    class Measured(Functional):
        def __init__(self) -> None:
            super().__init__()
            self.rd = RateDistortion(slope=1.0)

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            q, decode = functional_terms(self, batch)
            z, x = q.rsample(), batch[0]
            self.rd.update(log_px_z=decode(z).log_prob(x), mean=q.base_dist.loc, scale=q.base_dist.scale)

        def on_validation_epoch_end(self) -> None:
            self.log_dict(self.rd.scalars("val/"))
            self.rd.reset()

    module = Measured()
    logged = fitted(module, epochs=1).callback_metrics
    assert {"val/objective", "val/rate_dim_2", "val/active_units"} <= logged.keys()
    assert float(logged["val/objective"]) == pytest.approx(float(logged["val/distortion"] + logged["val/rate"]))
    assert len(module.rd.sums) == 1
