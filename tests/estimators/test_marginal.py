"""A fitted marginal against the entropy of what it is fitted to, by quadrature."""

import math

import pytest
import torch

from vae_rd.estimators.marginal import fit_marginal
from vae_rd.model.coders import Encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.vamp import VampPrior

pytestmark = pytest.mark.usefixtures("float64")
MEANS, SCALE = torch.tensor([-2.0, 1.0]), 0.4


def drawn(n: int, seed: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(seed)
    which = torch.randint(2, (n,), generator=noise)
    return (MEANS[which] + SCALE * torch.randn(n, generator=noise))[:, None]


def entropy() -> float:
    """Of an even mixture of two normals, on a grid."""
    z = torch.linspace(-8, 8, 20_001)
    density = torch.distributions.Normal(MEANS, SCALE).log_prob(z[:, None]).logsumexp(-1) - math.log(2)
    return -(density.exp() * density).sum().item() * 16 / 20_000


def test_it_comes_down_to_the_entropy_of_the_aggregate_posterior():
    torch.manual_seed(0)
    head, batches = MixturePrior(1, components=4), iter(range(10_000))
    held_out = drawn(20_000, -1)
    cost = fit_marginal(head, lambda: drawn(200, next(batches)), lambda: held_out, steps=400, lr=0.05)
    each = -head().log_prob(held_out)
    assert cost == pytest.approx(each.mean().item())
    assert -4 * each.std().item() / math.sqrt(20_000) < cost - entropy() < 0.02


def test_the_best_on_held_out_draws_is_kept_where_the_descent_leads_away_from_it():
    torch.manual_seed(0)
    head = MixturePrior(1, components=1)
    before = -head().log_prob(drawn(500, 0)).mean().item()
    cost = fit_marginal(head, lambda: drawn(200, 1) + 40, lambda: drawn(500, 0), steps=80, lr=0.1)
    assert cost <= before
    assert -head().log_prob(drawn(500, 0)).mean().item() == pytest.approx(cost)


def test_the_encoder_behind_a_vamp_prior_stays_as_it_is_without_a_gradient():
    encoder = Encoder(torch.nn.Flatten(), DiagonalPosterior(2, 1))
    before = [parameter.clone() for parameter in encoder.parameters()]
    head = VampPrior(encoder, (1, 1, 2), components=3)
    inputs = head.inputs.clone()
    fit_marginal(head, lambda: drawn(50, 0), lambda: drawn(50, 1), steps=40, lr=0.1)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), before, strict=True))
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not torch.equal(head.inputs, inputs)
