"""Distributions against torch's own, their closed forms, and normalisation by summing or integrating to 1."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.distributions import Independent, Normal, kl_divergence

from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.likelihoods.bernoulli import BernoulliImage, BernoulliLikelihood
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood, PixelGaussianLikelihood, SharedGaussianLikelihood
from vae_rd.model.likelihoods.optimal_gaussian import OptimalGaussianLikelihood
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.normal import StandardNormal, StandardNormalPrior

from helpers.reference import bernoulli_log_mass, normal_log_density

pytestmark = pytest.mark.usefixtures("float64")

GAUSSIANS = (
    GaussianLikelihood(0.3),
    SharedGaussianLikelihood(),
    PixelGaussianLikelihood(),
    OptimalGaussianLikelihood().eval(),
)


def test_diagonal_normal_equals_torch():
    mu, log_var, z = torch.randn(4, 3), torch.randn(4, 3), torch.randn(2, 4, 3)
    ours, torchs = DiagonalNormal(mu, log_var), Independent(Normal(mu, (0.5 * log_var).exp()), 1)
    torch.testing.assert_close(ours.log_prob(z), torchs.log_prob(z))
    torch.testing.assert_close(ours.variance, torchs.variance)
    assert ours.log_prob(z)[1, 2].item() == pytest.approx(
        normal_log_density(z[1, 2].numpy(), mu[2].numpy(), np.exp(0.5 * log_var[2].numpy())), rel=1e-12
    )


def test_kl_equals_torch_and_the_written_formula():
    mu, log_var = torch.randn(5, 3), torch.randn(5, 3)
    prior = StandardNormalPrior(3)()
    per_dim = rate_per_dim(DiagonalNormal(mu, log_var), prior)
    torchs = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(torch.zeros(3), torch.ones(3)))
    torch.testing.assert_close(per_dim, torchs)
    assert per_dim[1, 2].item() == pytest.approx(
        0.5 * (mu[1, 2] ** 2 + math.exp(log_var[1, 2]) - 1 - log_var[1, 2]).item(), rel=1e-12
    )


def test_kl_has_no_closed_form_against_another_family():
    assert rate_per_dim(DiagonalNormal(torch.zeros(1, 2), torch.zeros(1, 2)), Normal(0.0, 1.0)) is None


def test_monte_carlo_agrees_with_the_analytic_kl():
    q, m, n = (
        DiagonalNormal(torch.tensor([[1.5, -0.2]]), torch.tensor([[-2.0, 0.7]])),
        StandardNormal(torch.zeros(2)),
        200_000,
    )
    z = q.from_noise(torch.randn(n, 1, 2)).z
    ratios = (q.log_prob(z) - m.log_prob(z))[:, 0]
    stderr = ratios.std().item() / math.sqrt(n)
    assert stderr < 0.005
    assert abs(ratios.mean().item() - rate_per_dim(q, m).sum().item()) < 4 * stderr


def test_from_noise_has_the_stated_moments():
    q, n = DiagonalNormal(torch.tensor([[2.0]]), torch.tensor([[math.log(9.0)]])), 100_000
    z = q.from_noise(torch.randn(n, 1, 1)).z
    assert abs(z.mean().item() - 2.0) < 4 * 3.0 / math.sqrt(n)
    assert abs(z.std().item() - 3.0) < 4 * 3.0 / math.sqrt(2 * n)


def test_bernoulli_image_sums_to_one_over_all_images():
    p = BernoulliLikelihood()(torch.randn(3, 1, 2, 2))
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).reshape(16, 1, 1, 2, 2)
    torch.testing.assert_close(p.log_prob(images).exp().sum(0), torch.ones(3))


def test_bernoulli_image_equals_its_mass():
    logits, x = torch.randn(1, 3, 2), torch.tensor([[[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]])
    assert BernoulliImage(logits).log_prob(x).item() == pytest.approx(bernoulli_log_mass(x.numpy(), logits.numpy()))


def test_bernoulli_image_is_finite_at_extreme_logits():
    p = BernoulliImage(torch.tensor([[[1000.0, -1000.0]]]))
    assert p.log_prob(torch.tensor([[[1.0, 0.0]]])).item() == 0.0
    assert p.log_prob(torch.tensor([[[0.0, 0.0]]])).item() == -1000.0


@pytest.mark.parametrize("likelihood", GAUSSIANS, ids=lambda m: type(m).__name__)
def test_gaussian_likelihoods_integrate_to_one(likelihood):
    likelihood.double()
    p = likelihood(torch.full((1, likelihood.params_per_value, 1, 1), -0.4))

    def density(value: float) -> float:
        return p.log_prob(torch.full((1, 1, 1), value)).exp().item()

    total, error = integrate.quad(density, -20, 20, points=[-0.4], limit=200)
    assert abs(total - 1.0) < max(1e-8, error)


def test_fixed_gaussian_is_scaled_squared_error_plus_a_constant():
    scale, x, mean = 0.3, torch.randn(2, 3, 3), torch.randn(1, 2, 3, 3)
    distortion = -GaussianLikelihood(scale)(mean).log_prob(x)
    sse = (x - mean).square().sum()
    constant = 0.5 * 18 * math.log(2 * math.pi * scale**2)
    assert distortion.item() == pytest.approx(sse.item() / (2 * scale**2) + constant, rel=1e-12)


def test_optimal_scale_is_the_maximum_of_the_batch_likelihood():
    likelihood = OptimalGaussianLikelihood().double()
    x, mean = torch.randn(6, 1, 2, 2), torch.randn(6, 1, 2, 2)
    best = likelihood(mean).log_prob(x).mean()
    mse = (x - mean).square().mean()
    for scale in (0.9, 1.0, 1.1):
        other = GaussianLikelihood(scale * mse.sqrt().item())(mean).log_prob(x).mean()
        assert other <= best + 1e-12
    assert best.item() == pytest.approx(-0.5 * 4 * (1 + math.log(2 * math.pi * mse.item())), rel=1e-12)


def test_optimal_scale_in_evaluation_is_that_of_training_and_ignores_x():
    likelihood = OptimalGaussianLikelihood().double()
    x, mean = torch.randn(64, 1, 2, 2), torch.zeros(64, 1, 2, 2)
    for _ in range(3):
        likelihood.after_step(likelihood(mean), x)
    likelihood.eval()
    assert likelihood.scale.item() == pytest.approx(x.square().mean().sqrt().item(), rel=1e-9)
    seen = likelihood.scale.item()
    likelihood(mean).log_prob(100 * x)
    assert likelihood.scale.item() == seen


def test_optimal_scale_gradient_is_that_of_the_profile_likelihood():
    mean = torch.randn(5, 1, 2, 2, requires_grad=True)
    x = torch.randn(5, 1, 2, 2)
    ours = torch.autograd.grad(-OptimalGaussianLikelihood().double()(mean).log_prob(x).sum(), mean)[0]
    profile = 0.5 * x.numel() * (x - mean).square().mean().log()
    torch.testing.assert_close(ours, torch.autograd.grad(profile, mean)[0])
