"""Continuous Bernoulli pixels by quadrature and by fifty digits, near a half, at extreme logits, and in gradients."""

import math
from itertools import pairwise

import mpmath
import pytest
import torch
from scipy import integrate

from vae_rd.model.likelihoods.continuous_bernoulli import (
    ContinuousBernoulliImage,
    ContinuousBernoulliLikelihood,
    log_normaliser,
    logits_of,
    mean_of,
    variance_of,
)
from vae_rd.model.nn.whitening import Sample

pytestmark = pytest.mark.usefixtures("float64")
SIZES = [0.0, 1e-12, 1e-6, 1e-3, 0.03, 0.0999, 0.1, 0.1001, 0.5, 2.0, 30.0, 700.0, 1e4]
LOGITS = sorted({sign * size for size in SIZES for sign in (-1.0, 1.0)})


def exact(logit: float) -> tuple[float, float, float]:
    """A, A' and A'' of one logit, by fifty digits and more."""
    with mpmath.workdps(60 + int(abs(logit))):
        t = mpmath.mpf(logit)
        if t == 0:
            return 0.0, 0.5, 1 / 12
        e = mpmath.e**t
        values = mpmath.log((e - 1) / t), e / (e - 1) - 1 / t, 1 / t**2 - e / (e - 1) ** 2
        return tuple(float(value) for value in values)


@pytest.mark.parametrize("logit", LOGITS)
def test_normaliser_mean_and_variance_are_those_of_fifty_digits(logit):
    t = torch.tensor(logit, requires_grad=True)
    values = log_normaliser(t), mean_of(t), variance_of(t)
    for found, wanted in zip(values, exact(logit), strict=True):
        assert found.item() == pytest.approx(wanted, rel=2e-12, abs=1e-14)
    (slope,) = torch.autograd.grad(values[0], t, create_graph=True)
    assert slope.item() == pytest.approx(exact(logit)[1], rel=1e-10)
    (curvature,) = torch.autograd.grad(slope, t)
    assert curvature.item() == pytest.approx(exact(logit)[2], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("logit", [0.0, 1e-9, -0.05, 0.5, -3.0, 40.0, -300.0])
def test_the_density_integrates_to_one_and_to_its_mean(logit):
    p = ContinuousBernoulliImage(torch.full((1, 1, 1), logit))

    def density(x: float) -> float:
        return p.log_prob(torch.full((1, 1, 1), x)).exp().item()

    near = [min(0.5, 20 / abs(logit)) if logit < 0 else max(0.5, 1 - 20 / logit)] if logit else None
    total, _ = integrate.quad(density, 0, 1, points=near, limit=200)
    mean, _ = integrate.quad(lambda x: x * density(x), 0, 1, points=near, limit=200)
    assert total == pytest.approx(1, abs=1e-8)
    assert mean == pytest.approx(p.mean.item(), abs=1e-8)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_extreme_logits_have_finite_densities_gradients_and_draws_within_bounds(kind):
    logits = torch.tensor([-1e6, -1e2, 0.0, 1e-30, 1e2, 1e6], dtype=kind).reshape(1, 1, 6).requires_grad_()
    p = ContinuousBernoulliImage(logits)
    for x in (0.0, 0.3, 1.0):
        value = p.log_prob(torch.full((1, 1, 6), x, dtype=kind))
        (grad,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(grad).all()
    draws = p.sample((5_000,)).detach()
    assert draws.dtype == kind
    assert ((draws >= 0) & (draws <= 1)).all()
    assert torch.allclose(draws.mean(0), p.mean, atol=0.02)


def test_draws_follow_the_distribution_function():
    for logit in (-7.0, 0.0, 1.3):
        draws = ContinuousBernoulliImage(torch.full((1, 1, 1), logit)).sample((40_000,)).flatten()
        for x in (0.1, 0.5, 0.8):
            wanted = math.expm1(logit * x) / math.expm1(logit) if logit else x
            assert (
                abs((draws <= x).double().mean().item() - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / 40_000) + 1e-6
            )


def test_logits_are_found_from_means_however_near_the_ends():
    means = torch.tensor([1e-6, 1e-3, 0.2, 0.5 - 1e-9, 0.5, 0.9, 1 - 1e-6])
    torch.testing.assert_close(mean_of(logits_of(means)), means, rtol=1e-9, atol=0)


def test_a_pixel_that_hardly_varies_has_a_start():
    x = torch.full((9, 1, 1, 2), 1 / 512)
    offset, _ = ContinuousBernoulliLikelihood().start(Sample(x))
    assert mean_of(offset).flatten().tolist() == pytest.approx([1 / 512] * 2)


def test_it_is_no_density_of_grey_points_of_which_many_are_0():
    """At x = 0 it rises without end as l falls."""
    likelihood, black = ContinuousBernoulliLikelihood(), torch.zeros(1, 1, 1)
    found = [likelihood(torch.full((1, 1, 1, 1), -size)).log_prob(black).item() for size in (1e1, 1e3, 1e5)]
    assert [round(b - a, 3) for a, b in pairwise(found)] == [round(math.log(100), 3)] * 2
    assert not likelihood.scores(("levels", "grey"))


def test_pixels_that_never_change_start_at_logits_that_are_numbers():
    x = torch.tensor([0.0, 1.0]).expand(7, 1, 1, 2)
    offset, _ = ContinuousBernoulliLikelihood().start(Sample(x))
    torch.testing.assert_close(mean_of(offset), torch.tensor([[[1e-6, 1 - 1e-6]]]))
