"""Annealed importance sampling against closed forms of linear decoders, sums over a grid, and its own identities."""

import math

import pytest
import torch
from torch import nn

from vae_rd.errors import InputError
from vae_rd.estimators.ais import adapt_step_sizes, anneal, bidirectional, decoder_distortion, prior_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.control_variates import Draws, with_less_variance
from vae_rd.estimators.rate_distortion_curve import doubling, mean_curve, rate_distortion_curve
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.nn.mlp import mlp_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormal, StandardNormalPrior
from vae_rd.model.vae import VAE

from helpers.linear_gaussian import LinearGaussian
from helpers.reference import linear_decoder_point, tanh_bernoulli_distortion, two_unit_point

pytestmark = pytest.mark.usefixtures("float64")

SHAPES = [(20, 10), (6, 12)]  # Pixels and latent units: fewer and more units than pixels.


def noise():
    """A stream that is not the global one, which draws the data."""
    return torch.Generator().manual_seed(1)


class LinearDecoder:
    """d = 0.5 |x - W z - b0|^2 on simulated x."""

    def __init__(self, pixels, latent_dim, *, n):
        self.w, self.b0 = 1.5 * torch.randn(pixels, latent_dim) / math.sqrt(latent_dim), torch.randn(pixels)
        self.x = torch.randn(n, latent_dim) @ self.w.T + self.b0 + 0.3 * torch.randn(n, pixels)
        self.path = prior_path(StandardNormal(torch.zeros(latent_dim).double()), self.distortion, n=n)

    def distortion(self, z):
        return 0.5 * (self.x - z @ self.w.T - self.b0).square().sum(-1)

    def exact(self, b):
        """R_b, D_b and -ln Z_b, means over the same x."""
        return linear_decoder_point(self.x.numpy(), self.w.numpy(), self.b0.numpy(), b)


def tanh_model(latent_dim, hidden, pixels):
    """A Bernoulli decoder with one smooth hidden layer, its weights large enough for posteriors far from normal."""
    trunk = nn.Sequential(nn.Linear(latent_dim, hidden), nn.Tanh(), nn.Linear(hidden, pixels))
    with torch.no_grad():
        for layer in (trunk[0], trunk[2]):
            layer.weight.copy_(1.5 * torch.randn_like(layer.weight) / math.sqrt(latent_dim))
    trunk.append(nn.Unflatten(1, (1, 1, pixels)))
    encoder = mlp_encoder((1, 1, pixels), (), nn.ReLU)
    posterior = DiagonalPosterior(pixels, latent_dim)
    decoder = Decoder(trunk, BernoulliLikelihood())
    prior = StandardNormalPrior(latent_dim)
    return VAE(Encoder(encoder, posterior), decoder, prior, latent_dim=latent_dim).eval()


def simulated(model, n):
    """x ~ p(x|z*), z* ~ m, and z*."""
    z = torch.randn(n, model.latent_dim)
    return model.decoder(z).sample().detach(), z


def model_path(model, x):
    return prior_path(StandardNormal(torch.zeros(model.latent_dim).double()), decoder_distortion(model, x), n=len(x))


def grid_point(model, x, b):
    """-ln Z_b and D_b of one image, by sums over a grid in plain numpy."""
    layers = [tuple(p.detach().numpy() for p in model.decoder.trunk[i].parameters()) for i in (0, 2)]
    return two_unit_point(lambda z: tanh_bernoulli_distortion(x.flatten().numpy(), z, layers), b=b)


def check_curve(decoder, plan, b_values, *, relative, absolute):
    """Every R_b, D_b and -ln Z_b within the tolerance, known to half of it, and within 4.5 s.e. (of 3 B values)."""
    curve = rate_distortion_curve(decoder.path, b_values, plan, generator=noise())
    for point in mean_curve(curve, population=True):
        estimates = (point.rate_estimate, point.distortion_estimate, point.line_upper)
        errors = (point.rate_stderr, point.distortion_stderr, point.line_stderr)
        for value, stderr, exact in zip(estimates, errors, decoder.exact(point.b), strict=True):
            tolerance = max(relative * abs(exact), absolute)
            assert stderr < tolerance / 2, (point.b, stderr, tolerance)
            assert abs(value - exact) < min(tolerance, 4.5 * stderr), (point.b, value, exact, stderr)


def test_one_step_is_importance_sampling_from_the_prior():
    decoder, generator = LinearDecoder(4, 2, n=3), noise()
    z = torch.randn(5, 3, 2)
    plan = Annealing(torch.tensor([0.0, 0.7]), chains=5, leapfrog_steps=1)
    never = torch.full((2, 3), 1e-300)  # Steps so short that z stays.
    *_, last = anneal(decoder.path, z, plan, step_sizes=never, generator=generator)
    torch.testing.assert_close(last.log_weights, -0.7 * decoder.distortion(z))


@pytest.mark.parametrize("backward", [False, True])
def test_mean_weight_is_unbiased_however_short_the_chain(backward):
    decoder, chains, b = LinearDecoder(2, 2, n=2), 40_000, 0.3
    plan = Annealing(torch.tensor([0.0, 0.05, 0.15, b]), chains=chains, leapfrog_steps=1)
    z, sign = torch.randn(chains, 2, 2), 1
    if backward:  # From exact draws of f_b.
        covariance = torch.linalg.inv(torch.eye(2) + b * decoder.w.T @ decoder.w)
        z = b * (decoder.x - decoder.b0) @ decoder.w @ covariance + z @ torch.linalg.cholesky(covariance).T
        plan, sign = plan.reversed(), -1
    *_, last = anneal(decoder.path, z, plan, step_sizes=torch.full((4, 2), 0.8), generator=noise())
    for n, x in enumerate(decoder.x.numpy()):
        minus_log_z = linear_decoder_point(x[None], decoder.w.numpy(), decoder.b0.numpy(), b)[2]
        relative = (last.log_weights[:, n] + sign * minus_log_z).exp()
        stderr = relative.std().item() / math.sqrt(chains)
        assert stderr < 0.02
        assert abs(relative.mean().item() - 1) < 4 * stderr


@pytest.mark.parametrize(("pixels", "latent_dim"), SHAPES)
def test_curve_of_a_linear_decoder(pixels, latent_dim):
    b_values = torch.logspace(-2, 2, 8).tolist()
    plan = Annealing(default_schedule(b_values, steps=250, draws=6), chains=128, leapfrog_steps=2)
    check_curve(LinearDecoder(pixels, latent_dim, n=16), plan, b_values, relative=0.03, absolute=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("pixels", "latent_dim"), SHAPES)
def test_curve_of_a_linear_decoder_at_fifty_slopes(pixels, latent_dim):
    b_values = torch.logspace(-2, 2, 50).tolist()
    plan = Annealing(default_schedule(b_values, steps=600, draws=5), chains=512, leapfrog_steps=2)
    check_curve(LinearDecoder(pixels, latent_dim, n=16), plan, b_values, relative=0.005, absolute=0.005)


def test_standard_errors_are_the_spread_over_runs():
    model, b_values = tanh_model(2, 5, 12), [0.1, 0.3, 1.0]
    image = simulated(model, 1)[0].expand(1600, -1, -1, -1)  # One x, run 1600 times at once.
    # Few steps: what the weights lack is then seen in d as well, and the noise of R is no sum of squares.
    plan = Annealing(default_schedule(b_values, steps=3), chains=96, leapfrog_steps=1)
    curve = rate_distortion_curve(model_path(model, image), b_values, plan, generator=noise())
    for values, stderr in (
        (curve.line_upper, curve.line_stderr),
        (curve.rate_estimate, curve.rate_stderr),
        (curve.distortion_estimate, curve.distortion_stderr),
    ):
        # The spread of 1600 runs is known to 1.8 %.
        torch.testing.assert_close(stderr.square().mean(1).sqrt(), values.std(1), rtol=0.1, atol=0)
    for row, b in enumerate(mean_curve(curve, population=True)):
        assert b.line_stderr == pytest.approx(curve.line_upper[row].std().item() / 40, rel=0.1)


def test_curve_of_a_nonlinear_decoder_equals_sums_over_a_grid():
    model = tanh_model(2, 5, 12)
    x, _ = simulated(model, 4)
    b_values = [0.1, 0.5, 1.0, 3.0]
    plan = Annealing(default_schedule(b_values, steps=150, draws=10), chains=600, leapfrog_steps=3)
    curve = rate_distortion_curve(model_path(model, x), b_values, plan, generator=noise())
    for i, b in enumerate(b_values):
        for n in range(4):
            line, d = grid_point(model, x[n], b)
            for value, stderr, exact in (
                (curve.line_upper, curve.line_stderr, line),
                (curve.distortion_estimate, curve.distortion_stderr, d),
                (curve.rate_estimate, curve.rate_stderr, line - b * d),
            ):
                assert stderr[i, n] < 0.05
                assert abs(value[i, n].item() - exact) < 4.5 * stderr[i, n].item(), (b, n)


def test_control_variates_take_noise_and_no_part_of_the_mean():
    model = tanh_model(2, 5, 12)
    x, _ = simulated(model, 1)
    path, generator, b = model_path(model, x), noise(), 1.0
    plan = Annealing(default_schedule([b], steps=100), chains=6000, leapfrog_steps=3)
    step_sizes = adapt_step_sizes(path, plan, generator=generator)
    z = path.sample_prior(plan.chains, generator)
    *_, last = anneal(path, z, plan, step_sizes=step_sizes, generator=generator)
    prior_gradient, slopes = last.point.gradients[:, None]
    draws = Draws(last.point.z[None], prior_gradient - b * slopes, last.point.terms[1][None], slopes)
    reduced, share = with_less_variance(draws)[0, :, 0], last.log_weights.softmax(0)[:, 0]
    change = share * (draws.values[0, :, 0] - reduced)
    stderr = change.std().item() * math.sqrt(plan.chains)
    assert stderr < 0.03
    assert abs(change.sum().item()) < 4 * stderr
    assert reduced.var() < 0.7 * draws.values.var()


def test_control_variates_leave_a_normal_no_noise():
    mean, spread = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0])
    z = mean + spread * torch.randn(2, 3000, 3, 2)
    score = -(z - mean) / spread.square()
    # d = ln m - ln f up to a constant, as where f = m exp(-d) / Z.
    values = 0.5 * ((z - mean).square() / spread.square() - z.square()).sum(-1)
    reduced = with_less_variance(Draws(z, score, values, slopes=-score - z))
    exact = 0.5 * (2 - (mean.square() + spread.square()).sum()).item()
    assert reduced.std() < 0.1 * values.std()
    assert reduced.mean().item() == pytest.approx(exact, abs=0.02)


def test_sandwich_of_a_linear_gaussian_model_holds_the_likelihood():
    truth = LinearGaussian(torch.randn(20, 10) / math.sqrt(10), torch.randn(20), s2=0.1)
    z = torch.randn(64, 10)
    x = (z @ truth.w.T + truth.b + math.sqrt(truth.s2) * torch.randn(64, 20))[:, None, None]
    model = truth.vae(matrix=truth.regression, variance=torch.ones(10))
    plan = Annealing(default_schedule([1.0], steps=500), chains=32, leapfrog_steps=2)
    bounds = bidirectional(model_path(model, x), z, plan, generator=noise())
    assert bounds.gap_stderr < 0.03
    assert bounds.gap > -4 * bounds.gap_stderr
    assert bounds.gap + 2 * bounds.gap_stderr < 0.1
    for below in (truth.log_px(x) - bounds.lower, bounds.upper - truth.log_px(x)):
        mean, stderr = mean_and_stderr(below[None], population=False)
        assert mean > -4 * stderr


def test_sandwich_of_a_bernoulli_decoder():
    model = tanh_model(8, 16, 36)
    x, z = simulated(model, 50)
    plan = Annealing(default_schedule([1.0], steps=200), chains=16, leapfrog_steps=2)
    bounds = bidirectional(model_path(model, x), z, plan, generator=noise())
    assert bounds.gap_stderr < 0.025
    assert bounds.gap > -4 * bounds.gap_stderr
    assert bounds.gap + 3 * bounds.gap_stderr < 0.1


def test_sandwich_holds_the_sum_over_a_grid():
    model = tanh_model(2, 5, 12)
    x, z = simulated(model, 12)
    plan = Annealing(default_schedule([1.0], steps=30), chains=4, leapfrog_steps=2)
    bounds = bidirectional(model_path(model, x), z, plan, generator=noise())
    exact = torch.tensor([-grid_point(model, image, 1.0)[0] for image in x])
    for below in (exact - bounds.lower, bounds.upper - exact):
        mean, stderr = mean_and_stderr(below[None], population=False)
        assert mean > -4 * stderr


def test_doubling_takes_off_what_a_short_chain_lacks():
    decoder = LinearDecoder(6, 3, n=2000)
    plan = Annealing(default_schedule([1.0], steps=8), chains=4, leapfrog_steps=2)
    report = doubling(decoder.path, [1.0], plan, generator=noise())
    assert len(plan.doubled().schedule) == 2 * len(plan.schedule) - 1
    exact = decoder.exact(1.0)[2]
    assert report.single.line_upper.mean() > report.double.line_upper.mean() > exact
    mean, stderr = mean_and_stderr(report.change, population=False)
    assert mean > 4 * stderr
    assert report.change_stderr.shape == report.change.shape


def test_decoder_distortion_is_that_of_the_model_in_its_own_precision():
    model = tanh_model(3, 4, 5)
    x, _ = simulated(model, 6)
    draws = torch.randn(7, 6, 3)
    expected = torch.stack([-model.decoder(draw).log_prob(x) for draw in draws])
    torch.testing.assert_close(decoder_distortion(model, x)(draws), expected)
    single = decoder_distortion(model.float(), x)(draws)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, expected, rtol=1e-5, atol=1e-5)


def test_schedule_holds_each_slope_and_rises():
    schedule = default_schedule([0.0, 0.3, 2.0, 0.3], steps=20, draws=3)
    assert [(schedule == b).sum().item() for b in (0.3, 2.0)] == [3, 3]
    assert schedule[0] == 0
    assert schedule[-1] == 2
    assert bool((schedule.diff() >= 0).all())
    even = torch.log1p(default_schedule([5.0], steps=7, knee=0.2) / 0.2).diff()
    torch.testing.assert_close(even, even[:1].expand(7))


@pytest.mark.parametrize("b_values", [[], [0.0], [-1.0, 1.0], [math.inf], [math.nan, 1.0]])
def test_schedules_without_a_way_are_refused(b_values):
    with pytest.raises(InputError, match="b_values"):
        default_schedule(b_values, steps=5)


def test_bad_settings_are_refused():
    decoder = LinearDecoder(3, 2, n=2)
    with pytest.raises(InputError, match="steps=0"):
        default_schedule([1.0], steps=0)
    with pytest.raises(InputError, match="schedule"):
        Annealing(torch.tensor([1.0]), chains=2, leapfrog_steps=1)
    plan = Annealing(default_schedule([1.0], steps=3), chains=2, leapfrog_steps=1)
    with pytest.raises(InputError, match=r"0\.5"):
        rate_distortion_curve(decoder.path, [0.5, 1.0], plan, generator=noise())
    decoder.x[0] = math.nan
    with pytest.raises(InputError, match="not finite"):
        rate_distortion_curve(decoder.path, [1.0], plan, generator=noise())
    with pytest.raises(InputError, match="training mode"):
        decoder_distortion(tanh_model(2, 2, 2).train(), torch.zeros(1, 1, 1, 2))
