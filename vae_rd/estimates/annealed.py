"""The decoder's own rate-distortion curve by annealed importance sampling, and what that can be off by."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vae_rd.distributions import StandardNormal
from vae_rd.errors import InputError
from vae_rd.estimates.base import FEW, Fitted, Settings, entry, is_population, mean_of, measured, noise_for
from vae_rd.estimates.partials import Values
from vae_rd.estimators.ais import Path, bidirectional, decoder_distortion, standard_normal_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.rate_distortion_curve import RateDistortionCurve, mean_curve, rate_distortion_curve
from vae_rd.model import VAE
from vae_rd.records import Json, estimate
from vae_rd.seeding import generator

ENCODER_DRAWS = 64  # Of z per example, behind the encoder's own R + b D.
CURVE = np.geomspace(1 / 30, 30, 31)  # Slopes b = 1/beta of a decoder's curve; 1 is among them.
VISITS, LEAPFROG_STEPS = 2, 5  # Transitions at each b of the curve, and gradients per transition.


def annealed_curve(run: Fitted, settings: Settings) -> Json:
    """The decoder's own rate-distortion curve and NLL by AIS, and what the encoder loses against it, paired."""
    own = [1 / run.config.beta] if run.config.beta > 0 else []
    slopes = sorted({*CURVE.tolist(), 1.0, *own})
    plan = _plan(slopes, settings)

    def measure(chunk: int, x: Tensor) -> Values:
        noise = noise_for(x, settings, "ais", chunk)
        curve = rate_distortion_curve(_path(run.model, x), slopes, plan, generator=noise)
        distortion, rate = _encoder_terms(run.model, x, settings, chunk)
        return {**curve._asdict(), "encoder_distortion": distortion, "encoder_rate": rate, "b": curve.b[:, None]}

    size = {"chains": settings.chains, "temperatures": settings.temperatures}
    values, n = measured(run, settings, "ais", measure, few=True, **size)
    encoder = {b: values["encoder_rate"] + b * values["encoder_distortion"] for b in (1.0, *own)}
    b = torch.tensor(slopes, dtype=torch.float64)
    curve = RateDistortionCurve(b, **{k: values[k] for k in RateDistortionCurve._fields[1:]})
    points = mean_curve(curve, population=is_population(run, settings))
    at_one = next(p for p in points if p.b == 1.0)

    def gap(slope: float) -> Json:
        row = slopes.index(slope)
        return estimate(*mean_of(run, settings, encoder[slope] - curve.line_upper[row], curve.line_stderr[row] ** 2), n)

    return entry(
        "ais",
        settings,
        estimate(at_one.line_upper, at_one.line_stderr, n),
        bound="upper",
        source=f"AIS, {settings.chains} chains, {settings.temperatures} temperatures",
        chains=settings.chains,
        temperatures=settings.temperatures,
        ess=at_one.ess,
        encoder_gap={f"{slope:g}": gap(slope) for slope in encoder},
        curve={
            "b": [p.b for p in points],
            "rate": [p.rate_estimate for p in points],
            "rate_stderr": [p.rate_stderr for p in points],
            "distortion": [p.distortion_estimate for p in points],
            "distortion_stderr": [p.distortion_stderr for p in points],
            "total": [p.line_upper for p in points],
            "total_stderr": [p.line_stderr for p in points],
        },
    )


def annealing_error(run: Fitted, settings: Settings) -> Json:
    """The gap between AIS and its reverse on data simulated from the model: what the AIS number can be off by."""
    n = settings.examples or FEW
    parameter = next(run.model.parameters())
    noise = generator(parameter.device, settings.seed, "simulated")
    z = torch.randn(n, run.model.latent_dim, generator=noise, device=parameter.device, dtype=torch.float64)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        x = run.model.decoder(z.to(parameter)).sample()
    sandwich = bidirectional(_path(run.model, x), z, _plan([1.0], settings), generator=noise)
    return entry(
        "bdmc",
        settings,
        estimate(sandwich.gap, sandwich.gap_stderr, n),
        bound=None,
        source=f"AIS forth and back on simulated x, {settings.chains} chains, {settings.temperatures} temperatures",
        chains=settings.chains,
        temperatures=settings.temperatures,
    )


@torch.no_grad()
def _encoder_terms(model: VAE, x: Tensor, settings: Settings, chunk: int) -> tuple[Tensor, Tensor]:
    """D and R of the encoder's own q(z|x) per example, [N] each."""
    noise = noise_for(x, settings, "encoder", chunk)
    eps = torch.randn(ENCODER_DRAWS, len(x), model.latent_dim, generator=noise, device=x.device, dtype=x.dtype)
    terms = model.terms(x, eps)
    return terms.distortion.double().mean(0), terms.rate.double().mean(0)


def _plan(slopes: list[float], settings: Settings) -> Annealing:
    schedule = default_schedule(slopes, steps=settings.temperatures, draws=VISITS)
    return Annealing(schedule, chains=settings.chains, leapfrog_steps=LEAPFROG_STEPS)


def _path(model: VAE, x: Tensor) -> Path:
    if not isinstance(model.prior(), StandardNormal):
        raise InputError("--ais starts from the prior normal; this run has another one")
    return standard_normal_path(decoder_distortion(model, x), n=len(x), latent_dim=model.latent_dim)
