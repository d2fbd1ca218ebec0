"""A VAE of a range of betas: it begins as the plain one, and at each beta is a plain one of the same numbers."""

import math

import pytest
import torch

from vae_rd.model.closed_forms import expected_log_prob

from helpers.members import gradients, moved
from helpers.multirate import inputs, made, multirate, values

TRUNKS = ["mlp", "conv", "resnet"]
pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("trunk", TRUNKS)
def test_at_first_it_is_the_plain_network_of_the_seed_at_beta_1_and_above(trunk):
    plain, model = made(trunk), multirate(trunk)
    x, eps = inputs(plain)
    wanted = values(plain.terms(x, eps))
    for found in (
        model.terms(x, eps),
        model.terms(x, eps, context=torch.linspace(0, 1, 3)),
        model.at(1.5).terms(x, eps),
    ):
        assert torch.equal(values(found), wanted)


@pytest.mark.parametrize("beta", [0.25, 0.01])
def test_at_first_a_low_beta_has_wider_means_and_less_variance(beta):
    plain, at = made(), multirate().at(beta)
    x, _ = inputs(plain)
    q, changed = plain.encoder(x), at.encoder(x)
    assert torch.allclose(changed.mean, q.mean / beta**0.25, rtol=1e-12, atol=1e-12)
    assert torch.allclose(changed.variance, q.variance * beta, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_at_a_beta_it_is_a_plain_network_of_the_same_numbers(trunk):
    model, plain = moved(multirate(trunk)), made(trunk)
    x, eps = inputs(model)
    betas = [0.1, 1.0, 8.0]
    each = [model.at(beta) for beta in betas]
    assert [type(part) for part in each[0].modules()] == [type(part) for part in plain.modules()]
    found = values(model.terms(x, eps, context=torch.tensor(betas).log()))
    for group, at in enumerate(each):
        rows = slice(2 * group, 2 * group + 2)
        wanted = values(at.terms(x, eps))
        assert torch.allclose(found[..., rows], wanted[..., rows], rtol=1e-12, atol=1e-12)
        at_one = values(model.terms(x, eps, context=torch.tensor([math.log(betas[group])])))
        assert torch.allclose(at_one, wanted, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(values(each[0].terms(x, eps)), values(each[2].terms(x, eps)), rtol=1e-3)


def test_where_nothing_is_said_it_is_at_its_own_beta():
    model = moved(multirate())
    x, eps = inputs(model)
    wanted = values(model.at(2.0).terms(x, eps))
    assert torch.allclose(values(model.terms(x, eps)), wanted, rtol=1e-12, atol=1e-12)
    assert torch.allclose(model.encoder(x).mean, model.at(2.0).encoder(x).mean, rtol=1e-12, atol=1e-12)
    assert model.terms(x[:0], eps[:, :0], context=torch.zeros(0)).rate.shape == (2, 0)
    assert model.terms(x[:0], eps[:, :0]).distortion.shape == (2, 0)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_gradients_reach_every_parameter(trunk):
    model = moved(multirate(trunk))
    x, eps = inputs(model)
    terms = model.terms(x, eps, context=torch.linspace(-2, 2, 3))
    assert gradients(model, (terms.distortion + terms.rate).sum()) == []


def test_no_example_of_a_batch_sees_the_beta_of_another():
    model = moved(multirate("resnet"))
    x, eps = inputs(model)
    first, other = (values(model.terms(x, eps, context=torch.tensor([0.0, 0.0, last]))) for last in (0.0, 2.0))
    assert torch.equal(first[..., :4], other[..., :4])
    assert not torch.allclose(first[..., 4:], other[..., 4:])


def test_a_plain_model_takes_no_beta_and_is_itself_at_any():
    plain = made()
    x, eps = inputs(plain)
    assert plain.at(3.0) is plain
    assert plain.betas is None
    assert torch.equal(values(plain.terms(x, eps, context=torch.zeros(1))), values(plain.terms(x, eps)))
    assert expected_log_prob(plain.encoder(x), plain.decoder, x) is None
