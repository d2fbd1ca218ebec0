"""Weighted likelihood estimates against ln N(x; b, W W^T + s2 I), quadrature, and sums over plain weights."""

import math
from itertools import pairwise

import pytest
import torch

from vae_rd.errors import InputError
from vae_rd.estimators.importance import importance, importance_curve, prior_sampling
from vae_rd.estimators.memory import cost
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr, mean_and_stderr_of_estimates
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE

from helpers.linear_gaussian import LinearGaussian
from helpers.members import decoder, moved
from helpers.reference import bernoulli_moment, weighted_bound

pytestmark = pytest.mark.usefixtures("float64")

IMAGES = torch.cartesian_prod(*4 * [torch.tensor([0.0, 1.0])]).double().reshape(16, 1, 2, 2)


def noise() -> torch.Generator:
    return generator("cpu", 0, "test")


def wrong_on_purpose() -> tuple[LinearGaussian, VAE]:
    """The model with a diagonal q of 1.5 times the best standard deviations."""
    exact = LinearGaussian.random(pixels=12, latent_dim=4, s2=0.5)
    return exact, exact.vae(matrix=exact.regression, variance=2.25 / exact.precision.diagonal())


def bernoulli_toy() -> tuple[VAE, torch.Tensor, torch.Tensor]:
    """One latent dimension, four binary pixels of logits slope z + offset, and an encoder that is off."""
    trunk, posterior = linear_encoder((1, 2, 2), ()), DiagonalPosterior(4, 1)
    network = linear_decoder((1, 2, 2), (), latent_dim=1)
    with torch.no_grad():
        network[0].weight.mul_(4)
    model = VAE(
        Encoder(trunk, posterior), Decoder(network, BernoulliLikelihood()), StandardNormalPrior(1), latent_dim=1
    )
    return model.eval(), network[0].weight[:, 0].detach(), network[0].bias.detach()


def test_rises_to_the_exact_likelihood_with_a_wrong_encoder():
    exact, model = wrong_on_purpose()
    x = exact.sample(400)
    at = (1, 10, 100, 1000)
    weighted, curve = importance_curve(model, x, samples=5000, at=at, noise=noise())
    gaps = exact.log_px(x) - torch.cat([curve, weighted.log_p[None]])
    (first, first_error), *_, (last, last_error) = (mean_and_stderr(gap[None], population=False) for gap in gaps)
    assert first - 4 * first_error > 0.5
    assert abs(last) < min(0.01, 3 * last_error)
    assert last_error < 0.003
    for fewer, more in pairwise(gaps[:4]):
        rise, stderr = mean_and_stderr((fewer - more)[None], population=False)
        assert rise > 4 * stderr
    # K / ESS estimates E_q[w^2] / p(x)^2, an integral of normals.
    proposal = (exact.precision.diagonal() / 2.25).diag()
    overlap = torch.logdet(exact.precision) - 0.5 * torch.logdet(2 * exact.precision - proposal)
    expected = (overlap - 0.5 * torch.logdet(proposal)).exp().item()
    share, stderr = mean_and_stderr((5000 / weighted.ess)[None], population=False)
    assert abs(share - expected) < min(0.05, 4 * stderr)


def test_under_another_prior_it_is_the_likelihood_of_that_model():
    """Under m = N(a, diag(v)), x is N(b + W a, W diag(v) W^T + s2 I); the model itself keeps its own prior."""
    exact, model = wrong_on_purpose()
    head = MixturePrior(4, components=1)
    with torch.no_grad():
        head.mean.copy_(torch.tensor([[0.5, -0.3, 0.2, 0.0]]))
        head.log_var.copy_(torch.tensor([[-0.4, 0.1, 0.0, -0.2]]))
    under, x = model.with_prior(head), exact.sample(400)
    covariance = exact.w @ head.log_var[0].detach().exp().diag() @ exact.w.T + exact.s2 * torch.eye(12)
    there = torch.distributions.MultivariateNormal(exact.b + exact.w @ head.mean[0].detach(), covariance)
    for each, log_px in ((under, there.log_prob(x[:, 0, 0])), (model, exact.log_px(x))):
        weighted = importance(each, x, samples=5000, noise=noise())
        gap, error = mean_and_stderr((log_px - weighted.log_p)[None], population=False)
        assert abs(gap) < min(0.01, 3 * error)
        assert error < 0.003
    assert isinstance(model.prior, StandardNormalPrior)
    assert not under.training


def test_first_term_is_the_elbo():
    """E L_1 = ln p(x) - KL(q || p(z|x)), the latter between normals."""
    exact, model = wrong_on_purpose()
    x = exact.sample(40)
    best = exact.precision.diagonal()
    kl = 0.5 * (2.25 * 4 - 4 - math.log(2.25) * 4 + best.log().sum() - torch.logdet(exact.precision)).item()
    _, (elbo,) = importance_curve(model, x, samples=4000, at=(1,), noise=noise())
    gap, stderr = mean_and_stderr((exact.log_px(x) - elbo)[None], population=False)
    assert stderr < 0.01
    assert abs(gap - kl) < min(0.03, 4 * stderr)


def test_exact_encoder_has_no_variance():
    exact = LinearGaussian(torch.linalg.qr(torch.randn(6, 3)).Q * 2, torch.randn(6), 0.5)
    x = exact.sample(20)
    weighted = importance(
        exact.vae(matrix=exact.regression, variance=1 / exact.precision.diagonal()), x, samples=30, noise=noise()
    )
    torch.testing.assert_close(weighted.log_p, exact.log_px(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(weighted.ess, torch.full((20,), 30.0), rtol=0, atol=1e-9)
    assert bool((weighted.variance < 1e-10).all())


def test_equals_plain_sums_over_the_same_draws():
    exact, model = wrong_on_purpose()
    x = exact.sample(3)
    weighted = importance(model, x, samples=7, noise=noise())
    again = noise()
    eps = torch.stack([torch.randn(7, 4, generator=again) for _ in range(3)], 1)
    with torch.no_grad():
        terms = model.terms(x, eps)
    for i in range(3):
        bound = weighted_bound(terms.log_px_z[:, i].numpy(), (terms.log_mz - terms.log_qz)[:, i].numpy())
        assert [weighted.log_p[i], weighted.ess[i], weighted.log_needed[i]] == pytest.approx(bound, rel=1e-10)


def reading_toy() -> VAE:
    """The same encoder with a decoder that reads x."""
    model, _, _ = bernoulli_toy()
    return VAE(
        model.encoder, moved(decoder("made", BernoulliLikelihood(), (1, 2, 2), latent_dim=1)), model.prior, latent_dim=1
    )


@pytest.mark.parametrize("estimator", [importance, prior_sampling])
@pytest.mark.parametrize("max_bytes", [1, 5_000, 40_000, 10**9])
@pytest.mark.parametrize("reads_x", [False, True])
def test_memory_bound_leaves_the_values_alone(estimator, max_bytes, reads_x):
    model = reading_toy().eval() if reads_x else bernoulli_toy()[0]
    whole = estimator(model, IMAGES, samples=60, noise=noise())
    parts = estimator(model, IMAGES, samples=60, noise=noise(), max_bytes=max_bytes)
    for one, other in zip(whole[:3], parts[:3], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("estimator", [importance, prior_sampling])
def test_activations_stay_within_the_bound(estimator):
    model, _, _ = bernoulli_toy()
    row, held = sum(cost(model, IMAGES)), []
    model.decoder.register_forward_hook(lambda _module, _inputs, p: held.append(p.logits[..., 0, 0, 0].numel() * row))
    estimator(model, IMAGES, samples=3000, noise=noise(), max_bytes=20_000)
    assert 20_000 >= max(held) > 5_000


@pytest.mark.parametrize("estimator", [importance, prior_sampling])
def test_activations_of_a_decoder_that_reads_x_stay_within_the_bound(estimator):
    """It runs once for each pair of a draw and an example, when it is asked for a density."""
    model, held = reading_toy().eval(), []
    layers = (6 + 6 + 4 + 4) * 8  # Two layers of 6 and 4 units, each with a code's own.
    model.decoder.trunk.register_forward_hook(lambda _module, inputs, _output: held.append(len(inputs[0]) * layers))
    estimator(model, IMAGES, samples=3000, noise=noise(), max_bytes=20_000)
    assert 20_000 >= max(held) > 4_000


def test_quadrature_of_a_bernoulli_decoder():
    model, slope, offset = bernoulli_toy()
    p, square = (
        torch.tensor([bernoulli_moment(x.flatten().numpy(), slope.numpy(), offset.numpy(), power=k) for x in IMAGES])
        for k in (1, 2)
    )
    assert p.sum().item() == pytest.approx(1, abs=1e-9)
    needed = square.log() - 2 * p.log()
    for estimator in (importance, prior_sampling):
        weighted = estimator(model, IMAGES, samples=20_000, noise=noise())
        off, stderr = weighted.log_p - p.log(), weighted.variance.sqrt()
        assert bool((stderr < 0.04).all())
        assert bool((off.abs() < 4 * stderr).all()), (off, stderr)
        torch.testing.assert_close(weighted.log_needed, needed, rtol=0, atol=0.1)


def test_variance_is_the_spread_over_repetitions():
    model, _, _ = bernoulli_toy()
    repeated = [importance(model, IMAGES, samples=500, noise=generator("cpu", seed)) for seed in range(200)]
    spread = torch.stack([one.log_p for one in repeated]).mean(1).std().item()
    claimed = [mean_and_stderr_of_estimates(one.log_p, one.variance, population=True)[1] for one in repeated]
    # The spread of 200 draws is known to 5 %, so 4 s.e. are 20 %.
    assert sum(claimed) / 200 == pytest.approx(spread, rel=0.2)


@pytest.mark.slow
def test_needed_draws_give_the_naive_estimate_relative_error_one():
    """With n draws its relative variance is (E p^2 / p^2 - 1) / n."""
    model, _, _ = bernoulli_toy()
    x = IMAGES[3:4]
    needed = importance(model, x, samples=50_000, noise=noise()).log_needed.exp().item()
    log_p = torch.cat([prior_sampling(model, x, samples=50, noise=generator("cpu", s)).log_p for s in range(2000)])
    relative = log_p.exp().std().item() / log_p.exp().mean().item()
    assert relative == pytest.approx(math.sqrt((needed - 1) / 50), rel=0.1)


def test_prior_sampling_leaves_the_global_stream_alone():
    model, _, _ = bernoulli_toy()
    state = torch.get_rng_state()
    first, again = (prior_sampling(model, IMAGES, samples=10, noise=noise()).log_p for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.get_rng_state())


def test_standard_error_of_estimates_adds_examples_only_for_a_sample():
    values, variances = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.1, 0.2, 0.6])
    assert mean_and_stderr_of_estimates(values, variances, population=True) == pytest.approx((3.0, math.sqrt(0.1)))
    assert mean_and_stderr_of_estimates(values, variances, population=False) == pytest.approx((3.0, math.sqrt(7 / 3)))


def test_bad_arguments_are_named():
    model, _, _ = bernoulli_toy()
    for samples, at in ((0, ()), (10, (20,)), (10, (0,))):
        with pytest.raises(InputError, match="numbers of draws"):
            importance_curve(model, IMAGES, samples=samples, at=at, noise=noise())
    with pytest.raises(InputError, match="training mode"):
        prior_sampling(model.train(), IMAGES, samples=3, noise=noise())
