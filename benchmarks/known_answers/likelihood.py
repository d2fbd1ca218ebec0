"""Estimates of ln p(x), of a decoder's curve and of an encoder's gap, on linear-Gaussian models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from known_answers.fits import fit
from known_answers.models import analytic_terms, linear_vae, precision_of, with_best_diagonal_encoder
from known_answers.table import Row, above, close
from vae_rd.estimators.ais import bidirectional, decoder_distortion, prior_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.gaps import inference_gaps
from vae_rd.estimators.importance import importance, importance_curve
from vae_rd.estimators.rate_distortion_curve import mean_curve, rate_distortion_curve
from vae_rd.experiment.loading import open_run
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.theory import linear_decoder as linear_theory
from vae_rd.theory import ppca

K, EXAMPLES = 5000, 2000
TWENTY = "[" + ",".join(f"{10 * 0.7**i:.4f}" for i in range(20)) + "]"
SLOPES = np.geomspace(0.01, 100, 50)
"""ln p(x|z) of a decoder has s2 in it; b there weighs half the squared error, so s2 = 1."""


def log_px(decoder: Tensor, offset: Tensor, x: Tensor, *, s2: float) -> Tensor:
    """ln N(x; b, W W^T + s2 I), [N], for x [N, n]."""
    return torch.as_tensor(ppca.log_likelihood(x.numpy(), weights=decoder.numpy(), offset=offset.numpy(), s2=s2))


def random_decoder(pixels: int, units: int, *, seed: int, scale: float = 1.0) -> tuple[Tensor, Tensor, torch.Generator]:
    """W [n, k], b [n] and the stream they came from."""
    noise = generator("cpu", seed, "decoder")
    w = scale * torch.randn(pixels, units, generator=noise, dtype=torch.float64)
    return w, torch.randn(pixels, generator=noise, dtype=torch.float64), noise


def simulated(w: Tensor, b: Tensor, n: int, noise: torch.Generator, *, s2: float) -> tuple[Tensor, Tensor]:
    """x [N, n] and the z [N, k] they came from."""
    z = torch.randn(n, w.shape[1], generator=noise, dtype=torch.float64)
    return z @ w.T + b + math.sqrt(s2) * torch.randn(n, len(b), generator=noise, dtype=torch.float64), z


def importance_rows() -> Iterator[Row]:
    """L_K with a diagonal q of 1.5 times the best standard deviations, paired with ln p(x)."""
    s2 = 0.5
    w, b, noise = random_decoder(12, 4, seed=0, scale=0.5)
    x, _ = simulated(w, b, EXAMPLES, noise, s2=s2)
    best = with_best_diagonal_encoder(w, b, s2=s2)
    model = linear_vae(best._replace(posterior_variance=2.25 * best.posterior_variance), s2=s2)
    exact, smaller = log_px(w, b, x, s2=s2), (1, 10, 100, 1000)
    weighted, curve = importance_curve(model, x[:, None, None], samples=K, at=smaller, noise=noise)
    gaps = {k: mean_and_stderr((exact - row)[None], population=False) for k, row in zip(smaller, curve, strict=True)}
    precision = precision_of(w, s2=s2)
    kl = 0.5 * (1.25 * 4 - 4 * math.log(2.25) + precision.diagonal().log().sum() - torch.logdet(precision)).item()
    yield close("linear-Gaussian, q too wide: ln p(x) - L_1 = KL", kl, *gaps[1], within=0.05, slack=2)
    for k in smaller[1:]:
        yield above(f"linear-Gaussian, q too wide: ln p(x) - L_{k}", 0.0, *gaps[k], by=gaps[k // 10][0])
    gap, stderr = mean_and_stderr((exact - weighted.log_p)[None], population=False)
    yield close(f"linear-Gaussian, q too wide: ln p(x) - L_{K}", 0.0, gap, stderr, within=min(0.01, 3 * stderr))
    overlap = torch.logdet(precision) - 0.5 * torch.logdet(2 * precision - (precision.diagonal() / 2.25).diag())
    ratio = (overlap - 0.5 * (precision.diagonal() / 2.25).log().sum()).exp().item()
    ess, stderr = mean_and_stderr(weighted.ess[None], population=False)
    yield close(
        f"linear-Gaussian, q too wide: effective sample size of {K}", K / ratio, ess, stderr, within=25, digits=0
    )


def annealing_rows() -> Iterator[Row]:
    """AIS forth and back on data simulated from the model, against ln p(x)."""
    s2, n = 0.1, 64
    w, b, noise = random_decoder(20, 10, seed=1, scale=10**-0.5)
    x, z = simulated(w, b, n, noise, s2=s2)
    model = linear_vae(with_best_diagonal_encoder(w, b, s2=s2), s2=s2)
    plan = Annealing(default_schedule([1.0], steps=1000), chains=64, leapfrog_steps=2)
    path = prior_path(StandardNormal(torch.zeros(10).double()), decoder_distortion(model, x[:, None, None]), n=n)
    sandwich = bidirectional(path, z, plan, generator=noise)
    exact = log_px(w, b, x, s2=s2)
    for name, gap in (("ln p(x) - AIS", exact - sandwich.lower), ("reverse AIS - ln p(x)", sandwich.upper - exact)):
        yield above(
            f"AIS, 64 chains, 1000 temperatures: {name}", 0.0, *mean_and_stderr(gap[None], population=False), by=0.1
        )
    yield above("AIS: gap of the sandwich", 0.0, sandwich.gap, sandwich.gap_stderr, by=0.1)


def curve_rows() -> Iterator[Row]:
    """The AIS curve of linear decoders with fewer and with more latent units than pixels, at 50 values of b."""
    for pixels, units in ((20, 10), (6, 12)):
        w, b0, noise = random_decoder(pixels, units, seed=2, scale=1.5 / math.sqrt(units))
        x, _ = simulated(w, b0, 16, noise, s2=0.09)

        def distortion(z: Tensor, *, x: Tensor = x, w: Tensor = w, b0: Tensor = b0) -> Tensor:
            return 0.5 * (x - z @ w.T - b0).square().sum(-1)

        plan = Annealing(default_schedule(SLOPES.tolist(), steps=600, draws=5), chains=512, leapfrog_steps=2)
        path = prior_path(StandardNormal(torch.zeros(units).double()), distortion, n=len(x))
        points = mean_curve(rate_distortion_curve(path, SLOPES.tolist(), plan, generator=noise), population=True)
        moments = {"covariance": np.cov(x.numpy().T, ddof=0), "mean": x.numpy().mean(0)}
        exact = linear_theory.squared_error_curve(w.numpy(), b0.numpy(), b=SLOPES, **moments)
        ours = {
            "R": (exact.rate, [(p.rate_estimate, p.rate_stderr) for p in points]),
            "D": (exact.distortion, [(p.distortion_estimate, p.distortion_stderr) for p in points]),
            "R + b D": (exact.minus_log_z, [(p.line_upper, p.line_stderr) for p in points]),
        }
        for name, (truth, values) in ours.items():
            allowed = np.maximum(0.005 * np.abs(truth), 0.005)
            worst = int(np.argmax(np.abs(np.array(values)[:, 0] - truth) / allowed))
            where = f"AIS curve, {pixels} pixels, {units} units: {name} at the worst of 50 b ({SLOPES[worst]:.2g})"
            yield close(where, truth[worst], *values[worst], within=allowed[worst])


def gap_rows(run_dir: Path) -> Iterator[Row]:
    """An MLP encoder fitted to 200 points of a Gaussian in 20 dimensions, on these and on fresh ones.

    The decoder is linear: ln p(x), the ELBO and the best diagonal normal are known, and with them both gaps.
    """
    flags = f"--data=gaussian --gaussian_eigenvalues={TWENTY} --n_train=200 --n_test=1000 --max_steps=4000"
    flags += (
        " --encoder=mlp --hidden=[256] --decoder=linear --latent_dim=4 --likelihood=gaussian --likelihood_scale=0.5"
    )
    flags += " --max_epochs=4000 --batch_size=100"
    fit(run_dir, *flags.split(), "--name=gap")
    run = open_run(run_dir / "gap")
    trunk = run.model.decoder.trunk  # type: ignore[union-attr]
    with torch.no_grad():
        corners = trunk(torch.cat([torch.zeros(1, 4), torch.eye(4)])).flatten(1).double()
    offset, w = corners[0], (corners[1:] - corners[0]).T
    precision, model = precision_of(w, s2=0.25), run.model.double()
    approximation = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)).item()
    for split in ("train", "test"):
        x = run.data.evaluation_chunk(split, 0)[:200].double()
        exact = log_px(w, offset, x.flatten(1), s2=0.25)
        rate, distortion = analytic_terms(model, x.flatten(1))
        amortisation = (exact + rate + distortion).mean().item() - approximation
        noise = generator("cpu", 0, "gaps", split)
        estimated = importance(model, x, samples=K, noise=noise).log_p
        gaps = inference_gaps(model, x, log_px=estimated, noise=noise)
        for name, truth, values in (
            ("approximation", approximation, gaps.approximation),
            ("amortisation", amortisation, gaps.amortisation),
        ):
            mean, stderr = mean_and_stderr(values[None], population=False)
            yield close(f"encoder's gap on {split}: {name}", truth, mean, stderr, within=0.01, slack=2)
