"""A log variance that runs off is held, by a bound whose gradient leads back: D and R use the same value."""

import math
from functools import partial

import pytest
import torch

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.gaussian import PixelGaussianLikelihood
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.posteriors.full import FullPosterior
from vae_rd.model.posteriors.iaf import FlowedPosterior

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


VALUES = {
    "all within": [-30.0, -1.0, 0.0, 29.0, 30.0, 7.0],
    "one a little without": [0.0, 1.0, -30.0, 30.0, 30.5, 2.0],
    "some without": [-30.0, -30.1, 0.0, 1e9, 30.0, 31.0],
    "none within": [-31.0, 31.0, math.inf, -math.inf, 40.0, -40.0],
    "one is no number": [-31.0, math.nan, 1.0, 2.0, 31.0, 0.0],
    "none at all": [],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("call", ["plain", "vmap"])
def test_to_the_last_bit_it_is_a_clamp_whose_gradient_s_part_that_leads_out_is_0(values, sign, call):
    """Of values each within, which most are, as of others; the gradient, which is linear, has one of its own."""
    raw = torch.tensor(values).reshape(2, -1).requires_grad_()
    weight = (sign * torch.linspace(1.0, 2.0, raw.numel()).reshape(raw.shape)).requires_grad_()
    value = bounded(raw, BOUND) if call == "plain" else torch.func.vmap(lambda row: bounded(row, BOUND))(raw)
    assert torch.equal(value.nan_to_num(0.5), raw.clamp(-BOUND, BOUND).nan_to_num(0.5))
    (gradient,) = torch.autograd.grad((value.nan_to_num() * weight).sum(), raw, create_graph=True)
    leads_out = ((raw > BOUND) & (weight < 0)) | ((raw < -BOUND) & (weight > 0))
    passes = (~leads_out & ~raw.isnan()).to(raw)
    assert torch.equal(gradient, passes * weight)
    (second,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert torch.equal(second, 2 * passes * weight)


def test_what_lies_within_is_returned_itself():
    """Nothing is added to the graph of a step, which is where a small model's time goes."""
    raw = torch.linspace(-BOUND, BOUND, 13)
    assert bounded(raw, BOUND) is raw
    assert bounded(raw, BOUND - 1) is not raw


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


HEADS = {
    "diagonal": DiagonalPosterior,
    "full": FullPosterior,
    "iaf": partial(FlowedPosterior, transforms=1, word="a test"),
}


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
def test_every_head_holds_its_log_variance(make):
    head = make(1, 3, bound=BOUND)
    torch.nn.init.constant_(head.head.bias, 1e4)
    assert head(torch.zeros(2, 1)).log_var.unique().tolist() == [BOUND]


def test_a_pixel_s_scale_is_held_alike():
    p = PixelGaussianLikelihood(bound=BOUND)(torch.tensor([0.0, -1e3]).reshape(1, 2, 1, 1))
    assert p.scale.log().item() == pytest.approx(-BOUND / 2)
    assert p.log_prob(torch.zeros(1, 1, 1, 1)).item() == pytest.approx(BOUND / 2 - 0.5 * math.log(2 * math.pi))


def test_without_a_bound_there_is_none():
    head = DiagonalPosterior(1, 1)
    with torch.no_grad():
        head.head.bias.fill_(1e3)
    assert (head(torch.zeros(1, 1)).log_var == head.head.bias[1]).all()
