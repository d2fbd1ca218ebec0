"""A log variance that runs off is held, by a bound whose gradient leads back: D and R use the same value."""

import math

import pytest
import torch

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.gaussian import PixelGaussianLikelihood
from vae_rd.model.posteriors.diagonal import DiagonalPosterior

pytestmark = pytest.mark.usefixtures("float64")
BOUND = 30.0


def test_inside_it_is_the_identity_with_its_gradient():
    raw = torch.linspace(-BOUND, BOUND, 13).requires_grad_()
    value = bounded(raw, BOUND)
    assert torch.equal(value, raw)
    value.square().sum().backward()
    assert torch.allclose(raw.grad, 2 * raw.detach())


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_outside_only_what_leads_back_passes(side):
    raw = torch.tensor([side * 31.0, side * 1e9, side * math.inf], requires_grad=True)
    value = bounded(raw, BOUND)
    assert value.tolist() == [side * BOUND] * 3
    (leads_back,) = torch.autograd.grad((side * value).sum(), raw, retain_graph=True)
    (leads_out,) = torch.autograd.grad((-side * value).sum(), raw)
    assert (leads_back.tolist(), leads_out.tolist()) == ([side] * 3, [0.0] * 3)


def test_what_is_no_number_stays_none():
    assert bounded(torch.tensor([math.nan]), BOUND).isnan().all()


@pytest.mark.parametrize("start", [-1e4, 1e4])
def test_descent_on_the_rate_brings_a_log_variance_back(start):
    head = DiagonalPosterior(1, 1, bound=BOUND)
    with torch.no_grad():
        head.head.weight.zero_()
        head.head.bias.copy_(torch.tensor([0.0, start]))
    q = head(torch.zeros(4, 1))
    assert q.log_var.unique().tolist() == [math.copysign(BOUND, start)]
    assert q.moments().variance.log().unique().tolist() == pytest.approx([math.copysign(BOUND, start)])
    rate = 0.5 * (q.mu.square() + q.log_var.exp() - 1 - q.log_var).sum()
    assert rate.isfinite()
    rate.backward()
    assert math.copysign(1.0, head.head.bias.grad[1].item()) == math.copysign(1.0, start), "descent goes toward 0"


def test_a_pixel_s_scale_is_held_alike():
    p = PixelGaussianLikelihood(bound=BOUND)(torch.tensor([0.0, -1e3]).reshape(1, 2, 1, 1))
    assert p.scale.log().item() == pytest.approx(-BOUND / 2)
    assert p.log_prob(torch.zeros(1, 1, 1, 1)).item() == pytest.approx(BOUND / 2 - 0.5 * math.log(2 * math.pi))


def test_without_a_bound_there_is_none():
    head = DiagonalPosterior(1, 1)
    with torch.no_grad():
        head.head.bias.fill_(1e3)
    assert (head(torch.zeros(1, 1)).log_var == head.head.bias[1]).all()
