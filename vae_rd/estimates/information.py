"""R in parts over a whole split."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from vae_rd.estimates.base import Examples, Fitted, Settings, entry, posterior
from vae_rd.estimates.partials import Values
from vae_rd.estimators.rate_split import rate_split
from vae_rd.functional.statistics import POPULATION_SAMPLES, mean_and_stderr
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.run.record import Json
from vae_rd.units import LN_2PI

MOST_PAIRS = 10_000  # Examples, since the time grows as their square.


def information(run: Fitted, settings: Settings) -> Json:
    """R in parts over the whole split: I(X; Z), total correlation, and each unit's divergence from the prior."""
    examples = Examples(run, settings, "information", most=MOST_PAIRS)
    draws = POPULATION_SAMPLES if examples.is_population else 1

    def measure(part: int, x: Tensor) -> Values:
        q = cast(DiagonalNormal, posterior(run.model, x))
        noise = examples.noise(x, "information", part)
        eps = torch.randn(draws, *q.mean.shape, generator=noise, device=x.device)
        drawn = {"z": q.from_noise(eps.to(q.mean)), "mu": q.mean, "sigma": (0.5 * q.log_var).exp()}
        return {name: value.double().transpose(-1, -2) for name, value in drawn.items()}

    values = examples.measure(measure)
    z, mu, sigma = (values[name].transpose(-1, -2).contiguous() for name in ("z", "mu", "sigma"))
    split = rate_split(z, mu, sigma, log_mz=-0.5 * (z.square() + LN_2PI))

    def mean(per_draw: Tensor) -> Json:
        return examples.number(*mean_and_stderr(per_draw, population=examples.is_population))

    terms: dict[str, Json] = {
        side: {
            "mutual_information": mean(parts.information),
            "marginal_kl": mean(parts.marginal_kl),
            "total_correlation": mean(parts.total_correlation),
            "dimension_wise_kl": mean(parts.unit_kl.sum(-1)),
            "unit_kl": parts.unit_kl.mean((0, 1)).tolist(),
        }
        for side, parts in (("own", split.own), ("lower", split.lower), ("upper", split.upper))
    }
    source = f"all pairs of {examples.n} examples, cap ln n = {math.log(examples.n):.3f}"
    return entry("information", settings, terms["own"]["mutual_information"], bound=None, source=source) | terms
