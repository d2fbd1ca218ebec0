"""The inference gap ln p(x) - ELBO of each example, split into what the family costs and what the encoder costs.

    ln p(x) - ELBO(q_encoder) = [ln p(x) - ELBO(q*)] + [ELBO(q*) - ELBO(q_encoder)]
                                 approximation gap      amortisation gap

q* is the member of the encoder's family of largest ELBO for this one x, found by stochastic gradients from the
encoder's own q.

Source: Cremer, Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders", arXiv 1801.03558.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimators.hmc import LogDensity
from vae_rd.estimators.importance import check_evaluating
from vae_rd.estimators.memory import within
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.terms import Group
from vae_rd.model.vae import VAE

Draws = Callable[[int], Tensor]  # Of so many draws the noise.
LEARNING_RATE = 0.05  # In units of the encoder's standard deviation: steps need no knowledge of the scale of z.


class Plan(NamedTuple):
    """Of the steps on q: how many, of how many draws each, how many draws what is reported has, and the first rate."""

    steps: int
    draws: int
    samples: int
    learning_rate: float


class Objective(NamedTuple):
    """ln p(x|z) - beta KL(q || m) as a function of how q is changed.

    Attributes:
        elbo: of a change, None for none, and noise, [..., S, N] float64.
        slope: of a change and noise, the gradient in the change of the mean over draws of -elbo, summed over examples.
    """

    elbo: Callable[[Tensor | None, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


class Gaps(NamedTuple):
    """Per-example values in float64 nats, [N] each; unbiased given q*, whose ELBO is taken on fresh noise.

    Attributes:
        approximation: ln p(x) - ELBO(q*). An optimiser that stopped early makes it too large.
        amortisation: ELBO(q*) - ELBO(q_encoder), both on the same draws. Then it is too small by as much.
        last_gain: what ELBO(q*) gained over the last quarter of the steps, on the same draws: how far from converged.
    """

    approximation: Tensor
    amortisation: Tensor
    last_gain: Tensor


class Local(NamedTuple):
    """The encoder's q(z|x) of N examples and q*, with the ELBO of each in float64 nats, [N].

    Attributes:
        encoder: q(z|x) by the encoder.
        best: q*.
        elbo_encoder: of the encoder's.
        elbo: of q*, on the same fresh draws.
        last_gain: what it gained over the last quarter of the steps.
    """

    encoder: Posterior
    best: Posterior
    elbo_encoder: Tensor
    elbo: Tensor
    last_gain: Tensor


def inference_gaps(
    model: VAE,
    x: Tensor,
    *,
    log_px: Tensor,
    noise: torch.Generator,
    steps: int = 400,
    draws: int = 16,
    samples: int = 500,
) -> Gaps:
    """Split each example's inference gap. Memory grows with N, and by the decoder up to a bound; hand over chunks of x.

    Args:
        model: in eval mode, with posteriors that can be `perturbed`.
        x: images, [N, C, H, W].
        log_px: ln p(x), exact or L_K, [N]. The error of an estimate is the approximation gap's.
        noise: the stream of all draws.
        steps: of Adam over the coordinates of q for every x, at a rate that falls to 0.
        draws: of z at each step, in pairs of opposite noise, which cancels its part that is odd in eps.
        samples: of z behind the ELBOs that are reported.

    Errors:
        InputError: a model in training mode, posteriors of another family, or no steps, draws or samples.
    """
    found = local_posteriors(model, x, noise=noise, steps=steps, draws=draws, samples=samples)
    return Gaps(log_px.double() - found.elbo, found.elbo - found.elbo_encoder, found.last_gain)


def local_posteriors(
    model: VAE, x: Tensor, *, noise: torch.Generator, steps: int = 400, draws: int = 16, samples: int = 500
) -> Local:
    """q* of each example, found by gradients from the encoder's q; arguments and errors are those of `inference_gaps`.

    Errors:
        InputError: a model in training mode, posteriors of another family, or no steps, draws or samples.
    """
    check_evaluating(model)
    if min(steps, draws, samples) < 1:
        raise InputError(f"steps {steps}, draws {draws}, samples {samples}: give whole numbers from 1")
    if (encoder := _encoder(model, x)) is None:
        fault = f"{type(model.encoder(x[:1])).__name__} posteriors have no coordinates along which to find the best one"
        raise InputError(f"{fault}; give a model with DiagonalNormal ones")
    at = _of(model, x, encoder, beta=1.0)
    draw = partial(opposite_pairs, model, x, noise=noise)
    before, best = _optimise(at, no_change(encoder), draw, steps=steps, draws=draws, learning_rate=LEARNING_RATE)
    elbo, elbo_before, elbo_encoder = _elbos(at, (best, before, None), draw, samples=samples, draws=draws)
    return Local(encoder, encoder.perturbed(best), elbo_encoder, elbo, elbo - elbo_before)


def local_gain(
    model: VAE,
    x: Tensor,
    *,
    beta: float,
    noise: torch.Generator,
    steps: int,
    draws: int = 4,
    samples: int = 32,
    learning_rate: float = 0.1,
) -> Tensor | None:
    """What a few steps on q(z|x) of each x alone gain over the encoder's, [N] float64 nats; None without coordinates.

        [D + beta R](q_encoder) - [D + beta R](q_steps)

    Both on the same fresh draws. At beta = 1 it is at most KL(q_encoder || p(z|x)), in expectation. A lower bound on
    the amortisation gap: of `inference_gaps` it is the part that is soon found, which a training that is behind leaves
    large. Where there is nothing to find it is a little below 0, by what the noise of so few draws a step costs.

    Args:
        model: in eval mode.
        x: images, [N, C, H, W].
        beta: the weight of R in what the encoder was trained for.
        noise: the stream of all draws.
        steps: of Adam over the coordinates of q for every x, at a rate that falls to 0.
        draws: of z at each step, in pairs of opposite noise.
        samples: of z behind what is reported.
        learning_rate: the highest, in units of the encoder's standard deviation: larger, as there are fewer steps.

    Source: He et al. 2019, "Lagging Inference Networks and Posterior Collapse", arXiv 1901.05534, whose remedy takes
    such steps on the encoder's weights; Cremer et al. as above.
    """
    check_evaluating(model)
    if (encoder := _encoder(model, x)) is None:
        return None
    at, draw = _of(model, x, encoder, beta=beta), partial(opposite_pairs, model, x, noise=noise)
    plan = Plan(steps, draws, samples, learning_rate)
    return gain_of(at, no_change(encoder), draw, plan)


def gain_of(at: Objective, change: Tensor, draw: Draws, plan: Plan, *, at_once: int | None = None) -> Tensor:
    """The gain of `local_gain`, of whatever has its ELBOs and their slopes: of several models at once, too.

    Args:
        at: the ELBO under beta at a change of q, and what minimises it there.
        change: none, of what shape it has.
        draw: so many draws of noise, fresh ones at each call.
        plan: steps and draws.
        at_once: of what is reported, so many draws at a time; None of as many as a step has.
    """
    _, found = _optimise(at, change, draw, steps=plan.steps, draws=plan.draws, learning_rate=plan.learning_rate)
    after, before = _elbos(at, (found, None), draw, samples=plan.samples, draws=at_once or plan.draws)
    return after - before


def _encoder(model: VAE, x: Tensor) -> Posterior | None:
    """q(z|x) by the encoder, where it has coordinates to be moved along."""
    with torch.no_grad():
        encoder = cast(Posterior, model.encoder(x))
    return encoder if getattr(encoder, "perturbations", 0) else None


def no_change(start: Posterior) -> Tensor:
    """Of a posterior that can be perturbed, [perturbations, N, D]."""
    like = start.tensors[0]
    shape = (start.perturbations, *start.batch_shape, *start.event_shape)
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


def _of(model: VAE, x: Tensor, start: Posterior, *, beta: float) -> Objective:
    log_px_z = within(model, x, partial(_log_px_z, model, x))

    def elbo(change: Tensor | None, eps: Tensor) -> Tensor:
        return _elbo(model, log_px_z, start if change is None else start.perturbed(change), eps, beta=beta)

    return Objective(elbo, lambda change, eps: slope_of(elbo, change, eps))


def slope_of(elbo: Callable[[Tensor, Tensor], Tensor], change: Tensor, eps: Tensor) -> Tensor:
    """The gradient of what is minimised; the model's weights get none."""
    with torch.enable_grad():
        leaf = change.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(-elbo(leaf, eps).mean(-2).sum(), leaf)
    return gradient


def _optimise(
    at: Objective, change: Tensor, draw: Draws, *, steps: int, draws: int, learning_rate: float
) -> tuple[Tensor, Tensor]:
    """The change of q after three quarters of the steps, and after all."""
    change = change.clone().requires_grad_()
    optimizer = torch.optim.Adam([change], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    before = change.detach().clone()
    for step in range(steps):
        if step == 3 * steps // 4:
            before = change.detach().clone()
        change.grad = at.slope(change, draw(draws))
        optimizer.step()
        schedule.step()
    return before, change.detach()


def opposite_pairs(model: VAE, x: Tensor, draws: int, *, noise: torch.Generator) -> Tensor:
    """eps and -eps, [draws, N, noise_dim]."""
    eps = model.noise(-(-draws // 2), x, noise)
    return torch.cat([eps, -eps])[:draws]


def elbo_at(model: VAE, x: Tensor, q: Posterior, eps: Tensor, beta: Tensor) -> Tensor:
    """ln p(x|z) - beta KL(q || m), [S, N] float64, in one piece."""
    return _elbo(model, partial(_log_px_z, model, x), q, eps, beta=beta)


def _elbo(model: VAE, log_px_z: LogDensity, q: Posterior, eps: Tensor, *, beta: float | Tensor) -> Tensor:
    """ln p(x|z) - beta KL(q || m), the latter in closed form where it has one, [S, N] float64."""
    group = Group(q.from_noise(eps), q, model.prior())
    assert group.rate is not None, "what can be perturbed has a density"
    return log_px_z(group.z) - beta * group.rate.double()


def _log_px_z(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    return model.decoder(z).log_prob(x).double()


@torch.no_grad()
def _elbos(
    at: Objective, changes: tuple[Tensor | None, ...], draw: Draws, *, samples: int, draws: int
) -> tuple[Tensor, ...]:
    """The ELBO after each change on common fresh noise, [..., N] each."""
    totals: list[Tensor] = []
    for start in range(0, samples, draws):
        eps = draw(min(draws, samples - start))
        found = [at.elbo(change, eps).sum(-2) for change in changes]
        totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
    return tuple(total / samples for total in totals)
