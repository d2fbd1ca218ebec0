"""The eigenvalues of Cov(x / s) over the training split, s the noise of a p(x|z) that ignores z.

All of them exactly for x of up to EXACT values; of larger images the greatest ones, by a randomised SVD of fewer
examples (Halko, Martinsson and Tropp 2011, arXiv 0909.4061), so that neither memory nor time grows with the split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator

EXACT = 1024  # Values of x of which all eigenvalues take less time than the examples do.
EXAMPLES = 10_000  # The largest eigenvalue is then known to about 1.4 %.
HELD = 2**25  # Numbers held at a time of larger images: 128 MiB.
FEWEST = 100  # Examples, however large.
BLOCK = 2000
BEYOND = 10  # Directions that the SVD looks at beside those that are wanted.
PASSES = 4
DIGITS = 6  # What is said of an eigenvalue; the order of sums decides the digits after these.

NoiseVariance = Callable[[Tensor], Tensor | None]


class Spectrum(NamedTuple):
    """Eigenvalues, the largest first.

    Attributes:
        eigenvalues: as many as were asked for, or as there are values of x or examples.
        n: of how many training examples.
        source: what they are eigenvalues of, in words.
    """

    eigenvalues: tuple[float, ...]
    n: int
    source: str


def noise_spectrum(data: DataSet, noise_variance: NoiseVariance, *, most: int) -> Spectrum | None:
    """The eigenvalues of Cov(x / s), those of values without noise left out, and which a constant has none of.

    Args:
        data: whose training split is meant; where x is random given the pixels, one draw of it.
        noise_variance: from the variance of each value of x over the split, [n], to s^2, [n]; None if there is none.
        most: eigenvalues that are wanted.

    Returns:
        None where the likelihood has no such noise, or x never changes.

    Example:
        >>> from vae_rd.data.sprites import sprites
        >>> found = noise_spectrum(DataSet(sprites()), lambda variance: variance, most=2)
        >>> found.eigenvalues, found.n
        ((23.8579, 23.7278), 3584)
    """
    values, held = data.pixels["train"][0].numel(), len(data.pixels["train"])
    n = min(EXAMPLES, held) if values <= EXACT else min(EXAMPLES, held, max(FEWEST, HELD // values))
    found = _all(data, noise_variance, n) if values <= EXACT else _largest(data, noise_variance, n, most)
    if found is None or not found[0] > 0:
        return None
    randomised = "" if values <= EXACT else ", by randomised SVD"
    source = f"covariance of x over the noise of a collapsed p(x|z), {n:,} training examples{randomised}"
    return Spectrum(tuple(float(f"{value:.{DIGITS}g}") for value in found[:most].clamp_min(0).tolist()), n, source)


def _all(data: DataSet, noise_variance: NoiseVariance, n: int) -> Tensor | None:
    """All eigenvalues, in double precision; single is as exact for the products of a block of zeros and ones."""
    values = data.pixels["train"][0].numel()
    total, gram = torch.zeros(values, dtype=torch.float64), torch.zeros(values, values, dtype=torch.float64)
    for block in _blocks(data, n):
        rows = block if data.card.support == "binary" else block.double()
        total += rows.sum(0)
        gram += rows.T @ rows
    mean = total / n
    covariance = gram / n - torch.outer(mean, mean)
    weight = _weights(covariance.diagonal(), noise_variance)
    if weight is None or not covariance.isfinite().all():
        return None
    return torch.linalg.eigvalsh(weight[:, None] * covariance * weight).flip(0)


def _largest(data: DataSet, noise_variance: NoiseVariance, n: int, most: int) -> Tensor | None:
    """The largest eigenvalues, in the working precision."""
    x = torch.cat(list(_blocks(data, n)))
    x -= x.mean(0)
    weight = _weights(torch.linalg.vector_norm(x, dim=0).square() / n, noise_variance)
    if weight is None or not x.isfinite().all():
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        singular = torch.svd_lowrank(x.mul_(weight), q=min(most + BEYOND, *x.shape), niter=PASSES)[1]
    return singular.double().square() / n


def _weights(variance: Tensor, noise_variance: NoiseVariance) -> Tensor | None:
    """1 / s for each value, 0 where a value has no noise."""
    noise = noise_variance(variance)
    return None if noise is None else torch.where(noise > 0, noise, torch.inf).rsqrt()


def _blocks(data: DataSet, n: int) -> Iterator[Tensor]:
    """x less the first of them, of n training examples evenly spaced in the split, flat, a block at a time.

    The first example is taken off so that what never changes is exactly 0, and a large mean costs no digits.
    """
    pixels, origin = data.pixels["train"], None
    noise = generator("cpu", data.data_seed, "forecast")
    for index in torch.linspace(0, len(pixels) - 1, n, dtype=torch.float64).round().long().split(BLOCK):
        x = data.transform.draw(pixels[index.to(pixels.device)].cpu(), noise).flatten(1)
        origin = x[0].clone() if origin is None else origin
        yield x - origin
