"""The split of the rate against Gaussian closed forms, a quadrature in two dimensions, and plain loops."""

import math
from itertools import pairwise

import pytest
import torch

from vae_rd.errors import InputError
from vae_rd.estimators import rate_split as module
from vae_rd.estimators.rate_split import RateSplit, rate_split
from vae_rd.functional.statistics import mean_and_stderr

from helpers.families import normal_information
from helpers.reference import EIGENVALUES, S2, aggregate_log_densities, rate_split_of_points, water_filling

pytestmark = pytest.mark.usefixtures("float64")

Draws = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def normal_log_density(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi))


def split(z: torch.Tensor, mu: torch.Tensor, sigma: torch.Tensor) -> RateSplit:
    return rate_split(z, mu, sigma, log_mz=normal_log_density(z))


def posteriors(n: int, dims: int, *, draws: int = 1) -> Draws:
    mu, sigma = 1.5 * torch.randn(n, dims), 0.2 + torch.rand(n, dims)
    return mu + sigma * torch.randn(draws, n, dims), mu, sigma


def gaussian_channel(n: int, matrix: torch.Tensor, sigma: torch.Tensor) -> Draws:
    """z ~ N(matrix x, diag(sigma^2)) of n fresh x ~ N(0, I)."""
    mu = torch.randn(n, matrix.shape[1]) @ matrix.T
    return (mu + sigma * torch.randn_like(mu))[None], mu, sigma.expand_as(mu)


def optimal_channel(n: int, *, beta: float) -> Draws:
    """The optimal linear beta-VAE of truth.md section 2, whose q(z) is N(0, I) and whose I is its R."""
    share = beta * S2 / torch.tensor([x for x in EIGENVALUES if x > beta * S2])
    return gaussian_channel(n, (1 - share).sqrt().diag(), share.sqrt())


def test_bounds_enclose_the_closed_forms_of_a_gaussian_channel():
    matrix, sigma = torch.tensor([[1.0, 0.4, 0.0], [0.7, 0.9, 0.3]]), torch.tensor([0.6, 0.8])
    covariance = matrix @ matrix.T + sigma.square().diag()
    diagonal = covariance.diagonal()
    unit_kl = 0.5 * (diagonal - 1 - diagonal.log())
    exact = {
        "information": 0.5 * (torch.logdet(covariance) - sigma.square().log().sum()),
        "total_correlation": 0.5 * (diagonal.log().sum() - torch.logdet(covariance)),
        "marginal_kl": 0.5 * (diagonal.sum() - 2 - torch.logdet(covariance)),
    }
    parts = split(*gaussian_channel(3000, matrix, sigma))
    lower, upper = (
        {**side._asdict(), "first": side.marginal_kl_per_dim[..., 0]} for side in (parts.lower, parts.upper)
    )
    for name, value in {**exact, "first": unit_kl[0]}.items():
        (low, low_error), (high, high_error) = (
            mean_and_stderr(side[name], population=False) for side in (lower, upper)
        )
        assert max(low_error, high_error) < 0.03, name
        assert low - 4 * low_error < value.item() < high + 4 * high_error, name
        assert 0 < high - low < 0.03, name
    assert exact["total_correlation"] > 0.2


def test_the_splits_own_terms_equal_quadrature_on_a_population():
    z, mu, sigma = posteriors(64, 2, draws=300)
    own = split(z, mu, sigma).own
    information, correlation, unit_kl = rate_split_of_points(mu.numpy(), sigma.numpy())
    expected = {"information": information, "total_correlation": correlation}
    values = {"information": own.information, "total_correlation": own.total_correlation}
    for d in range(2):
        expected[f"unit {d}"], values[f"unit {d}"] = unit_kl[d], own.marginal_kl_per_dim[..., d]
    for name, truth in expected.items():
        mean, stderr = mean_and_stderr(values[name], population=True)
        assert stderr < 0.01, name
        assert abs(mean - truth) < 4 * stderr, (name, mean, truth, stderr)


def test_every_side_equals_plain_loops():
    z, mu, sigma = posteriors(12, 3)
    parts = split(z, mu, sigma)
    (joint, units), (joint_left, units_left) = (
        aggregate_log_densities(z[0].numpy(), mu.numpy(), sigma.numpy(), leave_out=leave_out)
        for leave_out in (False, True)
    )
    log_mz = normal_log_density(z[0]).numpy()
    log_qz = torch.distributions.Normal(mu, sigma).log_prob(z[0]).sum(-1).numpy()
    expected = (
        (log_qz - joint, joint - log_mz.sum(1), joint - units.sum(1), units - log_mz),
        (log_qz - joint, joint_left - log_mz.sum(1), joint_left - units.sum(1), units_left - log_mz),
        (log_qz - joint_left, joint - log_mz.sum(1), joint - units_left.sum(1), units - log_mz),
    )
    for side, truths in zip(parts, expected, strict=True):
        for value, truth in zip(side, truths, strict=True):
            torch.testing.assert_close(value[0], torch.from_numpy(truth), rtol=0, atol=1e-9)


def test_own_parts_add_up_draw_by_draw():
    z, mu, sigma = posteriors(50, 3, draws=2)
    own = split(z, mu, sigma).own
    log_ratio = (torch.distributions.Normal(mu, sigma).log_prob(z) - normal_log_density(z)).sum(-1)
    torch.testing.assert_close(own.information + own.marginal_kl, log_ratio, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        own.total_correlation + own.marginal_kl_per_dim.sum(-1), own.marginal_kl, rtol=0, atol=1e-10
    )


def test_information_is_the_two_sided_estimate():
    draws = posteriors(80, 3, draws=2)
    parts, sides = split(*draws), normal_information(*draws)
    torch.testing.assert_close(parts.lower.information, sides.lower, rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.upper.information, sides.leave_one_out, rtol=0, atol=1e-10)


def test_one_unit_has_no_total_correlation():
    own = split(*posteriors(40, 1)).own
    torch.testing.assert_close(own.total_correlation, torch.zeros(1, 40), rtol=0, atol=1e-12)


def test_chunks_do_not_change_the_values(monkeypatch):
    draws = posteriors(50, 3)
    whole = split(*draws)
    monkeypatch.setattr(module, "CHUNK_BYTES", 8 * 50 * 7)
    for one, other in zip(whole.upper, split(*draws).upper, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_bad_shapes_are_named():
    z, mu, sigma = posteriors(5, 2)
    with pytest.raises(InputError, match="one value a unit"):
        rate_split(z, mu, sigma, log_mz=normal_log_density(z).sum(-1))
    with pytest.raises(InputError, match="two examples"):
        split(z[:, :1], mu[:1], sigma[:1])


# Expectations at 128 and 1,024 reference examples by long Monte Carlo, and one draw's values at 10,000 (truth.md,
# section 4), whose standard error is twice that of the four draws here.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "lower", "leave_one_out"),
    [(1.0, (4.752, 6.405, 7.47), (16.28, 10.55, 8.59)), (3.0, (3.933, 4.522, 4.69), (6.04, 5.01, 4.77))],
)
def test_information_tightens_with_the_reference_set(beta, lower, leave_one_out):
    exact = water_filling(EIGENVALUES, s2=S2, beta=beta)["rate"]
    low, high = [], []
    for size, examples in ((128, 128_000), (1024, 122_880), (10_000, 40_000)):
        batches = [normal_information(*optimal_channel(size, beta=beta)) for _ in range(examples // size)]
        low.append(mean_and_stderr(torch.cat([b.lower for b in batches], 1), population=False))
        high.append(mean_and_stderr(torch.cat([b.leave_one_out for b in batches], 1), population=False))
        assert low[-1][0] <= math.log(size)
    for measured, published, noise, cap in ((low, lower, 0.006, 0.05), (high, leave_one_out, 0.024, 0.4)):
        errors = (noise, noise, 2 * measured[-1][1])
        for (mean, stderr), truth, error in zip(measured, published, errors, strict=True):
            assert stderr < cap / 4
            assert abs(mean - truth) < min(cap, 4 * math.hypot(stderr, error)), (mean, truth, stderr)
    assert all(a < b for a, b in pairwise([mean for mean, _ in low] + [exact]))
    assert all(a > b for a, b in pairwise([mean for mean, _ in high] + [exact]))
