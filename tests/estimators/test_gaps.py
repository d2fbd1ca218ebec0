"""The split of the inference gap against KLs between normals, which are exact for a linear-Gaussian model."""

import pytest
import torch

from vae_rd.errors import InputError
from vae_rd.estimators.gaps import Gaps, inference_gaps, local_gain
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.vae import VAE

from helpers.linear_gaussian import LinearGaussian

pytestmark = pytest.mark.usefixtures("float64")


def gaps_of(exact: LinearGaussian, model: VAE, x: torch.Tensor, **settings: int) -> Gaps:
    return inference_gaps(
        model, x, log_px=exact.log_px(x), noise=generator("cpu", 0, "test"), **{"samples": 4000} | settings
    )


def check(values: torch.Tensor, truth: float) -> None:
    """Within 0.01 nat and 4 s.e. of the truth plus the optimiser's own residue, which 0.003 bounds."""
    mean, stderr = mean_and_stderr(values[None], population=False)
    assert stderr < 0.004
    assert abs(mean - truth) < min(0.01, 4 * stderr + 0.003), (mean, truth, stderr)


def approximation_gap(exact: LinearGaussian) -> float:
    """KL of the best diagonal normal, of precisions P_dd, from N(., P^-1): 0.5 (sum_d ln P_dd - ln det P)."""
    return 0.5 * (exact.precision.diagonal().log().sum() - torch.logdet(exact.precision)).item()


def test_both_gaps_of_a_wrong_encoder_equal_their_closed_forms():
    exact = LinearGaussian.random(pixels=6, latent_dim=3, s2=0.5)
    best = 1 / exact.precision.diagonal()
    scale, shift = torch.tensor([0.3, 1.0, 2.25]), torch.tensor([0.1, -0.2, 0.3])
    gaps = gaps_of(exact, exact.vae(matrix=exact.regression, variance=scale * best, shift=shift), exact.sample(100))
    check(gaps.approximation, approximation_gap(exact))
    # KL grows by 0.5 sum(scale - 1 - ln scale) of the variances and 0.5 shift' P shift of the mean.
    amortisation = 0.5 * ((scale - 1 - scale.log()).sum() + shift @ exact.precision @ shift).item()
    check(gaps.amortisation, amortisation)
    assert approximation_gap(exact) > 0.1
    assert amortisation > 0.3
    assert gaps.last_gain.mean().abs().item() < 0.01


def test_best_linear_encoder_has_no_amortisation_gap():
    exact = LinearGaussian.random(pixels=6, latent_dim=3, s2=0.5)
    model = exact.vae(matrix=exact.regression, variance=1 / exact.precision.diagonal())
    gaps = gaps_of(exact, model, exact.sample(100))
    check(gaps.amortisation, 0.0)
    check(gaps.approximation, approximation_gap(exact))


def test_orthogonal_columns_have_no_approximation_gap():
    exact = LinearGaussian(torch.linalg.qr(torch.randn(6, 3)).Q * torch.tensor([1.0, 2.0, 3.0]), torch.zeros(6), 0.5)
    model = exact.vae(matrix=0.5 * exact.regression, variance=torch.ones(3))
    gaps = gaps_of(exact, model, exact.sample(100), steps=600)
    check(gaps.approximation, 0.0)
    assert gaps.amortisation.mean().item() > 1


def test_an_optimiser_that_stops_early_says_so():
    exact = LinearGaussian.random(pixels=6, latent_dim=3, s2=0.5)
    model = exact.vae(matrix=0.5 * exact.regression, variance=torch.ones(3))
    early, late = (gaps_of(exact, model, exact.sample(50), steps=steps) for steps in (12, 400))
    assert early.last_gain.mean().item() > 0.05
    assert abs(late.last_gain.mean().item()) < 0.01


def test_model_keeps_its_weights_and_gradients():
    exact = LinearGaussian.random(pixels=6, latent_dim=3, s2=0.5)
    model = exact.vae(matrix=exact.regression, variance=torch.ones(3))
    weights = [parameter.clone() for parameter in model.parameters()]
    gaps_of(exact, model, exact.sample(5), steps=10)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


class _Wide(LazyDistribution):
    def forward(self, context: torch.Tensor) -> torch.distributions.Laplace:
        return torch.distributions.Laplace(torch.zeros(len(context), 3), torch.ones(3))


def test_bad_arguments_are_named():
    exact = LinearGaussian.random(pixels=6, latent_dim=3, s2=0.5)
    model, x = exact.vae(matrix=exact.regression, variance=torch.ones(3)), exact.sample(2)
    with pytest.raises(InputError, match="steps 0"):
        gaps_of(exact, model, x, steps=0)
    with pytest.raises(InputError, match="training mode"):
        gaps_of(exact, model.train(), x)
    model.encoder = _Wide()
    with pytest.raises(InputError, match="Laplace"):
        gaps_of(exact, model.eval(), x)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_local_steps_gain_what_a_wrong_mean_costs(beta):
    """Of D + beta R at noise s2 the best q is p(z|x) at beta s2: a shift of its mean costs beta 0.5 shift' P shift."""
    s2 = 0.5
    world = LinearGaussian(torch.linalg.qr(torch.randn(6, 2)).Q * torch.tensor([2.0, 1.0]), torch.zeros(6), s2)
    tempered = LinearGaussian(world.w, world.b, beta * s2)
    variance, shift = 1 / tempered.precision.diagonal(), torch.tensor([0.7, -0.6])
    model = world.vae(matrix=tempered.regression, variance=variance, shift=shift)
    gain = local_gain(model, world.sample(200), beta=beta, noise=generator("cpu", 0, "gain"), steps=200, draws=8)
    exact = beta * 0.5 * (shift @ tempered.precision @ shift).item()
    mean, stderr = mean_and_stderr(gain[None], population=False)
    assert stderr < 0.02 * exact
    assert 0.97 * exact - 4 * stderr < mean < exact + 4 * stderr, "a lower bound, and near"


def test_local_steps_gain_nothing_over_the_best_q_and_little_when_few():
    exact = LinearGaussian(torch.linalg.qr(torch.randn(6, 2)).Q * 2, torch.zeros(6), 0.5)
    noise = generator("cpu", 0, "gain")
    best = exact.vae(matrix=exact.regression, variance=1 / exact.precision.diagonal())
    assert abs(local_gain(best, exact.sample(200), beta=1.0, noise=noise, steps=50).mean().item()) < 0.02
    wrong = exact.vae(matrix=exact.regression, variance=1 / exact.precision.diagonal(), shift=torch.tensor([1.0, 1.0]))
    few, many = (local_gain(wrong, exact.sample(200), beta=1.0, noise=noise, steps=n).mean().item() for n in (2, 50))
    assert 0 < few < 0.5 * many
