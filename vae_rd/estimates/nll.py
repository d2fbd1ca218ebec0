"""-E ln p(x) by importance sampling and by draws from the prior, and the encoder's gap to it in parts."""

from __future__ import annotations

import math

from torch import Tensor

from vae_rd.estimates.base import Fitted, Settings, entry, mean_of, measured, noise_for
from vae_rd.estimates.partials import Values
from vae_rd.estimators.gaps import inference_gaps
from vae_rd.estimators.importance import importance, importance_curve, prior_sampling
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.records import Json, estimate


def importance_nll(run: Fitted, settings: Settings) -> Json:
    """-E ln p(x) from above by L_K, with the L_k of smaller k from the same draws."""
    smaller = [k for k in (1, 10, 100, 1000) if k < settings.samples]

    def measure(chunk: int, x: Tensor) -> Values:
        noise = noise_for(x, settings, "importance", chunk)
        weighted, curve = importance_curve(run.model, x, samples=settings.samples, at=smaller, noise=noise)
        return {"log_p": weighted.log_p, "variance": weighted.variance, "ess": weighted.ess, "curve": curve}

    values, n = measured(run, settings, "importance", measure, samples=settings.samples)
    mean, stderr = mean_of(run, settings, values["log_p"], values["variance"])
    rise = {str(k): -row.mean().item() for k, row in zip(smaller, values["curve"], strict=True)}
    return entry(
        "importance",
        settings,
        estimate(-mean, stderr, n),
        bound="upper",
        source=f"importance sampling, K = {settings.samples}",
        samples=settings.samples,
        ess=values["ess"].mean().item(),
        ess_least=values["ess"].min().item(),
        value_by_samples=rise,
    )


def prior_nll(run: Fitted, settings: Settings) -> Json:
    """-E ln (1/n) sum p(x|z_i) with z_i from the prior, and how large n would have to be."""

    def measure(chunk: int, x: Tensor) -> Values:
        naive = prior_sampling(run.model, x, samples=settings.samples, noise=noise_for(x, settings, "prior", chunk))
        guided = importance(run.model, x, samples=settings.samples, noise=noise_for(x, settings, "needed", chunk))
        return {"log_p": naive.log_p, "variance": naive.variance, "ess": naive.ess, "needed": guided.log_needed}

    values, n = measured(run, settings, "prior", measure, samples=settings.samples)
    mean, stderr = mean_of(run, settings, values["log_p"], values["variance"])
    needed = values["needed"]
    return entry(
        "prior",
        settings,
        estimate(-mean, stderr, n),
        bound="upper",
        source=f"{settings.samples} draws from the prior",
        samples=settings.samples,
        ess=values["ess"].mean().item(),
        log_samples_needed=estimate(needed.mean().item(), needed.std().item() / math.sqrt(n), n),
        log_samples_needed_median=needed.median().item(),
    )


def encoder_gaps(run: Fitted, settings: Settings) -> Json:
    """ln p(x) - ELBO by L_K, split into what the family and what the encoder costs."""

    def measure(chunk: int, x: Tensor) -> Values:
        noise = noise_for(x, settings, "gaps", chunk)
        log_px = importance(run.model, x, samples=settings.samples, noise=noise).log_p
        return inference_gaps(run.model, x, log_px=log_px, noise=noise)._asdict()

    values, n = measured(run, settings, "gaps", measure, few=True, samples=settings.samples)
    parts = {name: estimate(*mean_and_stderr(value[None], population=False), n) for name, value in values.items()}
    total = mean_and_stderr((values["approximation"] + values["amortisation"])[None], population=False)
    source = f"ln p(x) by L_{settings.samples}, q(z|x) optimised per example"
    return entry("gaps", settings, estimate(*total, n), bound=None, source=source) | parts
