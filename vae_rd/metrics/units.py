"""What each latent unit carries: the numbers of a split by units, and how many are active or collapsed."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_rd.functional.active_units import active_by_rate, active_units, collapsed_units, share_at_prior
from vae_rd.functional.seeding import generator
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json, estimate, known

PRIOR_DRAWS = 10_000
NAMES = (
    *("active_units", "mean_variance_per_dim", "explained_variance_per_dim", "variance_per_dim"),
    *("rate_per_dim", "active_units_by_rate", "collapsed_share_per_dim", "collapsed_units"),
)


def unit_metrics(
    mean: Tensor | None, variance: Tensor | None, rate_per_dim: Tensor | None, *, n: int, population: bool
) -> Json:
    """Entries of a record; null where q(z|x) does not know what they take.

    Args:
        mean: E_q[z|x], [N, D].
        variance: Var_q[z|x], [N, D]; nan where it is not known.
        rate_per_dim: KL by units, [N, D].
        n: N.
        population: whether the N examples are all there are: what takes no draw of z then has no error.
    """
    metrics: Json = {name: {"value": None, "stderr": None, "n": n} for name in NAMES}
    if mean is not None:
        metrics |= _by_means(mean.double())
    if mean is not None and variance is not None and not bool(variance.isnan().all()):
        metrics |= _by_moments(mean.double(), variance.double(), population=population)
    if rate_per_dim is not None:
        metrics |= _by_rates(rate_per_dim.double(), population=population)
    return metrics


def _by_means(mean: Tensor) -> Json:
    n, between = len(mean), mean.var(0, correction=0)
    return {
        "active_units": estimate(int(active_units(between)), None, n),
        "mean_variance_per_dim": {"value": between.tolist(), "stderr": None, "n": n},
    }


def _by_moments(mean: Tensor, variance: Tensor, *, population: bool) -> Json:
    n, between, within = len(mean), mean.var(0, correction=0), variance.mean(0)
    total = between + within
    # Scale-free companion of active units: the share of each unit's variance that x explains.
    shares = known((between / total).tolist())
    spread = variance + (mean - mean.mean(0)).square()  # Whose mean is Var q(z_d).
    return {
        "explained_variance_per_dim": {"value": shares, "stderr": None, "n": n},
        "variance_per_dim": {"value": total.tolist(), "stderr": _stderrs(spread, population=population), "n": n},
    }


def _by_rates(rates: Tensor, *, population: bool) -> Json:
    n, share = len(rates), share_at_prior(rates)
    stderr = torch.zeros_like(share) if population else (share * (1 - share) / (n - 1)).sqrt()
    return {
        "rate_per_dim": {"value": rates.mean(0).tolist(), "stderr": _stderrs(rates, population=population), "n": n},
        "active_units_by_rate": estimate(int(active_by_rate(rates.mean(0))), None, n),
        "collapsed_share_per_dim": {"value": share.tolist(), "stderr": known(stderr.tolist()), "n": n},
        "collapsed_units": estimate(int(collapsed_units(share)), None, n),
    }


def _stderrs(values: Tensor, *, population: bool) -> list[float | None]:
    if population:
        return [0.0] * values.shape[1]
    if len(values) == 1:
        return [None] * values.shape[1]
    return known((values.std(0) / math.sqrt(len(values))).tolist())


@torch.no_grad()
def variance_ratio(model: VAE, variance: Json, *, seed: int) -> Json:
    """Var q(z_d) / Var m(z_d) by units: above 1 the aggregate posterior is broader than the prior.

    The prior's variance is that of draws, whatever its family, and its error is in the ratio's.

    Args:
        model: whose prior it is.
        variance: the entry of Var q(z_d); the ratio is null where it is.
        seed: of the draws.
    """
    device = next(model.parameters()).device
    noise = generator(device, seed, "prior", "variance")
    return ratio_to_draws(variance, lambda: model.prior().sample((PRIOR_DRAWS,), generator=noise))


def ratio_to_draws(variance: Json, draws: Callable[[], Tensor]) -> Json:
    """The same with draws of m(z), [n, D], from wherever they are."""
    if variance["value"] is None:
        return variance
    mean = torch.tensor(variance["value"], dtype=torch.float64)
    stderr = torch.tensor([math.nan if error is None else error for error in variance["stderr"]], dtype=torch.float64)
    z = draws().double().cpu()
    spread = (z - z.mean(0)).square()
    prior, prior_stderr = spread.mean(0), spread.std(0) / math.sqrt(len(z))
    relative = torch.hypot(stderr / mean, prior_stderr / prior)
    ratio = mean / prior
    rows = zip(ratio.tolist(), (ratio * relative).tolist(), strict=True)
    entries = [estimate(value, error, variance["n"]) for value, error in rows]
    return {name: [entry[name] for entry in entries] for name in ("value", "stderr")} | {"n": variance["n"]}
