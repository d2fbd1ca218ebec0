"""IAF: ln q by sampling against the inverse and autograd, its copies, and how its information is bounded."""

import math

import pytest
import torch
from torch.distributions import Normal

from vae_rd.config.fields import FitConfig
from vae_rd.data.dataset import DataSet
from vae_rd.data.sprites import sprites
from vae_rd.experiment import build
from vae_rd.metrics.split import evaluate_split
from vae_rd.model.posteriors.iaf import FlowedNormal, FlowedPosterior

from helpers.members import moved

B, D = 3, 4
pytestmark = pytest.mark.usefixtures("float64")


def iaf() -> FlowedNormal:
    torch.manual_seed(0)
    return moved(FlowedPosterior(5, D, transforms=2, word="a test"))(torch.randn(B, 5))


def test_log_q_of_a_draw_is_by_autograds_jacobian():
    q, eps = iaf(), torch.randn(2, B, D)
    z, log_q = q.from_noise(eps)
    for b in range(B):
        one = q.part(slice(b, b + 1))
        jacobian = torch.autograd.functional.jacobian(
            lambda e, one=one: one.from_noise(e[None, None]).z[0, 0], eps[0, b]
        )
        exact = Normal(0.0, 1.0).log_prob(eps[0, b]).sum() - torch.linalg.slogdet(jacobian).logabsdet
        assert torch.allclose(log_q[0, b], exact, atol=1e-9)
    assert torch.allclose(q.log_prob(z), log_q, atol=1e-8)


def test_a_detached_one_stays_as_it_is_while_the_flow_is_trained():
    q, z = iaf(), torch.randn(2, B, D)
    kept, before = q.detached(), q.log_prob(z)
    with torch.no_grad():
        for parameter in q.flow.parameters():
            parameter.add_(0.1)
    assert torch.equal(kept.log_prob(z), before)
    assert not torch.equal(q.log_prob(z), before)


def test_it_begins_as_the_diagonal_normal():
    q, z = FlowedPosterior(5, D, transforms=3, word="a test")(torch.randn(B, 5)), torch.randn(2, B, D)
    exact = Normal(q.mu, (0.5 * q.log_var).exp()).log_prob(z).sum(-1)
    assert torch.allclose(q.log_prob(z), exact)


def test_where_pairs_are_dear_a_part_of_the_split_bounds_the_information(monkeypatch):
    """With the flow the identity it is the diagonal family, whose information over the whole split is exact."""
    data = DataSet(sprites(), n_train=150)
    flags = FitConfig(posterior="iaf", latent_dim=2, hidden=[8], n_train=150)
    model = build.build_model(flags, data.card).double()
    monkeypatch.setattr(FlowedNormal, "most_compared", None)
    whole = evaluate_split(model, data, "train", slope=1.0, seed=0, samples=2)
    monkeypatch.setattr(FlowedNormal, "most_compared", (40, 80))
    part = evaluate_split(model, data, "train", slope=1.0, seed=0, samples=2)
    exact, lower = whole["mutual_information_lower"], part["mutual_information_lower"]
    upper = part["mutual_information_leave_one_out"]
    assert (exact["kind"], exact["n"], exact["cap"]) == ("empirical", 150, pytest.approx(math.log(150)))
    assert (lower["kind"], lower["n"], lower["cap"]) == ("bound", 40, pytest.approx(math.log(80)))
    assert part["mutual_information_upper"]["method"] in ("rate", "leave_one_out")
    assert part["decoder_kl"]["value"] is None
    assert lower["value"] - 4 * lower["stderr"] < exact["value"] < upper["value"] + 4 * upper["stderr"]
