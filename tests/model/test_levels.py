"""Probabilities of grey levels: they sum to 1 whatever the parameters, and are those of independent computations."""

import itertools
import math

import mpmath
import pytest
import torch
from scipy import stats
from torch.distributions import Normal

from vae_rd.experiment import tables
from vae_rd.model.likelihoods.beta_binomial import BetaBinomialLikelihood
from vae_rd.model.likelihoods.categorical_levels import CategoricalLevelsLikelihood
from vae_rd.model.likelihoods.gaussian_integrated import IntegratedGaussianLikelihood, log_normal_between
from vae_rd.model.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from vae_rd.model.nn.whitening import Sample

from helpers.members import card, config

pytestmark = pytest.mark.usefixtures("float64")
MASSES = [word for word, row in tables.LIKELIHOODS.items() if "levels" in row(config(), card("levels")).supports]


def mass(word: str, levels: int, channels: int = 1):
    """A likelihood of so many levels."""
    made = {
        "categorical_levels": lambda: CategoricalLevelsLikelihood(levels),
        "beta_binomial": lambda: BetaBinomialLikelihood(levels),
        "gaussian_integrated": lambda: IntegratedGaussianLikelihood(levels, bound=30.0),
        "logistic_mixture": lambda: LogisticMixtureLikelihood(levels, components=3, channels=channels, bound=30.0),
    }
    return made[word]()


def all_levels(levels: int) -> torch.Tensor:
    """x of one value, [L, 1, 1, 1]."""
    return (torch.arange(levels) / (levels - 1)).reshape(levels, 1, 1, 1)


def test_every_mass_of_the_table_is_tried_here():
    assert len(MASSES) == 4
    for word in MASSES:
        assert type(mass(word, 4)) is type(tables.LIKELIHOODS[word](config(), card("levels")))


@pytest.mark.parametrize("size", [0.1, 3.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("levels", [2, 3, 256, 1024])
@pytest.mark.parametrize("word", MASSES)
def test_it_sums_to_one_with_finite_gradients_at_any_parameters(word, levels, size):
    """Over all levels of 20 pixels; no level has a probability of more than 1, and none is nan."""
    head = mass(word, levels)
    noise = torch.Generator().manual_seed(int(size))
    written = size * torch.randn(20, head.params_per_value, 1, 1, generator=noise)
    written[0] = 0.0
    written.requires_grad_()
    log_mass = head(written).log_prob(all_levels(levels)[:, None, None][:, 0])
    assert log_mass.shape == (levels, 20)
    assert (log_mass < 1e-7).all()
    torch.testing.assert_close(log_mass.exp().sum(0), torch.ones(20), rtol=0, atol=1e-7)
    (grad,) = torch.autograd.grad(log_mass.sum(), written)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("word", MASSES)
def test_single_precision_is_near_double(word, size):
    head = mass(word, 256)
    written = size * torch.randn(20, head.params_per_value, 1, 1, generator=torch.Generator().manual_seed(5))
    written = written.float().requires_grad_()
    x = all_levels(256)[:, None, None][:, 0]
    single, double = head(written).log_prob(x.float()), head(written.double()).log_prob(x)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=2e-5, atol=5e-5)
    (grad,) = torch.autograd.grad(single.sum(), written)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("word", MASSES)
def test_the_mean_is_that_of_its_probabilities(word):
    head = mass(word, 7)
    p = head(torch.randn(4, head.params_per_value, 1, 1, generator=torch.Generator().manual_seed(2)))
    x = all_levels(7)
    masses = p.log_prob(x[:, None]).exp()
    torch.testing.assert_close(p.mean.flatten(), (masses * x.flatten()[:, None]).sum(0))


@pytest.mark.parametrize("word", MASSES)
def test_draws_follow_their_probabilities(word):
    head, n = mass(word, 5), 40_000
    p = head(torch.randn(1, head.params_per_value, 1, 1, generator=torch.Generator().manual_seed(3)))
    torch.manual_seed(4)
    drawn = (p.sample((n,)) * 4).round().flatten()
    wanted = p.log_prob(all_levels(5)[:, None]).exp().flatten()
    shares = torch.stack([(drawn == k).double().mean() for k in range(5)])
    assert ((shares - wanted).abs() < 4 * (wanted * (1 - wanted) / n).sqrt() + 1e-9).all()


@pytest.mark.parametrize("total", [1e-3, 0.5, 2.0, 40.0, 1e6])
@pytest.mark.parametrize("mean", [0.01, 0.5, 0.93])
def test_beta_binomial_is_scipys(mean, total):
    p = BetaBinomialLikelihood(256)(torch.tensor([math.log(mean / (1 - mean)), math.log(total)]).reshape(1, 2, 1, 1))
    wanted = stats.betabinom(255, mean * total, (1 - mean) * total).logpmf(range(256))
    torch.testing.assert_close(
        p.log_prob(all_levels(256)[:, None]).flatten(), torch.as_tensor(wanted), rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize("width", [1e-12, 1e-4, 0.099, 0.101, 1.0, 30.0])
@pytest.mark.parametrize("middle", [0.0, 0.7, -3.0, 12.0, -90.0, 1e4])
def test_the_normal_between_two_points_is_that_of_fifty_digits(middle, width):
    with mpmath.workdps(60):
        low, high = (mpmath.mpf(middle) + side * mpmath.mpf(width) / 2 for side in (-1, 1))
        low, high = (low, high) if middle < 0 else (-high, -low)  # The lower side, where neither is near 1.
        near, far = (mpmath.erfc(-end / mpmath.sqrt(2)) for end in (high, low))
        wanted = float(mpmath.log((near - far) / 2))
    found = log_normal_between(torch.tensor(middle), torch.tensor(width)).item()
    assert found == pytest.approx(wanted, rel=1e-10, abs=2e-10)


def test_far_out_in_single_precision_an_interval_whose_ends_round_to_one_keeps_its_probability():
    middle = torch.linspace(1e3, 1e6, 999, dtype=torch.float32)
    for size in (0.11, 1.0, 3.0):  # Of width times middle.
        wanted = log_normal_between(middle.double(), size / middle.double())
        found = log_normal_between(middle, size / middle)
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=0)


def test_one_logistic_is_scipys_between_the_edges_of_a_level():
    levels, loc, scale = 9, 0.3, 0.11
    head = LogisticMixtureLikelihood(levels, components=1, channels=1)
    p = head(torch.tensor([0.7, loc, math.log(scale)]).reshape(1, 3, 1, 1))
    edges = [-math.inf, *((k + 0.5) / 8 for k in range(8)), math.inf]
    wanted = [math.log(b - a) for a, b in itertools.pairwise(stats.logistic(loc, scale).cdf(edges))]
    assert p.log_prob(all_levels(levels)[:, None]).flatten().tolist() == pytest.approx(wanted, rel=1e-10)


@pytest.fixture
def colours():
    """A distribution of one pixel of three channels of 4 levels whose channels depend on each other, and all x."""
    head = LogisticMixtureLikelihood(4, components=2, channels=3)
    assert (head.params_per_value, LogisticMixtureLikelihood(4, components=2, channels=1).params_per_value) == (8, 6)
    p = head(2 * torch.randn(1, 24, 1, 1, generator=torch.Generator().manual_seed(8)))
    return p, torch.tensor(list(itertools.product(range(4), repeat=3))).reshape(64, 1, 3, 1, 1) / 3


def test_colours_sum_to_one_and_are_drawn_as_often(colours):
    p, x = colours
    masses, n = p.log_prob(x).exp().flatten(), 60_000
    assert masses.sum().item() == pytest.approx(1, abs=1e-12)
    torch.manual_seed(6)
    code = (p.sample((n,)) * 3).round().flatten(1) @ torch.tensor([16.0, 4.0, 1.0])
    shares = code.long().bincount(minlength=64) / n
    assert ((shares - masses).abs() < 4.5 * (masses * (1 - masses) / n).sqrt().clamp(min=1 / n)).all()


def test_green_depends_on_red_and_blue_on_both_and_on_nothing_else(colours):
    p, x = colours
    x = x[21:22].clone().requires_grad_()  # Rounded below, so the locations alone see it.
    located = p._located(x).sum(-4).flatten()
    slopes = torch.stack([torch.autograd.grad(located[c], x, retain_graph=True)[0].flatten() != 0 for c in range(3)])
    assert slopes.tolist() == [[False] * 3, [True, False, False], [True, True, False]]
    with pytest.raises(NotImplementedError, match="average draws"):
        _ = p.mean


@pytest.mark.parametrize("levels", [4, 256])
def test_the_density_of_dequantised_pixels_is_below_the_integrated_mass(levels):
    """Jensen: E ln p((k + u) / L) - ln L <= ln P(k) of the same Gaussian, and equal where its scale is wide.

    The Gaussian of (k + u) / L with mean m and scale s is, on x = k / (L - 1), one of (m L - 1/2) / (L - 1) and
    s L / (L - 1). The noise of a level is integrated by 200 midpoints.
    """
    noise = torch.Generator().manual_seed(1)
    mean = 1.4 * torch.rand(50, 1, generator=noise) - 0.2
    u = (torch.arange(200) + 0.5) / 200
    k = torch.arange(levels)
    for log_scale in (-7.0, -4.0, -1.0, 1.0, 4.0):
        scale = torch.full_like(mean, log_scale).exp()
        density = Normal(mean[..., None], scale[..., None]).log_prob((k[:, None] + u) / levels).mean(-1)
        moved = torch.stack([(mean * levels - 0.5) / (levels - 1), (scale * levels / (levels - 1)).log()], 1)
        p = IntegratedGaussianLikelihood(levels)(moved[..., None])
        gap = p.log_prob(all_levels(levels)[:, None]).T - (density - math.log(levels))
        assert (gap > -1e-9).all()
        if levels > 4 and log_scale >= 1.0:
            assert gap[:, 1:-1].max() < 1e-5  # Of the order of 1 / (24 (s L)^2); the ends have the tails besides.


@pytest.mark.parametrize("word", MASSES)
def test_pixels_that_never_change_have_a_finite_start_that_knows_them(word):
    x = torch.zeros(500, 1, 1, 3)
    x[..., 1], x[..., 2] = 1.0, 100 / 255
    head = mass(word, 256)
    offset, unit = head.start(Sample(x))
    assert torch.isfinite(offset).all()
    assert torch.isfinite(unit).all()
    each = -head(offset[None]).log_mass((x[:1] * 255).round()).flatten()
    assert (each < 4.0).all(), "of ln 256 = 5.5 that a uniform one has"


def test_the_start_of_categorical_levels_is_their_shares():
    x = torch.tensor([0.0, 0.0, 1.0, 2.0]).reshape(4, 1, 1, 1) / 3
    offset, _ = CategoricalLevelsLikelihood(4).start(Sample(x))
    assert offset.exp().flatten().tolist() == pytest.approx([2.25 / 5, 1.25 / 5, 1.25 / 5, 0.25 / 5])
