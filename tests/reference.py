"""Slow, independent implementations to test against; they share no code with vae_rd and import nothing of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import integrate, stats

Array = np.ndarray

EIGENVALUES, S2 = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25), 0.1  # The Gaussian source of truth.md section 2.


def water_filling(eigenvalues: Sequence[float], *, s2: float, beta: float) -> dict[str, float]:
    """R, D, SSE and active modes of the optimal linear beta-VAE on N(0, diag(eigenvalues)) with decoder variance s2."""
    level = beta * s2
    rate = sum(0.5 * math.log(x / level) for x in eigenvalues if x > level)
    sse = sum(min(x, level) for x in eigenvalues)
    distortion = sse / (2 * s2) + 0.5 * len(eigenvalues) * math.log(2 * math.pi * s2)
    return {"rate": rate, "distortion": distortion, "sse": sse, "active": sum(x > level for x in eigenvalues)}


def information_of_normals(mu: Array, sigma: Array) -> float:
    """I(X; Z) for x uniform over N points and scalar z ~ N(mu_x, sigma_x^2), by quadrature of the mixture's entropy."""

    def minus_p_ln_p(z: float) -> float:
        p = float(np.mean(stats.norm.pdf(z, mu, sigma)))
        return -p * math.log(p) if p > 0 else 0.0

    low, high = float(np.min(mu - 12 * sigma)), float(np.max(mu + 12 * sigma))
    entropy = integrate.quad(minus_p_ln_p, low, high, limit=2000, points=sorted(set(mu.tolist())))[0]
    return entropy - float(np.mean(0.5 * np.log(2 * math.pi * math.e * sigma**2)))


def infonce(z: Array, mu: Array, sigma: Array) -> tuple[float, float]:
    """InfoNCE and leave-one-out means by two plain loops over examples; z, mu, sigma [N, D]."""
    n = len(z)
    lower, others = [], []
    for i in range(n):
        q = np.array([np.prod(stats.norm.pdf(z[i], mu[j], sigma[j])) for j in range(n)])
        lower.append(math.log(q[i] / q.mean()))
        others.append(math.log(q[i] / (np.delete(q, i).sum() / (n - 1))))
    return float(np.mean(lower)), float(np.mean(others))


def normal_log_density(x: Array, mean: Array, sigma: Array) -> float:
    """Sum over coordinates of the normal log density."""
    return float(stats.norm.logpdf(x, mean, sigma).sum())


def bernoulli_log_mass(x: Array, logits: Array) -> float:
    """Sum over pixels of the Bernoulli log mass."""
    return float(stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum())
