"""Sprites seen through a binary symmetric channel: every pixel of a uniformly drawn sprite flips with probability p.

    ln p(x) = ln (1/N) sum_k p^d_k (1 - p)^(256 - d_k),    d_k the number of pixels in which x and sprite k differ

a sum over all N = 3584 sprites, so that a model's likelihood of any x can be held to the truth.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from vae_rd.data.base import Entropy, UnlimitedSource
from vae_rd.data.sprites import SIDE, sprites
from vae_rd.functional.seeding import generator

PIXELS = SIDE * SIDE
CHUNK = 500  # Examples that meet all sprites at a time.
BLOCK, STDERR = 10_000, 0.005  # Draws of the entropy's Monte Carlo come in blocks until it is known this well.


def noisy_sprites(flip_probability: float) -> UnlimitedSource:
    """The source, with its entropy to a two-hundredth of a nat or better: a second, or three where p is near 0.2.

    Example:
        >>> noisy_sprites(0.5).draw(5, generator("cpu", 0)).shape
        torch.Size([5, 1, 16, 16])
    """
    return UnlimitedSource(
        "noisy_sprites",
        "binary",
        lambda n, noise, images: _rows(n, noise, images, flip_probability),
        tables=(sprites().images["train"],),
        entropy=noisy_entropy(flip_probability),
        params={"flip_probability": flip_probability, "sprites": len(_clean())},
    )


def log_mass(x: Tensor, *, flip_probability: float) -> Tensor:
    """ln p(x) by the exact mixture sum, in nats.

    Args:
        x: bits, [n, 1, 16, 16].

    Returns:
        [n] float64.

    Example:
        >>> value = log_mass(torch.zeros(1, 1, 16, 16), flip_probability=0.5)
        >>> round((value / math.log(2)).item(), 9)
        -256.0
    """
    return torch.cat([_log_joint(part, flip_probability).logsumexp(1) for part in x.split(CHUNK)])


@cache
def noisy_entropy(flip_probability: float) -> Entropy:
    """H in nats by Monte Carlo over x alone, the same at every call.

        H = 256 h(p) + ln N - E H(sprite | x)

    The noise's entropy is exact and the last term sums over all sprites, so what is left to vary is how much of the
    sprite a draw of x hides: a quarter of a nat at p = 0.05, against ten for -ln p(x).
    """
    noise = generator("cpu", "noisy_sprites", "entropy")
    hidden = torch.empty(0, dtype=torch.float64)
    while len(hidden) == 0 or _stderr(hidden) > STDERR:
        x = _rows(BLOCK, noise, sprites().images["train"], flip_probability)
        hidden = torch.cat(
            [hidden, *(_posterior_entropy(_log_joint(part, flip_probability)) for part in x.split(CHUNK))]
        )
    p = flip_probability
    flips = -PIXELS * (p * math.log(p) + (1 - p) * math.log1p(-p))
    return Entropy(
        value=flips + math.log(len(_clean())) - hidden.mean().item(),
        stderr=_stderr(hidden),
        kind="monte_carlo",
        measure="discrete",
        source=f"256 h(p) + ln N - E H(sprite | x), {len(hidden)} draws of x",
    )


def _stderr(values: Tensor) -> float:
    return values.std().item() / math.sqrt(len(values))


def _posterior_entropy(log_joint: Tensor) -> Tensor:
    """H(sprite | x) from ln p(x, sprite), [n, N] to [n]."""
    log_posterior = log_joint.log_softmax(1)
    return -(log_posterior.exp() * log_posterior).sum(1)


def _log_joint(x: Tensor, flip_probability: float) -> Tensor:
    """ln p(x, sprite), [n, N] float64."""
    clean = _clean().to(x.device)
    # Counts up to 256 are exact in single precision.
    differing = torch.addmm(clean.sum(1), x.flatten(1).float(), (1 - 2 * clean).T).double()
    p = flip_probability
    return differing * (math.log(p) - math.log1p(-p)) + PIXELS * math.log1p(-p) - math.log(len(clean))


@cache
def _clean() -> Tensor:
    """All sprites, [3584, 256] float32."""
    return sprites().images["train"].flatten(1).float()


def _rows(n: int, noise: torch.Generator, images: Tensor, flip_probability: float) -> Tensor:
    index = torch.randint(len(images), (n,), generator=noise, device=noise.device)
    # Single precision would round the probability by up to 6e-8, and H by 1e-4.
    uniform = torch.rand(n, *images.shape[1:], generator=noise, device=noise.device, dtype=torch.float64)
    return images.index_select(0, index) ^ (uniform < flip_probability)
