"""Sources without end whose entropy, and more, is known: a Gaussian, a noisy sphere and the toy channel.

x is an image of one row, [1, 1, n]; what the rate-distortion theory of each needs stands in `params`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_rd.data.base import Entropy, UnlimitedSource
from vae_rd.functional.seeding import generator
from vae_rd.theory import gaussian as gaussian_theory
from vae_rd.theory import sphere as sphere_theory
from vae_rd.theory import toy_channel as toy_theory

SPHERE_VARIANCE = 0.1


def gaussian(eigenvalues: Sequence[float], *, data_seed: int) -> UnlimitedSource:
    """x ~ N(0, Q diag(l) Q^T), with Q uniform over the rotations and reflections and fixed by `data_seed`.

        H = 0.5 sum_i ln(2 pi e l_i)    (differential)

    Example:
        >>> source = gaussian([8, 4, 2, 1, 0.5, 0.25], data_seed=0)
        >>> round(source.entropy.value, 6)
        9.553352
        >>> source.draw(5, generator("cpu", 0)).shape
        torch.Size([5, 1, 1, 6])
    """
    variances = torch.tensor(eigenvalues, dtype=torch.float64)
    root = variances.sqrt()[:, None] * random_rotation(len(variances), data_seed=data_seed).T
    value = gaussian_theory.differential_entropy(eigenvalues)
    return UnlimitedSource(
        "gaussian",
        "real",
        _gaussian_rows,
        tables=(root.float(),),
        entropy=Entropy(value, 0.0, "exact", "differential", "0.5 ln det(2 pi e Sigma)"),
        params={"eigenvalues": variances.tolist(), "rotation": "Haar, by data_seed"},
    )


def random_rotation(n: int, *, data_seed: int) -> Tensor:
    """An orthogonal matrix, [n, n] float64, of Haar's (uniform) law.

    The Q of a normal matrix's QR factors, with the signs that make R's diagonal positive: without them the law is that
    of the QR routine.

    Source: Mezzadri 2007, "How to Generate Random Matrices from the Classical Compact Groups", arXiv math-ph/0609050.

    Example:
        >>> q = random_rotation(3, data_seed=0)
        >>> torch.allclose(q @ q.T, torch.eye(3, dtype=torch.float64))
        True
    """
    normal = torch.randn(n, n, generator=generator("cpu", data_seed, "rotation"), dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    return q * r.diagonal().sign()


def sphere(dim: int) -> UnlimitedSource:
    """x = a uniform point of the unit sphere of R^dim + N(0, 0.1 I).

    Source: Yang, Eckstein, Nutz and Mandt 2023, "Estimating the Rate-Distortion Function by Wasserstein Gradient
    Descent", arXiv 2310.18908.

    Example:
        >>> sphere(3).draw(5, generator("cpu", 0)).shape
        torch.Size([5, 1, 1, 3])
    """
    value = sphere_theory.differential_entropy(dimension=dim, variance=SPHERE_VARIANCE)
    return UnlimitedSource(
        "sphere",
        "real",
        lambda n, noise: _sphere_rows(n, noise, dim),
        entropy=Entropy(value, 0.0, "exact", "differential", "quadrature over |x|"),
        params={"dim": dim, "noise_variance": SPHERE_VARIANCE},
    )


def toy_channel() -> UnlimitedSource:
    """Which of 30 bins h falls into, one-hot: h | z ~ N(+-sep/2, 1), z ~ Bernoulli(0.7), with I(x; z) = 0.5.

    Source: after Alemi et al. 2018, "Fixing a Broken ELBO", arXiv 1711.00464, section 4.1.

    Example:
        >>> source = toy_channel()
        >>> round(source.entropy.value, 7), round(source.params["mutual_information"], 7)
        (2.8970623, 0.5)
        >>> source.draw(2, generator("cpu", 0)).sum(-1).flatten()
        tensor([1, 1])
    """
    channel = toy_theory.toy_channel()
    return UnlimitedSource(
        "toy_channel",
        "one_hot",
        _toy_rows,
        tables=(torch.tensor(channel.p_x),),
        entropy=Entropy(channel.entropy, 0.0, "exact", "discrete", f"sum over {len(channel.p_x)} bins"),
        params={"mutual_information": channel.information, "entropy_z": channel.entropy_z},
    )


def _gaussian_rows(n: int, noise: torch.Generator, root: Tensor) -> Tensor:
    return (_normal(n, len(root), noise) @ root)[:, None, None]


def _sphere_rows(n: int, noise: torch.Generator, dim: int) -> Tensor:
    direction = F.normalize(_normal(n, dim, noise))
    return (direction + math.sqrt(SPHERE_VARIANCE) * _normal(n, dim, noise))[:, None, None]


def _toy_rows(n: int, noise: torch.Generator, p: Tensor) -> Tensor:
    bins = torch.multinomial(p, n, replacement=True, generator=noise)
    return F.one_hot(bins, len(p)).to(torch.uint8)[:, None, None]


def _normal(n: int, dim: int, noise: torch.Generator) -> Tensor:
    # Single in any precision, so that x is the same.
    return torch.randn(n, dim, generator=noise, device=noise.device, dtype=torch.float32)
