"""R in parts over a whole split."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.base import Examples, Fitted, Settings, an_example, entry, posterior, prior
from vae_rd.estimates.partials import Values
from vae_rd.estimators.rate_split import rate_split
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.run.record import Json

MOST_PAIRS = 10_000  # Examples, since the time grows as their square.


def information(run: Fitted, settings: Settings) -> Json:
    """R in parts over the whole split: I(X; Z), total correlation, and each unit's divergence from the prior."""
    examples = Examples(run, settings, "information", most=MOST_PAIRS)
    draws = POPULATION_SAMPLES if examples.is_population else 1

    def measure(part: int, x: Tensor) -> Values:
        q = posterior(run, x)
        z = q.from_noise(run.vae.noise(draws, x, examples.noise(x, "information", part))).z
        factors, log_mz = q.to(x.device, torch.float64).factors(), prior(run).log_prob_per_dim(z.double())
        assert factors is not None, "checked by check_information"
        assert log_mz is not None, "checked by check_information"
        drawn = {"z": z, "mu": factors.mean, "sigma": factors.variance.sqrt(), "log_mz": log_mz}
        return {name: value.double().transpose(-1, -2) for name, value in drawn.items()}

    values = examples.measure(measure)
    z, mu, sigma, log_mz = (values[name].transpose(-1, -2).contiguous() for name in ("z", "mu", "sigma", "log_mz"))
    split = rate_split(z, mu, sigma, log_mz=log_mz)

    def mean(per_draw: Tensor) -> Json:
        return examples.number(*mean_and_stderr(per_draw, population=examples.is_population))

    terms: dict[str, Json] = {
        side: {
            "mutual_information": mean(parts.information),
            "marginal_kl": mean(parts.marginal_kl),
            "total_correlation": mean(parts.total_correlation),
            "dimension_wise_kl": mean(parts.marginal_kl_per_dim.sum(-1)),
            "marginal_kl_per_dim": parts.marginal_kl_per_dim.mean((0, 1)).tolist(),
        }
        for side, parts in (("own", split.own), ("lower", split.lower), ("upper", split.upper))
    }
    source = f"all pairs of {examples.n} examples, cap ln n = {math.log(examples.n):.3f}"
    return entry("information", settings, terms["own"]["mutual_information"], bound=None, source=source) | terms


def check_information(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose q(z|x) or m(z) does not fall into normals, or factors, of single units.

    Raises:
        InputError: naming the run and what it has instead.
    """
    m, q = prior(run), posterior(run, an_example(run))
    if m.log_prob_per_dim(an_example(run).new_zeros(1, run.model.latent_dim)) is None:
        fault = f"a prior that factorises over units, not a {type(m).__name__}"
        raise InputError(f"{run.folder}: --information takes {fault}; choose another run")
    if q.factors() is None:
        fault = f"a normal q(z|x) of independent units, not a {type(q).__name__}"
        raise InputError(f"{run.folder}: --information takes {fault}; choose another run")
