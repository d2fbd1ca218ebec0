"""The two-sided information estimate against loops, quadrature, and a Gaussian channel of known information."""

import math

import pytest
import torch

from vae_rd.functional import information
from vae_rd.functional.information import normal_table, own_and_others, pairwise_log_density
from vae_rd.functional.statistics import mean_and_stderr

from helpers.families import normal_information
from helpers.reference import EIGENVALUES, S2, infonce, information_of_normals, water_filling

pytestmark = pytest.mark.usefixtures("float64")

VARIANCES = torch.tensor(EIGENVALUES, dtype=torch.float64)


def channel(n: int, beta: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """z, mu, sigma of the optimal linear beta-VAE on n fresh points: I(X; Z) = R by water-filling."""
    level = beta * S2
    active = VARIANCES[level < VARIANCES]
    mu = torch.randn(n, len(active)) * (active - level).sqrt() / active.sqrt()
    sigma = (level / active).sqrt().expand_as(mu)
    return (mu + sigma * torch.randn_like(mu))[None], mu, sigma


def test_equals_plain_loops():
    mu, sigma = torch.randn(40, 2), torch.rand(40, 2) + 0.1
    z = mu + sigma * torch.randn(40, 2)
    values = normal_information(z[None], mu, sigma)
    lower, others = infonce(z.numpy(), mu.numpy(), sigma.numpy())
    assert values.lower.mean().item() == pytest.approx(lower, abs=1e-10)
    assert values.leave_one_out.mean().item() == pytest.approx(others, abs=1e-10)


@pytest.mark.parametrize(("rows", "columns"), [(7, 11), (50, 1), (1, 50)])
def test_blocks_do_not_change_the_values(rows, columns, monkeypatch):
    mu, sigma = torch.randn(50, 3), torch.rand(50, 3) + 0.1
    z = (mu + sigma * torch.randn(50, 3))[None]
    whole = normal_information(z, mu, sigma)
    monkeypatch.setattr(information, "ROWS", rows)
    monkeypatch.setattr(information, "COLUMNS", columns)
    parts = normal_information(z, mu, sigma)
    torch.testing.assert_close(whole.lower, parts.lower, rtol=0, atol=1e-12)
    torch.testing.assert_close(whole.leave_one_out, parts.leave_one_out, rtol=0, atol=1e-12)


def test_some_of_the_examples_have_the_values_that_they_have_among_all():
    mu, sigma = torch.randn(60, 3), torch.rand(60, 3) + 0.1
    z, index = (mu + sigma * torch.randn(2, 60, 3)), torch.tensor([0, 7, 8, 59])
    whole, some = normal_information(z, mu, sigma), normal_information(z[:, index], mu, sigma, index=index)
    for of_all, of_some in zip(whole, some, strict=True):
        torch.testing.assert_close(of_some, of_all[:, index], rtol=0, atol=1e-12)


def test_densities_that_vanish_are_left_out_of_sums_and_nothing_else_is():
    """Beside the largest term those below e^-700 are nothing in float64; a row of nothing but them is not."""
    mu, sigma = torch.tensor([[0.0], [1.0], [60.0], [2000.0]]), torch.ones(4, 1)
    values = normal_information(mu[None], mu, sigma)
    table = torch.distributions.Normal(mu[:, 0], 1.0).log_prob(mu)
    own = table.diagonal()
    others = table.masked_fill(torch.eye(4, dtype=torch.bool), -math.inf).logsumexp(1)
    torch.testing.assert_close(values.lower[0], own - table.logsumexp(1) + math.log(4), rtol=0, atol=1e-12)
    torch.testing.assert_close(values.leave_one_out[0], own - others + math.log(3), rtol=1e-12, atol=0)


def test_what_no_other_example_reaches_has_no_finite_upper_bound():
    [own], [others] = own_and_others(torch.tensor([[2.0, -math.inf, -math.inf]]), torch.tensor([0]))
    assert (own.item(), others.item()) == (2.0, -math.inf)


def test_expanded_square_keeps_its_digits_at_small_sigma():
    mu, sigma = torch.rand(30, 4) * 3, torch.full((30, 4), 1e-3)
    z = mu + sigma * torch.randn(30, 4)
    direct = torch.distributions.Normal(mu, sigma).log_prob(z[:, None]).sum(-1)
    own = pairwise_log_density(z, normal_table(mu, sigma)).diagonal()
    torch.testing.assert_close(own, direct.diagonal(), rtol=0, atol=1e-7)


def test_population_estimate_equals_quadrature():
    mu, sigma = torch.randn(12), 0.05 + 0.3 * torch.rand(12)
    z = mu + sigma * torch.randn(4000, 12)
    values = normal_information(z[..., None], mu[:, None], sigma[:, None])
    mean, stderr = mean_and_stderr(values.lower, population=True)
    assert stderr < 0.005
    assert abs(mean - information_of_normals(mu.numpy(), sigma.numpy())) < 4 * stderr


# Expectations by long Monte Carlo (truth.md section 4), each with its own standard error.
@pytest.mark.parametrize(
    ("beta", "size", "lower", "leave_one_out"),
    [(1.0, 128, 4.752, 16.28), (1.0, 1024, 6.405, 10.55), (3.0, 128, 3.933, 6.04), (3.0, 1024, 4.522, 5.01)],
)
def test_expectations_on_the_gaussian_channel(beta, size, lower, leave_one_out):
    repeats = 40_000 // size
    pairs = torch.tensor([[v.mean().item() for v in normal_information(*channel(size, beta))] for _ in range(repeats)])
    stderr = pairs.std(0) / math.sqrt(repeats)
    published = torch.tensor([0.006, 0.024])
    assert bool((stderr < torch.tensor([0.05, 0.25])).all())
    off = (pairs.mean(0) - torch.tensor([lower, leave_one_out])).abs()
    assert bool((off < 4 * (stderr.square() + published.square()).sqrt()).all()), (pairs.mean(0), stderr)


@pytest.mark.parametrize(("beta", "lower", "leave_one_out"), [(1.0, 6.405, 10.55), (3.0, 4.522, 5.01)])
def test_draws_of_some_examples_have_the_expectations_and_errors_of_all(beta, lower, leave_one_out):
    """InfoNCE(1024) and leave-one-out(1024) from 128 of the 1,024, as above, and errors by the formula of samples."""
    index, repeats = torch.arange(128), 300
    pairs, errors = [], []
    for _ in range(repeats):
        z, mu, sigma = channel(1024, beta)
        values = normal_information(z[:, index], mu, sigma, index=index)
        pairs.append([v.mean().item() for v in values])
        errors.append([mean_and_stderr(v, population=False)[1] for v in values])
    found, claimed = torch.tensor(pairs), torch.tensor(errors).square().mean(0).sqrt()
    stderr = found.std(0) / math.sqrt(repeats)
    assert bool((stderr < torch.tensor([0.01, 0.04])).all())
    off = (found.mean(0) - torch.tensor([lower, leave_one_out])).abs()
    published = torch.tensor([0.006, 0.024])
    assert bool((off < 4 * (stderr.square() + published.square()).sqrt()).all()), (found.mean(0), stderr)
    # The spread of 300 draws is known to 4 %, so 4 s.e. are 16 %.
    torch.testing.assert_close(claimed, found.std(0), rtol=0.16, atol=0)


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_brackets_the_channel_and_respects_the_cap(beta):
    exact = water_filling(EIGENVALUES, s2=S2, beta=beta)["rate"]
    values = normal_information(*channel(3000, beta))
    low, low_error = mean_and_stderr(values.lower, population=False)
    high, high_error = mean_and_stderr(values.leave_one_out, population=False)
    assert low <= math.log(3000)
    assert low - 4 * low_error < exact < high + 4 * high_error


def test_standard_error_is_the_spread_over_repetitions():
    repeats = 300
    estimates, errors = [], []
    for _ in range(repeats):
        values = normal_information(*channel(200, 3.0))
        mean, stderr = mean_and_stderr(values.lower, population=False)
        estimates.append(mean)
        errors.append(stderr)
    spread = torch.tensor(estimates).std().item()
    # The spread of 300 draws is known to 4 %, so 4 s.e. are 16 %.
    assert torch.tensor(errors).mean().item() == pytest.approx(spread, rel=0.16)


def test_identical_posteriors_carry_nothing():
    values = normal_information(torch.randn(1, 64, 2), torch.zeros(64, 2), torch.ones(64, 2))
    torch.testing.assert_close(values.lower, torch.zeros(1, 64), atol=1e-12, rtol=0)


def test_population_stderr_comes_from_draws_and_sample_stderr_from_examples():
    x_effect, n = 100 * torch.randn(500), 500
    draws = x_effect + torch.randn(6, n)
    population, sample = mean_and_stderr(draws, population=True)[1], mean_and_stderr(draws, population=False)[1]
    assert population == pytest.approx(1 / math.sqrt(6 * n), rel=0.1)
    assert sample == pytest.approx(100 / math.sqrt(n), rel=0.15)
    assert math.isnan(mean_and_stderr(draws[:1], population=True)[1])
