"""The dual bound against water-filling, Blahut-Arimoto, enumeration, and the coverage that its limits claim."""

import math

import numpy as np
import pytest
import torch

from vae_rd.errors import InputError
from vae_rd.estimators import dual as module
from vae_rd.estimators.dual import LogU, dual_bound, lower_limit, upper_limit
from vae_rd.estimators.particles import SquaredError
from vae_rd.estimators.supremum import GRID_POINTS, Moments, Ratio, locate_supremum, moments_at

from helpers.reference import plain_blahut_arimoto

pytestmark = pytest.mark.usefixtures("float64")

VARIANCES = torch.tensor([1.20552675, 1.08976637], dtype=torch.float64)  # truth.md section 2: R + 3 * MSE.
GAUSSIAN, PUBLISHED = 2.2350523, 1.9364
SMALL = {"particles": 40, "steps": 200, "batch": 512, "n_eval": 60_000}


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(n, generator):
    return torch.randn(n, 2, generator=generator) * VARIANCES.sqrt()


def random_ratio(n, dim, *, distortion, weight):
    return Ratio(torch.randn(n, dim), -torch.rand(n) * 3, distortion, weight)


def isotropic(n, generator):
    return torch.randn(n, 4, generator=generator)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_gaussian_limit_is_above_the_published_one_and_below_the_exact_value(seed):
    bound = dual_bound(gaussian, SquaredError(0.5), weight=3.0, generator=stream(seed), **SMALL)
    assert bound.supremum == "grid"
    assert bound.stderr < 0.04
    assert PUBLISHED + 0.05 < bound.lower_limit < GAUSSIAN
    assert bound.lower_limit < bound.value < GAUSSIAN + 4 * bound.stderr


@pytest.mark.slow
def test_gaussian_limit_comes_within_five_hundredths():
    bound = dual_bound(gaussian, SquaredError(0.5), weight=3.0, generator=stream(), n_eval=4_000_000)
    assert bound.stderr < 0.005
    assert GAUSSIAN - 0.05 < bound.lower_limit < GAUSSIAN


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_discrete_source_is_that_of_blahut_arimoto(seed):
    letters, p = torch.tensor([[0.0], [1.0], [2.5], [3.0]]), torch.tensor([0.1, 0.4, 0.3, 0.2])
    table = SquaredError()(letters, letters).numpy()
    rate, distortion, below = plain_blahut_arimoto(p.numpy(), table, slope=1.3, sweeps=4000)
    exact = rate + 1.3 * distortion
    assert exact - below < 1e-4

    def draw(n, generator):
        return letters[torch.multinomial(p, n, replacement=True, generator=generator)]

    sizes = {"steps": 400, "batch": 2048, "n_eval": 200_000}
    bound = dual_bound(draw, SquaredError(), weight=1.3, generator=stream(seed), alphabet=letters, **sizes)
    assert bound.supremum == "enumerated"
    assert bound.stderr < 0.004
    assert exact - 0.03 < bound.lower_limit < exact
    assert abs(bound.value - exact) < 4 * bound.stderr + 0.01


def test_any_u_gives_a_lower_bound():
    untrained = dual_bound(gaussian, SquaredError(0.5), weight=3.0, generator=stream(), **{**SMALL, "steps": 0})
    assert untrained.lower_limit < untrained.value < GAUSSIAN - 0.3


def test_more_dimensions_are_bounded_but_not_certified():
    # Four unit variances at lambda d = 1.5 |x - y|^2: water level 1/3, R + lambda D = 4 (0.5 ln 3 + 0.5).
    exact = 2 * math.log(3) + 2
    bound = dual_bound(isotropic, SquaredError(), weight=1.5, generator=stream(), **SMALL)
    assert bound.supremum == "multi_start"
    assert exact - 1.0 < bound.lower_limit < exact
    assert bound.stderr < 0.1
    assert bound.value < exact + 4 * bound.stderr


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_grid_bounds_the_moments_everywhere(dim, monkeypatch):
    monkeypatch.setitem(GRID_POINTS, dim, 12)
    ratio = random_ratio(40, dim, distortion=SquaredError(0.7), weight=1.5)
    y, bounds, supremum = locate_supremum(ratio, torch.zeros(2, dim), enumerated=False)
    anywhere = moments_at(ratio, torch.cat([3 * torch.randn(5000, dim), ratio.x + 0.1 * torch.randn(40, dim)]))
    slack = (bounds.first / moments_at(ratio, y).first).log()
    assert supremum == "grid"
    torch.testing.assert_close(slack, slack[0].expand_as(slack), rtol=0, atol=1e-9)
    torch.testing.assert_close((bounds.second / moments_at(ratio, y).second).log(), 2 * slack, rtol=0, atol=1e-9)
    half_diagonal = ((ratio.x.amax(0) - ratio.x.amin(0)) / 11 / 2).norm().item()
    assert slack[0].item() == pytest.approx(1.05 * half_diagonal**2)
    assert bounds.first.max() >= anywhere.first.max()
    assert bounds.second.max() >= anywhere.second.max()


def test_grid_bound_is_needed_and_reached_between_corners(monkeypatch):
    """One x in the middle of a cell: the corners hold exp(-s h^2) of its peak, which is the whole slack."""
    monkeypatch.setitem(GRID_POINTS, 2, 2)
    x = torch.tensor([[0.0, 0.0], [2.0, 2.0], [1.0, 1.0]])
    ratio = Ratio(x, torch.tensor([0.0, 0.0, -60.0]), SquaredError(), 1.0)
    _, bounds, _ = locate_supremum(ratio, x, enumerated=False)
    assert bounds.first.max().item() == pytest.approx(ratio.at(x[2:]).mean().item(), rel=1e-12)


def test_ascent_finds_the_peak_between_its_starts():
    class Unknown:
        def __call__(self, x, y):
            return SquaredError()(x, y)

    ratio = random_ratio(500, 2, distortion=Unknown(), weight=0.5)
    fine = torch.cartesian_prod(torch.linspace(-3, 3, 121), torch.linspace(-3, 3, 121))
    _, moments, supremum = locate_supremum(ratio, ratio.x[:5], enumerated=False)
    assert supremum == "multi_start"
    assert moments.first.max() == pytest.approx(moments_at(ratio, fine).first.max().item(), rel=1e-3)


def test_limits_fail_no_more_often_than_they_say():
    """Skewed variables: rare large values, on which a normal limit from few draws fails far too often."""
    repeats, n, chance, generator = 4000, 500, 0.01, stream()
    delta = math.exp(-module.LOG_ODDS)
    draws = (torch.rand(repeats + 1, n, generator=generator) < chance).double()
    rate = 0.05
    above = [upper_limit(Moments(v.mean()[None], v.mean()[None]), rate=rate, n=n) < chance for v in draws[1:]]
    below = [lower_limit(v, draws[0]) > chance for v in draws[1:]]
    allowed = delta + 4 * math.sqrt(delta / repeats)
    assert np.mean(above) < allowed
    assert np.mean(below) < allowed
    normal = draws[1:].mean(1) + 2.576 * draws[1:].std(1) / math.sqrt(n) < chance
    assert normal.double().mean() > allowed


def test_limits_are_as_tight_as_chernoffs():
    """At the best rate either limit is sqrt(2 ln(1/delta) variance / n) from the mean, to first order."""
    n = 1_000_000
    values = torch.rand(n, generator=stream())
    width = math.sqrt(2 * module.LOG_ODDS / 12 / n)
    assert values.mean().item() - lower_limit(values, values[:1000]) == pytest.approx(width, rel=0.1)
    first, second = values.mean(), values.square().mean()
    rate = math.sqrt(2 * module.LOG_ODDS / (n / 3))
    widest = math.sqrt(2 * module.LOG_ODDS / 3 / n)  # The second moment stands where the variance is best.
    above = upper_limit(Moments(first[None], second[None]), rate=rate, n=n) - first.item()
    assert width < above < 1.2 * widest


def test_majorant_of_the_logarithm():
    p = torch.linspace(1e-3, 0.5, 1000)
    majorant = p + module.CURVATURE * p.square()
    assert bool((majorant >= -torch.log1p(-p) - 1e-15).all())
    assert majorant[-1].item() == pytest.approx(math.log(2), abs=1e-12)


def test_u_keeps_its_floor_and_ceiling_far_out():
    log_u = LogU(torch.randn(100, 2), span=5.0)
    with torch.no_grad():
        values = log_u(1e3 * torch.randn(1000, 2))
    assert values.min() >= -5.0
    assert values.max() <= 0.0


def test_standard_error_is_the_spread_over_evaluations():
    """At u = exp(-|x|^2), whose logarithm varies more than X does."""
    generator, y, results = stream(1), torch.zeros(1, 2), []
    for _ in range(300):
        x = gaussian(1000, generator)
        ratio = Ratio(x, -x.square().sum(1), SquaredError(0.5), 3.0)
        results.append(module._value(ratio, y, moments_at(ratio, y)))
    values, errors = torch.tensor(results).T
    # The spread of 300 draws is known to 4 %, so 4 s.e. are 16 %.
    assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.16)


def test_same_generator_same_bound():
    sizes = {"particles": 20, "steps": 5, "batch": 32, "n_eval": 2000}
    first, second = (dual_bound(gaussian, SquaredError(), weight=1.0, generator=stream(), **sizes) for _ in "ab")
    assert (first.value, first.stderr, first.lower_limit) == (second.value, second.stderr, second.lower_limit)


def test_alphabet_of_another_shape_is_refused():
    with pytest.raises(InputError, match="alphabet"):
        dual_bound(gaussian, SquaredError(), weight=1.0, generator=stream(), alphabet=torch.zeros(3))
