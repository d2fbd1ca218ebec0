"""R in parts over a whole split."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from vae_rd.distributions import LN_2PI, DiagonalNormal, Reparameterised, StandardNormal
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings, entry, measured, noise_for
from vae_rd.estimates.partials import Values
from vae_rd.estimators.rate_split import rate_split
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model import VAE
from vae_rd.records import Json, estimate

MOST_PAIRS = 10_000  # Examples, since the time grows as their square.


def information(run: Fitted, settings: Settings) -> Json:
    """R in parts over the whole split: I(X; Z), total correlation, and each unit's divergence from the prior."""
    if not isinstance(run.model.prior(), StandardNormal):
        raise InputError(f"{run.folder}: --information takes the prior normal, whose units are independent")

    def measure(chunk: int, x: Tensor) -> Values:
        q = _posterior(run.model, x)
        if not isinstance(q, DiagonalNormal):
            raise InputError(f"{run.folder}: --information takes a diagonal normal q(z|x)")
        eps = torch.randn(1, *q.mean.shape, generator=noise_for(x, settings, "information", chunk), device=x.device)
        parts = (q.from_noise(eps.to(q.mean))[0], q.mean, (0.5 * q.log_var).exp())
        return {name: part.T.double() for name, part in zip(("z", "mu", "sigma"), parts, strict=True)}

    values, n = measured(run, settings, "information", measure, most=MOST_PAIRS)
    z, mu, sigma = (values[name].T.contiguous() for name in ("z", "mu", "sigma"))
    split = rate_split(z[None], mu, sigma, log_mz=-0.5 * (z[None].square() + LN_2PI))

    def stat(per_draw: Tensor) -> Json:
        return estimate(*mean_and_stderr(per_draw, population=False), n)

    terms: dict[str, Json] = {
        side: {
            "mutual_information": stat(parts.information),
            "marginal_kl": stat(parts.marginal_kl),
            "total_correlation": stat(parts.total_correlation),
            "dimension_wise_kl": stat(parts.unit_kl.sum(-1)),
            "unit_kl": parts.unit_kl.mean((0, 1)).tolist(),
        }
        for side, parts in (("own", split.own), ("lower", split.lower), ("upper", split.upper))
    }
    source = f"all pairs of {n} examples, cap ln n = {math.log(n):.3f}"
    return entry("information", settings, terms["own"]["mutual_information"], bound=None, source=source) | terms


def _posterior(model: VAE, x: Tensor) -> Reparameterised:
    with torch.no_grad():
        return cast(Reparameterised, model.encoder(x))
