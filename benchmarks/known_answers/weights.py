"""Closed-form weights put into the model: linear beta-VAEs, and pPCA on MNIST."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from known_answers.models import analytic_terms, linear_vae
from known_answers.table import Row, below, close, limit
from vae_rd.data.readers import read_idx
from vae_rd.theory import ppca
from vae_rd.theory.linear_vae import optimal_weights, optimum

EIGENVALUES, S2 = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.25]), 0.1
PPCA, PPCA_S2, UNITS = 962.3835, 0.00204451, 200


def weight_rows() -> Iterator[Row]:
    """Largest error of the analytic R and D over betas, on points whose moments are exactly the source's."""
    rng = np.random.default_rng(0)
    axes, mean = np.linalg.qr(rng.normal(size=(6, 6))).Q, rng.normal(size=6)
    covariance = (axes * EIGENVALUES) @ axes.T
    root = np.linalg.cholesky(covariance) * 6**0.5
    x = torch.as_tensor(np.concatenate([mean + root.T, mean - root.T]))
    errors = []
    for beta in (0.03, 0.3, 1.0, 3.0, 10.0, 30.0, 90.0):
        weights = optimal_weights(covariance, mean, s2=S2, beta=beta, latent_dim=8)
        rate, distortion = analytic_terms(linear_vae(weights, s2=S2), x)
        exact = optimum(EIGENVALUES, s2=S2, beta=beta, latent_dim=8)
        errors += [abs(rate.mean().item() - exact.rate), abs(distortion.mean().item() - exact.distortion)]
    yield limit(
        "closed-form weights in the model, 7 betas: largest error of R and D", max(errors), most=1e-10, digits=15
    )


def ppca_rows() -> Iterator[Row]:
    """pPCA with 200 units on the first 1000 MNIST images; no rows where VAE_RD_DATA does not hold them."""
    path = Path(os.environ.get("VAE_RD_DATA", "data")) / "mnist" / "train-images-idx3-ubyte.gz"
    if not path.is_file():
        return
    x = read_idx(path)[:1000].reshape(1000, -1) / 255
    covariance, mean = np.cov(x.T, ddof=0), x.mean(0)
    best = ppca.fit(covariance, mean, latent_dim=UNITS)
    each = ppca.log_likelihood(x, weights=best.weights, offset=best.offset, s2=best.s2)
    yield close("pPCA, 1000 MNIST images, 200 units: mean ln p(x)", PPCA, each.mean(), None, within=1e-3)
    yield close("pPCA: s^2", PPCA_S2, best.s2, None, within=1e-8, digits=8)
    weights = optimal_weights(covariance, mean, s2=best.s2, beta=1.0, latent_dim=UNITS)
    points, rng = torch.as_tensor(x), np.random.default_rng(0)

    def elbo(scale: float) -> float:
        """Of the weights, each nudged by normal noise of this part of its array's own size."""
        nudged = (w + scale * w.std() * rng.normal(size=w.shape) for w in weights[:4])
        model = linear_vae(type(weights)(*nudged, weights.posterior_variance), s2=best.s2)
        rate, distortion = analytic_terms(model, points)
        return -(rate + distortion).mean().item()

    yield close("pPCA: analytic ELBO of the VAE with these weights, float64", PPCA, elbo(0.0), None, within=1e-3)
    nudged = max(elbo(scale) for scale in np.geomspace(1e-7, 1e-2, 60))
    yield below(
        "pPCA: largest analytic ELBO of 60 nudged VAEs", best.log_likelihood, nudged, None, least=None, digits=6
    )
    began = time.perf_counter()
    run = ppca.em(covariance, mean, latent_dim=UNITS, seed=0, tolerance=1e-3)
    seconds = time.perf_counter() - began
    value, steps = run.model.log_likelihood, len(run.log_likelihoods) - 1
    yield below(f"pPCA by {steps} steps of EM", PPCA, value, None, least=PPCA - 0.05)
    yield limit(f"pPCA by {steps} steps of EM: seconds", seconds, most=30, digits=1)
