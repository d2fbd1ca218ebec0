"""Penalties on the codes of a batch, held to sums over all batches, closed forms and covariances made by hand."""

import itertools
import math

import numpy as np
import pytest
import torch

from vae_rd.model.posteriors.base import Moments
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.terms import Terms
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.code_covariance import CodeCovariance
from vae_rd.objectives.discrepancy import squared_discrepancy
from vae_rd.objectives.penalised import PenalisedObjective
from vae_rd.objectives.total_correlation import (
    TotalCorrelation,
    log_aggregate,
    stratified_log_weights,
    total_correlation,
)

pytestmark = pytest.mark.usefixtures("float64")
N, M, D = 6, 3, 2


def posteriors(n: int = N) -> DiagonalNormal:
    return DiagonalNormal(torch.randn(n, D), torch.randn(n, D) - 1)


def test_over_all_batches_that_hold_an_example_the_density_of_its_code_is_that_of_the_whole():
    q, z = posteriors(), torch.randn(N, D)
    whole = q.pairwise_log_prob(z).exp().mean(1)  # q(z_i) = (1/N) sum_n q(z_i|x_n).
    batches = list(itertools.combinations(range(N), M))
    found = {i: [] for i in range(N)}
    for batch in map(list, batches):
        table = q.part(torch.tensor(batch)).pairwise_log_prob(z[batch])
        density = log_aggregate(table[None], stratified_log_weights(M, M, n=N)).exp()[0]
        for i, value in zip(batch, density, strict=True):
            found[i].append(value)
    means = torch.stack([torch.stack(values).mean() for values in found.values()])
    assert torch.allclose(means, whole, rtol=1e-12)


@pytest.mark.parametrize("n", [M, 10, 10_000, math.inf])
def test_weights_add_up_to_one_and_leave_the_own_example_its_share_of_all(n):
    weights = stratified_log_weights(2, M, n=n, own=1).exp()
    assert torch.allclose(weights.sum(1), torch.ones(2))
    assert torch.allclose(weights[[0, 1], [1, 2]], torch.full((2,), 1 / n))


def test_of_the_whole_split_it_is_the_exact_total_correlation_of_one_normal():
    """Codes that are one bivariate normal: TC = -0.5 ln(1 - r^2), from 400 posteriors within 4 s.e."""
    r, n = 0.8, 400
    mean = torch.randn(n, D) @ torch.linalg.cholesky(torch.tensor([[1.0, r], [r, 1.0]])).T
    mean = mean - mean.mean(0)
    mean = mean @ torch.linalg.cholesky(torch.linalg.inv(mean.T @ mean / n))
    mean = 0.9 * mean @ torch.linalg.cholesky(torch.tensor([[1.0, r], [r, 1.0]])).T  # Of exactly this covariance.
    within = 1 - 0.9**2
    z = mean + math.sqrt(within) * torch.randn(4, n, D)
    found = total_correlation(z, Moments(mean, torch.full((n, D), within)), n=n)
    stderr = found.mean(0).std() / math.sqrt(n)
    assert stderr < 0.05
    exact = -0.5 * math.log(1 - (0.9**2 * r) ** 2)
    assert abs(found.mean() - exact) < 4 * stderr


def test_of_a_weight_of_one_beta_tc_is_the_negative_elbo():
    terms = Terms.stated(
        log_px_z=torch.randn(1, M),
        rate_per_dim=torch.rand(M, D),
        mean=torch.randn(M, D),
        variance=torch.rand(M, D),
        z=torch.randn(1, M, D),
    )
    made = PenalisedObjective(BetaObjective(1.0), TotalCorrelation(n_train=N, n_val=N), weight=0.0)
    assert torch.allclose(made(terms, 0, noise=torch.Generator()), (terms.distortion + terms.rate).mean(0))
    assert made.slope() == 1.0
    assert made.of_validation({"loss": 1.0, "distortion": 1.0, "rate": 0.0}) == {}


def test_history_has_the_penalty_without_its_weight():
    made = PenalisedObjective(BetaObjective(2.0), TotalCorrelation(n_train=N, n_val=N), weight=5.0)
    assert made.slope() is None
    means = {"distortion": 10.0, "rate": 3.0, "loss": 10.0 + 2.0 * 3.0 + 5.0 * 0.7}
    assert made.score(means) == means["loss"]
    assert made.of_validation(means)["total_correlation"] == pytest.approx(0.7)


def test_validation_is_its_own_split_and_training_the_training_split():
    terms = Terms.stated(
        log_px_z=torch.zeros(1, M),
        rate_per_dim=torch.zeros(M, D),
        mean=10 * torch.randn(M, D),
        variance=torch.ones(M, D),
        z=torch.randn(1, M, D),
    )
    made = PenalisedObjective(BetaObjective(1.0), TotalCorrelation(n_train=1000, n_val=M))
    q = terms.factors
    for training, n in ((True, 1000), (False, M)):
        made.train(training)
        found = made(terms, 0, noise=torch.Generator())
        assert torch.allclose(found, total_correlation(terms.z, q, n=n)[0])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_discrepancy_is_without_bias(scale):
    """Of N(0, s^2 I) from N(0, I): E exp(-|a - b|^2 / 2h) = (h / (h + v))^{D/2}, v the variance of a unit of a - b."""
    h, sets, size = D, 5000, 8
    z, y = scale * torch.randn(sets, size, D), torch.randn(sets, size, D)
    found = squared_discrepancy(z, y)

    def mean(variance: float) -> float:
        return (h / (h + variance)) ** (D / 2)

    exact = mean(2 * scale**2) - 2 * mean(scale**2 + 1) + mean(2.0)
    stderr = found.std() / math.sqrt(sets)
    assert stderr < 2e-3
    assert abs(found.mean() - exact) < 4 * stderr


def test_the_covariance_of_codes_is_numpy_s():
    mean, variance = torch.randn(50, 3), torch.rand(50, 3)
    terms = Terms.stated(log_px_z=torch.zeros(1, 50), mean=mean, variance=variance)
    for of_draws in (False, True):
        penalty = CodeCovariance(off_diagonal=2.0, diagonal=5.0, of_draws=of_draws)
        c = np.cov(mean.numpy().T) + of_draws * np.diag(variance.mean(0).numpy())
        off = (c**2).sum() - (np.diag(c) ** 2).sum()
        wanted = 2.0 * off + 5.0 * ((np.diag(c) - 1) ** 2).sum()
        assert penalty(terms, noise=torch.Generator(), is_training=True).item() == pytest.approx(wanted)
