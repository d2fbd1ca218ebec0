"""Bounds on the rate-distortion function of the source itself, at the run's slope and whatever its model."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings, entry
from vae_rd.estimators.dual import dual_bound
from vae_rd.estimators.particles import SquaredError, particle_bound
from vae_rd.functional.seeding import generator
from vae_rd.run.record import Json, estimate


def source_lower(run: Fitted, settings: Settings) -> Json:
    """Lower bound on the source's least R + b D at b = 1/beta, by Csiszar's dual with fresh x.

    Its limit stands only where the supremum is global, and with it the bound is certified.
    """
    weight, scale, constant = _source_problem(run)
    noise = generator("cpu", settings.seed, "dual")
    bound = dual_bound(_draw(run, "dual", settings), SquaredError(scale), weight=weight, generator=noise)
    certified = bound.supremum != "multi_start"
    return entry(
        "dual",
        settings,
        estimate(bound.value + constant, bound.stderr, bound.n, resampled="x"),
        bound="lower",
        certified=certified,
        source=f"dual, neural u, {bound.n:,} fresh x, {'99 %' if certified else 'the largest supremum found'}",
        b=weight,
        limit=bound.lower_limit + constant if certified else None,
        supremum=bound.supremum,
    )


def source_upper(run: Fitted, settings: Settings) -> Json:
    """Upper bound on the source's least R + b D at b = 1/beta, by particles, with its point."""
    weight, scale, constant = _source_problem(run)
    noise = generator("cpu", settings.seed, "particle")
    bound = particle_bound(_draw(run, "particle", settings), SquaredError(scale), weight=weight, generator=noise)
    return entry(
        "particle",
        settings,
        estimate(bound.value + constant, bound.stderr, bound.n, resampled="x"),
        bound="upper",
        certified=True,
        source=f"{len(bound.particles.positions):,} particles, {bound.n:,} fresh x, 99 %",
        b=weight,
        limit=bound.upper_limit + constant,
        rate=bound.rate,
        distortion=bound.distortion + constant / weight,
    )


def check_source(run: Fitted, settings: Settings) -> None:
    """Refuse a split without fresh examples, a distortion that is no fixed squared error, and no slope or one of 0."""
    if _scale(run) is None or not run.data.card.unlimited[settings.split]:
        raise InputError(
            f"{run.folder}: --dual bounds R(D) of an unlimited source under --likelihood gaussian, "
            f"not of the {settings.split} split of this run; choose another run"
        )
    if not run.slope:
        raise InputError(
            f"{run.folder}: --dual takes a run of beta > 0, whose 1/beta weighs the distortion; choose another"
        )


def _scale(run: Fitted) -> float | None:
    """The fixed scale of the decoder's Gaussian, if it is one."""
    scale: float | None = getattr(getattr(run.model.decoder, "likelihood", None), "fixed_scale", None)
    return scale


def _source_problem(run: Fitted) -> tuple[float, float, float]:
    """lambda = b = 1/beta, the scale of d = scale |x - y|^2, and what b D has beyond b d: b (n/2) ln(2 pi s^2)."""
    scale = _scale(run)
    assert run.slope, "checked by check_source"
    assert scale is not None, "checked by check_source"
    weight, variance = 1 / run.slope, scale**2
    constant = weight * 0.5 * math.prod(run.data.card.shape) * math.log(2 * math.pi * variance)
    return weight, 1 / (2 * variance), constant


def _draw(run: Fitted, kind: str, settings: Settings) -> Callable[[int, torch.Generator], Tensor]:
    """The source as a sampler of flat float64 points on the CPU, every call keyed anew by its generator."""

    def draw(n: int, noise: torch.Generator) -> Tensor:
        key = int(torch.randint(2**62, (), generator=noise))
        return run.data.fresh(n, kind, settings.seed, key).flatten(1).double().cpu()

    return draw
