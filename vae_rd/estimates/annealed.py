"""The decoder's own rate-distortion curve by annealed importance sampling, and what that can be off by."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.base import FEW, Examples, Fitted, Settings, entry, has_rate, prior
from vae_rd.estimates.partials import Values
from vae_rd.estimates.priors import model_under, needed
from vae_rd.estimators.ais import Path, bidirectional, decoder_distortion, prior_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.rate_distortion_curve import RateDistortionCurve, mean_curve, rate_distortion_curve
from vae_rd.functional.seeding import generator
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.priors.base import Prior
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json, estimate

ENCODER_DRAWS = 64  # Of z per example, behind the encoder's own R + b D.
CURVE = np.geomspace(1 / 30, 30, 31)  # Slopes b = 1/beta of a decoder's curve; 1 is among them.
# Of a record's curve, by what a point has.
COLUMNS = {
    "b": "b",
    "rate": "rate_estimate",
    "rate_stderr": "rate_stderr",
    "distortion": "distortion_estimate",
    "distortion_stderr": "distortion_stderr",
    "total": "line_upper",
    "total_stderr": "line_stderr",
}
VISITS, LEAPFROG_STEPS = 2, 5  # Transitions at each b of the curve, and gradients per transition.


def annealed_curve(run: Fitted, settings: Settings) -> Json:
    """The decoder's own rate-distortion curve and NLL by AIS, and what the encoder loses against it, paired."""
    examples = Examples(run, settings, "ais", few=True)
    slopes, ends = _slopes(run), _ends(run) if has_rate(run) else []
    values = _measured(run, settings, examples, ends)
    b = torch.tensor(slopes, dtype=torch.float64)
    curve = RateDistortionCurve(b, **{k: values[k] for k in RateDistortionCurve._fields[1:]})
    points = mean_curve(curve, population=examples.is_population)
    at_one = next(p for p in points if p.b == 1.0)

    def gap(end: int, slope: float) -> Json:
        row = slopes.index(slope)
        variance = curve.line_stderr[row] ** 2 + values["encoder_variance"][end] / ENCODER_DRAWS
        return examples.mean(values["encoder"][end] - curve.line_upper[row], variance)

    return entry(
        "ais",
        settings,
        examples.number(at_one.line_upper, at_one.line_stderr),
        bound="upper",
        source=f"AIS, {settings.chains} chains, {settings.temperatures} temperatures",
        chains=settings.chains,
        temperatures=settings.temperatures,
        ess=at_one.ess,
        encoder_gap={f"{slope:g}": gap(end, slope) for end, slope in enumerate(ends)},
        curve={name: [getattr(p, of) for p in points] for name, of in COLUMNS.items()},
    ) | _under(settings)


def _measured(run: Fitted, settings: Settings, examples: Examples, ends: list[float]) -> Values:
    """The curve of each example; at the slopes `ends` the encoder's own R + b D, its mean and variance over draws."""
    plan, fitted = _plan(run, settings), None if settings.marginal is None else needed(run, settings.marginal)
    model = run.model if fitted is None else run.model.with_prior(fitted.head)
    under: Json = {} if fitted is None else {"marginal": fitted.asked}  # Under its word another may be fitted since.

    def measure(part: int, x: Tensor) -> Values:
        noise = examples.noise(x, "ais", part)
        curve = rate_distortion_curve(_path(model, x), _slopes(run), plan, generator=noise)
        found = {**curve._asdict(), "b": curve.b[:, None]}
        if not ends:
            return found
        lines = _encoder_lines(cast(VAE, model), x, ends, noise=examples.noise(x, "encoder", part))
        return found | {"encoder": lines.mean(1), "encoder_variance": lines.var(1)}

    return examples.measure(measure, chains=settings.chains, temperatures=settings.temperatures, **under)


def annealing_error(run: Fitted, settings: Settings) -> Json:
    """The gap between AIS and its reverse on data simulated from the model: what the AIS number can be off by.

    Both take the temperatures that the curve's own schedule has up to b = 1.
    """
    n, plan = settings.examples or FEW, _plan(run, settings)
    parameter = next(run.model.parameters())
    noise = generator(parameter.device, settings.seed, "simulated")
    model = model_under(run, settings.marginal)
    z, x = model.generate(n, generator=noise)
    upward = replace(plan, schedule=plan.schedule[plan.schedule <= 1.0])
    sandwich = bidirectional(_path(model, x), z, upward, generator=noise)
    return entry(
        "bdmc",
        settings,
        estimate(sandwich.gap, sandwich.gap_stderr, n, resampled="x, z"),
        bound=None,
        source=f"AIS forth and back on simulated x, {settings.chains} chains, {settings.temperatures} temperatures",
        chains=settings.chains,
        temperatures=settings.temperatures,
    ) | _under(settings)


def _under(settings: Settings) -> Json:
    """The prior's word, where it is not the run's own."""
    return {} if settings.marginal is None else {"marginal": settings.marginal}


def _ends(run: Fitted) -> list[float]:
    """The slopes at which the encoder is held to the decoder's best: that of the likelihood, and its own."""
    return sorted({1.0, 1 / run.slope} if run.slope else {1.0})


def _slopes(run: Fitted) -> list[float]:
    return sorted({*CURVE.tolist(), *_ends(run)})


def _plan(run: Fitted, settings: Settings) -> Annealing:
    schedule = default_schedule(_slopes(run), steps=settings.temperatures, draws=VISITS)
    return Annealing(schedule, chains=settings.chains, leapfrog_steps=LEAPFROG_STEPS)


def _path(model: GenerativeModel, x: Tensor) -> Path:
    return prior_path(cast(Prior, model.prior()), decoder_distortion(model, x), n=len(x))


@torch.no_grad()
def _encoder_lines(model: VAE, x: Tensor, slopes: list[float], *, noise: torch.Generator) -> Tensor:
    """R + b D of the encoder's own q(z|x), [slopes, ENCODER_DRAWS, N]."""
    terms = model.terms(x, model.noise(ENCODER_DRAWS, x, noise))
    b = torch.tensor(slopes, dtype=torch.float64, device=x.device)[:, None, None]
    assert terms.rate is not None, "the run was checked"
    return terms.rate.double() + b * terms.distortion.double()


def check_annealing(run: Fitted, settings: Settings) -> None:
    """Refuse a run whose z is not continuous: chains follow the gradient of ln m(z) and ln p(x|z).

    Without a q(z|x), the curve is the decoder's under m(z). The m(z) of one without a density is fitted to nothing, so
    that another is to be named.

    Raises:
        InputError: naming the run and its prior.
    """
    if run.model.has_encoder and settings.marginal is None and not has_rate(run):
        raise InputError(
            f"{run.folder}: --ais is under m(z), and nothing has fitted it to a q(z|x) without a density; give "
            "--fit_marginal mixture first, then --marginal mixture with --ais"
        )
    model_under(run, settings.marginal)
    if not (m := prior(run)).is_continuous:
        raise InputError(
            f"{run.folder}: --ais takes a continuous z, not that of a {type(m).__name__}; choose another run"
        )
