"""The variance of each estimator of a gradient where the gradient is known: two tables.

    OMP_NUM_THREADS=1 python benchmarks/gradients.py [--write]

The model is linear and Gaussian, 10 values of x and 4 units, so that the gradient of the ELBO by q's means and log
variances is a formula; q is a diagonal normal. Every number is of 20,000 independent estimates for one x (of IWAE,
2,000). `--write` puts the tables into docs/gradients.md.

1. The ELBO: the variance of the estimate, summed over the parameters of q, and its ratio to that of the
   reparameterised one at as many draws; with the largest deviation of the mean from the formula in standard errors.
2. IWAE: signal to noise |mean| / standard deviation, the median over the means of q, as K grows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from known_answers.tables import ROOT, put_table
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vae_rd.functional.seeding import generator
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.gradients.base import Gradient, Reparameterised
from vae_rd.objectives.gradients.landed import DoublyReparameterised, Sticking
from vae_rd.objectives.gradients.score_function import ScoreFunction
from vae_rd.objectives.iwae import IWAEObjective
from vae_rd.units import LN_2PI

PIXELS, UNITS, S2 = 10, 4, 0.5
WIDER = 2.0  # Under a q narrower than the posterior, weights have no variance, and no ratio has its asymptote.
REPLICATES = 20_000
GRADIENTS = {
    "reparameterised": Reparameterised,
    "sticking": Sticking,
    "score_function": ScoreFunction,
}
DRAWS = (1, 2, 10)
BOUNDS = {
    "reparameterised": Reparameterised,
    "dreg": DoublyReparameterised,
    "score_function": ScoreFunction,
}
KS = (1, 2, 8, 32, 128, 512)


class Case(NamedTuple):
    """One x with its decoder and q: W [P, D], x [P], and mean and log variance of q, [D] each."""

    w: Tensor
    x: Tensor
    mu: Tensor
    log_var: Tensor

    @property
    def exact(self) -> Tensor:
        """The gradient of -ELBO by mean and log variance, [2 D]."""
        mu, log_var = (values.clone().requires_grad_() for values in (self.mu, self.log_var))
        error = (self.x - self.w @ mu).square().sum() + (log_var.exp() * self.w.square().sum(0)).sum()
        distortion = 0.5 * error / S2 + 0.5 * PIXELS * (LN_2PI + math.log(S2))
        rate = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum()
        return torch.cat(torch.autograd.grad(distortion + rate, (mu, log_var)))


class OwnParameters(LazyDistribution):
    """A q of its own parameters for every replicate, [N, 2 D], which gives as many independent gradients."""

    def __init__(self, case: Case, n: int) -> None:
        super().__init__()
        self.own = torch.cat([case.mu, case.log_var]).repeat(n, 1).requires_grad_()

    def forward(self, context: Tensor) -> DiagonalNormal:
        """For as many x as there are replicates."""
        return DiagonalNormal(*self.own.chunk(2, -1))


class Plain(LazyDistribution):
    """p(x|z) = N(W z, s2 I) without closed forms, as a network's is."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w, requires_grad=False)

    def forward(self, context: Tensor) -> Distribution:
        """Of z [..., D]."""
        mean = (context @ self.w.T)[..., None, None, :]
        return Independent(Normal(mean, math.sqrt(S2), validate_args=False), 3)


def cases() -> dict[str, Case]:
    """Where training begins, and where it ends."""
    torch.manual_seed(0)
    w = torch.randn(PIXELS, UNITS)
    x = w @ torch.randn(UNITS) + math.sqrt(S2) * torch.randn(PIXELS)
    precision = torch.eye(UNITS) + w.T @ w / S2
    best = torch.linalg.solve(precision, w.T @ x) / S2
    spread, wide = -precision.diagonal().log(), (WIDER * torch.linalg.inv(precision).diagonal()).log()
    return {
        "at the start, q = m": Case(w, x, torch.zeros(UNITS), torch.zeros(UNITS)),
        "near the optimum, 0.5 standard deviations off": Case(w, x, best + 0.5 * (0.5 * spread).exp(), spread),
        "under a q of twice the posterior's variances, 0.5 standard deviations off": Case(
            w, x, best + 0.5 * (0.5 * wide).exp(), wide
        ),
    }


def estimates(case: Case, gradient: Gradient, objective: Objective, *, samples: int, n: int) -> Tensor:
    """n independent estimates of the gradient by q's parameters, [n, 2 D]."""
    encoder, noise = OwnParameters(case, n), generator("cpu", 0, "gradients")
    model = VAE(encoder, Plain(case.w), StandardNormalPrior(UNITS), latent_dim=UNITS)
    x = case.x.expand(n, 1, 1, PIXELS)
    terms = gradient.terms(model, x, model.noise(samples, x, noise))
    loss = objective(terms, 0, noise=noise)
    surrogate = gradient.surrogate(objective, terms, loss, 0, noise=noise)
    return torch.autograd.grad(surrogate.sum(), encoder.own)[0]


def elbo_rows(case: Case) -> Iterator[str]:
    """The rows of a case, one an estimator and number of draws."""
    plain = {k: estimates(case, Reparameterised(), BetaObjective(1.0), samples=k, n=REPLICATES) for k in DRAWS}
    for word, kind in GRADIENTS.items():
        for samples in DRAWS:
            if samples < kind.least_samples:
                continue
            found = estimates(case, kind(), BetaObjective(1.0), samples=samples, n=REPLICATES)
            variance, ratio = found.var(0).sum(), found.var(0).sum() / plain[samples].var(0).sum()
            off = ((found.mean(0) - case.exact).abs() / (found.std(0) / math.sqrt(REPLICATES))).max()
            yield f"| {word} | {samples} | {variance:.4g} | {ratio:.3g} | {off:.1f} |"


def bound_rows(case: Case) -> Iterator[str]:
    """The rows of IWAE, one an estimator."""
    for word, kind in BOUNDS.items():
        cells = []
        for k in KS:
            if k < kind.least_samples:
                cells.append("")
                continue
            found = estimates(case, kind(), IWAEObjective(), samples=k, n=REPLICATES // 10)[:, :UNITS]
            cells.append(f"{(found.mean(0).abs() / found.std(0)).median():.3g}")
        yield f"| {word} | {' | '.join(cells)} |"


def tables() -> str:
    """Both, as Markdown."""
    lines, known = [], list(cases().items())
    for name, case in known[:2]:
        lines += [f"The ELBO {name}:", ""]
        lines += ["| estimator | draws | variance | to reparameterised | largest error of the mean, s.e. |"]
        lines += ["|:---|---:|---:|---:|---:|", *elbo_rows(case), ""]
    name, case = known[-1]
    lines += [f"IWAE {name}, signal to noise:", ""]
    lines += [f"| estimator | {' | '.join(f'K = {k}' for k in KS)} |", f"|:---|{len(KS) * '---:|'}", *bound_rows(case)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The variance of estimators of a gradient that is known.")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/gradients.md")
    options = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    print(text := tables())
    if options.write:
        put_table(text, command="python benchmarks/gradients.py --write", file=ROOT / "docs" / "gradients.md")


if __name__ == "__main__":
    main()
