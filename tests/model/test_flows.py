"""Flows: ln |det| against autograd's Jacobian, inverses, order, and what half precision or a missing zuko change."""

import sys

import pytest
import torch

import vae_rd
from vae_rd.errors import InputError
from vae_rd.model.nn.flows import Flow
from vae_rd.model.priors.flow import FlowPrior

from helpers.members import moved

D, CONTEXT = 4, 3
KINDS = {"affine": None, "spline": 8}
pytestmark = pytest.mark.usefixtures("float64")


def flow(kind: str, *, context: int = 0, units: int = D) -> Flow:
    torch.manual_seed(0)
    return moved(Flow(units, transforms=3, context=context, bins=KINDS[kind], word="a test"))


@pytest.mark.parametrize("context", [0, CONTEXT])
@pytest.mark.parametrize("kind", KINDS)
def test_log_det_is_that_of_autograds_jacobian_both_ways(kind, context):
    f, h = flow(kind, context=context), torch.randn(context) if context else None
    for z in (torch.randn(D), 3 * torch.randn(D)):
        jacobian = torch.autograd.functional.jacobian(lambda v: f(v, h)[0], z)
        noise, log_det = f(z, h)
        assert torch.allclose(log_det, torch.linalg.slogdet(jacobian).logabsdet, atol=1e-9)
        assert (jacobian - torch.eye(D)).abs().max() > 0.05, "it has left the identity"
        back, log_det_there = f(noise, h, inverse=True)
        assert torch.allclose(back, z, atol=1e-7)
        assert torch.allclose(log_det_there, log_det, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_one_transform_is_autoregressive(kind):
    torch.manual_seed(0)
    f = moved(Flow(D, transforms=1, bins=KINDS[kind], word="a test"))
    jacobian = torch.autograd.functional.jacobian(lambda v: f(v)[0], torch.randn(D))
    assert (jacobian.triu(1) == 0).all()
    assert (jacobian.diagonal() > 0).all()
    assert (jacobian.tril(-1).abs().sum(1)[1:] > 0).all()


@pytest.mark.parametrize("units", [1, 2, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_the_identity(kind, units):
    z = torch.randn(5, units)
    m = FlowPrior(units, transforms=3, bins=KINDS[kind], word="a test")()
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert torch.allclose(m.log_prob(z), normal, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_invertible_with_one_unit_and_beyond_the_splines(kind):
    f = flow(kind, units=1)
    z = torch.linspace(-30, 30, 101)[:, None]
    assert torch.allclose(f(f(z)[0], inverse=True)[0], z, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_around_it_changes_nothing(kind):
    f, z = flow(kind).float(), torch.randn(5, D, dtype=torch.float32)
    wanted = f(z)
    with torch.autocast("cpu", torch.bfloat16):
        found = f(z)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_without_zuko_a_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "zuko", None)
    monkeypatch.chdir(tmp_path)
    config = vae_rd.FitConfig(prior="maf", n_train=64, batch_size=8, wandb="off")
    with pytest.raises(InputError, match=r"^--prior maf needs zuko: pip install 'vae_rd\[flows\]'$"):
        vae_rd.fit_model(config)
    assert not list(tmp_path.iterdir())
