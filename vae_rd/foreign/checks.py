"""What is looked at once, on a few examples: whether the model is the same at every call, and a variance as a scale."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.vae import VAE

FEW = 8  # Examples that are shown alone, and among twice as many.
STEADY = 0.01  # Nats, and share of ln p: rounding of another batch size stays far below it, dropout far above.
SIGMAS = 5.0  # Standard errors by which D + R must fall for a scale to be called a variance.
NEAR = 0.1  # How near to 1, the prior's, the variance of q(z_d) must come with it.
_WHY = "dropout or batch statistics as in training; put the module into eval mode where no one finds it"


def check_steady(model: VAE, x: Tensor, *, seed: int) -> None:
    """Refuse an encoder or decoder that says something else of the same examples the second time, in another batch.

    Args:
        model: in eval mode as far as its modules were found.
        x: a batch.
        seed: of the draws.

    Raises:
        InputError: naming which of the two it is.
    """
    some, more = x[:FEW], x[: 2 * FEW]
    q = cast(Posterior, model.encoder(some))
    z = q.from_noise(model.noise(1, some, generator("cpu", seed, "steady"))).z
    if q.has_density:
        among = cast(Posterior, model.encoder(more)).part(slice(len(some))).to(z.device, torch.float64)
        _compare("encoder: q(z|x)", q.log_prob(z)[0], among.pairwise_log_prob(z[0].double()).diagonal())
    doubled = model.decoder(torch.cat([z, z.flip(1)], 1)).log_prob(torch.cat([some, some.flip(0)]))
    _compare("decoder: p(x|z)", model.decoder(z).log_prob(some)[0], doubled[0, : len(some)])


def _compare(what: str, alone: Tensor, among: Tensor) -> None:
    if bool(((alone - among).abs() > STEADY * (1 + alone.abs())).any()):
        raise InputError(f"{what} of the same examples is another one in another batch: {_WHY}")


def scale_note(model: VAE, x: Tensor, *, seed: int) -> str | None:
    """Words on a q(z|x) = N(mu, s) whose s is a variance: with sqrt(s) q(z) is as broad as N(0, I), and D + R falls.

    An encoder of a trained VAE has Var q(z_d) = E s_d^2 + Var mu_d near 1 in its active units. Where that holds with s
    in place of s^2, and D + R of the same noise falls by more than its error too, s is no standard deviation.

    Args:
        model: in eval mode.
        x: examples, some hundreds.
        seed: of the noise.
    """
    q = model.encoder(x)
    if not isinstance(q, DiagonalNormal):
        return None
    other = DiagonalNormal(q.mu, 0.5 * q.log_var)
    active = q.mu.var(0) > 0.1
    as_is, as_variance = ((p.variance.mean(0) + q.mu.var(0))[active] for p in (q, other))
    if not bool(active.any()) or (as_variance.mean() - 1).abs() > NEAR or as_is.mean() > as_variance.mean() - NEAR / 2:
        return None
    eps = model.noise(1, x, generator("cpu", seed, "scale"))
    fall, error = mean_and_stderr((_bound(model, x, q, eps) - _bound(model, x, other, eps))[None], population=False)
    if not fall > SIGMAS * error:
        return None
    return (
        f"q(z|x): its scale looks like a variance: with its square root D + R falls by {fall:.2f} nats and Var q(z) "
        f"comes from {as_is.mean():.2f} to {as_variance.mean():.2f}; Normal takes a standard deviation"
    )


def _bound(model: VAE, x: Tensor, q: DiagonalNormal, eps: Tensor) -> Tensor:
    """D + R of each example, [B]."""
    z = q.from_noise(eps).z
    return (q.log_prob(z) - model.prior().log_prob(z) - model.decoder(z).log_prob(x))[0].double()
