"""The inference gap ln p(x) - ELBO of each example, split into what the family costs and what the encoder costs.

    ln p(x) - ELBO(q_encoder) = [ln p(x) - ELBO(q*)] + [ELBO(q*) - ELBO(q_encoder)]
                                 approximation gap      amortisation gap

q* is the member of the encoder's family of largest ELBO for this one x, found by stochastic gradients from the
encoder's own q.

Source: Cremer, Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders", arXiv 1801.03558.
"""

from __future__ import annotations

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

LEARNING_RATE = 0.05  # In units of the encoder's standard deviation: steps need no knowledge of the scale of z.


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
    before, best = _optimise(model, x, encoder, steps=steps, draws=draws, noise=noise)
    elbo, elbo_before, elbo_encoder = _elbos(
        model, x, (best, before, encoder), samples=samples, draws=draws, noise=noise
    )
    return Local(encoder, best, elbo_encoder, elbo, elbo - elbo_before)


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
    _, found = _optimise(
        model, x, encoder, steps=steps, draws=draws, noise=noise, beta=beta, learning_rate=learning_rate
    )
    after, before = _elbos(model, x, (found, encoder), samples=samples, draws=draws, noise=noise, beta=beta)
    return after - before


def _encoder(model: VAE, x: Tensor) -> Posterior | None:
    """q(z|x) by the encoder, where it has coordinates to be moved along."""
    with torch.no_grad():
        encoder = cast(Posterior, model.encoder(x))
    return encoder if getattr(encoder, "perturbations", 0) else None


def _optimise(
    model: VAE,
    x: Tensor,
    start: Posterior,
    *,
    steps: int,
    draws: int,
    noise: torch.Generator,
    beta: float = 1.0,
    learning_rate: float = LEARNING_RATE,
) -> tuple[Posterior, Posterior]:
    """q after three quarters of the steps, and after all."""
    like = start.tensors[0]
    shape = (start.perturbations, *start.batch_shape, *start.event_shape)
    change = torch.zeros(shape, dtype=like.dtype, device=x.device, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    before, log_px_z = start, _log_px_z(model, x)
    for step in range(steps):
        if step == 3 * steps // 4:
            before = start.perturbed(change.detach().clone())
        elbo = _elbo(model, log_px_z, start.perturbed(change), _opposite_pairs(model, draws, x, noise), beta=beta)
        (change.grad,) = torch.autograd.grad(-elbo.mean(0).sum(), change)  # The model's weights get no gradient.
        optimizer.step()
        schedule.step()
    return before, start.perturbed(change.detach())


def _opposite_pairs(model: VAE, draws: int, x: Tensor, noise: torch.Generator) -> Tensor:
    """eps and -eps, [draws, N, noise_dim]."""
    eps = model.noise(-(-draws // 2), x, noise)
    return torch.cat([eps, -eps])[:draws]


def _elbo(model: VAE, log_px_z: LogDensity, q: Posterior, eps: Tensor, *, beta: float) -> Tensor:
    """ln p(x|z) - beta KL(q || m), the latter in closed form where it has one, [S, N] float64."""
    group = Group(q.from_noise(eps), q, model.prior())
    assert group.rate is not None, "what can be perturbed has a density"
    return log_px_z(group.z) - beta * group.rate.double()


def _log_px_z(model: VAE, x: Tensor) -> LogDensity:
    return within(model, x, lambda z: model.decoder(z).log_prob(x).double())


@torch.no_grad()
def _elbos(
    model: VAE,
    x: Tensor,
    posteriors: tuple[Posterior, ...],
    *,
    samples: int,
    draws: int,
    noise: torch.Generator,
    beta: float = 1.0,
) -> Tensor:
    """The ELBO of each posterior on common fresh noise, [len(posteriors), N]."""
    totals = torch.zeros(len(posteriors), len(x), dtype=torch.float64, device=x.device)
    log_px_z = _log_px_z(model, x)
    for start in range(0, samples, draws):
        eps = _opposite_pairs(model, min(draws, samples - start), x, noise)
        totals += torch.stack([_elbo(model, log_px_z, q, eps, beta=beta).sum(0) for q in posteriors])
    return totals / samples
