"""-E ln p(x) by importance sampling and by draws from the prior, and the encoder's gap to it in parts."""

from __future__ import annotations

import math

from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.base import Examples, Fitted, Settings, an_example, check_density, entry, posterior
from vae_rd.estimates.partials import Values
from vae_rd.estimators.gaps import inference_gaps
from vae_rd.estimators.importance import importance, importance_curve, prior_sampling
from vae_rd.functional.statistics import mean_and_stderr, variance_by_shared_draws
from vae_rd.run.record import Json


def importance_nll(run: Fitted, settings: Settings) -> Json:
    """-E ln p(x) from above by L_K, with the L_k of smaller k from the same draws."""
    examples = Examples(run, settings, "importance")
    smaller = [k for k in (1, 10, 100, 1000) if k < settings.samples]

    def measure(part: int, x: Tensor) -> Values:
        noise = examples.noise(x, "importance", part)
        weighted, curve = importance_curve(run.vae, x, samples=settings.samples, at=smaller, noise=noise)
        return {"log_p": weighted.log_p, "variance": weighted.variance, "ess": weighted.ess, "curve": curve}

    values = examples.measure(measure, samples=settings.samples)
    rise = {str(k): -row.mean().item() for k, row in zip(smaller, values["curve"], strict=True)}
    return entry(
        "importance",
        settings,
        examples.mean(-values["log_p"], values["variance"]),
        bound="upper",
        source=f"importance sampling, K = {settings.samples}",
        samples=settings.samples,
        ess=values["ess"].mean().item(),
        ess_least=values["ess"].min().item(),
        value_by_samples=rise,
    )


def prior_nll(run: Fitted, settings: Settings) -> Json:
    """-E ln (1/n) sum p(x|z_i) with z_i from the prior, the same for all x, and how large n would have to be."""
    examples = Examples(run, settings, "prior")

    def measure(part: int, x: Tensor) -> Values:
        naive = prior_sampling(run.model, x, samples=settings.samples, noise=examples.noise(x, "prior"))
        values = {"log_p": naive.log_p, "variance": naive.variance, "ess": naive.ess, "shares": naive.shares}
        if not run.model.has_encoder:
            return values
        guided = importance(run.vae, x, samples=settings.samples, noise=examples.noise(x, "needed", part))
        return values | {"needed": guided.log_needed}

    values = examples.measure(measure, samples=settings.samples)
    needed = values.get("needed")
    shared = variance_by_shared_draws(values["shares"])
    return entry(
        "prior",
        settings,
        # The draws' errors are common to all examples, and no part of the spread over them.
        examples.mean(-values["log_p"], 0 * values["variance"], shared=shared),
        bound="upper",
        source=f"{settings.samples} draws from the prior",
        samples=settings.samples,
        ess=values["ess"].mean().item(),
        log_samples_needed=_needed(examples, needed),
        log_samples_needed_median=None if needed is None else needed.median().item(),
    )


def _needed(examples: Examples, needed: Tensor | None) -> Json:
    """The mean of ln n that importance sampling says are needed; null without a q(z|x) to say it."""
    if needed is None:
        return examples.number(math.nan, None)
    return examples.number(*mean_and_stderr(needed[None], population=False))


def encoder_gaps(run: Fitted, settings: Settings) -> Json:
    """ln p(x) - ELBO by L_K, split into what the family and what the encoder costs."""
    examples = Examples(run, settings, "gaps", few=True)

    def measure(part: int, x: Tensor) -> Values:
        noise = examples.noise(x, "gaps", part)
        log_px = importance(run.vae, x, samples=settings.samples, noise=noise).log_p
        return inference_gaps(run.vae, x, log_px=log_px, noise=noise)._asdict()

    values = examples.measure(measure, samples=settings.samples)

    def mean(each: Tensor) -> Json:
        return examples.number(*mean_and_stderr(each[None], population=False))

    total = mean(values["approximation"] + values["amortisation"])
    source = f"ln p(x) by L_{settings.samples}, q(z|x) optimised per example"
    parts = {name: mean(each) for name, each in values.items()}
    return entry("gaps", settings, total, bound=None, source=source) | parts


def check_nll(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose ln q(z|x), which weighs the draws, is undefined.

    Raises:
        InputError: naming the run.
    """
    check_density(run, "--nll")


def check_prior_nll(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose m(z) says nothing of its q(z|x), which has no density; one without q(z|x) has its m(z).

    Raises:
        InputError: naming the run.
    """
    if run.model.has_encoder:
        check_density(run, "--nll")


def check_gaps(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose family of q(z|x) cannot be searched for the best member.

    Raises:
        InputError: naming the run and its posterior.
    """
    if not (q := posterior(run, an_example(run))).perturbations:
        raise InputError(f"{run.folder}: --gaps takes a normal q(z|x), not a {type(q).__name__}; choose another run")
