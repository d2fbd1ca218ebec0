"""KL between Gaussians: torch's, the general formula, closed forms where a covariance is all but singular."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from vae_rd.functional.gaussians import Gaussian, kl_by_units

pytestmark = pytest.mark.usefixtures("float64")
D = 5


def some(seed: int, *batch: int) -> Gaussian:
    noise = torch.Generator().manual_seed(seed)
    tril = torch.randn(*batch, D, D, generator=noise).tril(-1)
    scale = torch.randn(*batch, D, generator=noise).exp()
    return Gaussian(torch.randn(*batch, D, generator=noise), tril + torch.diag_embed(scale))


def two(scale: float) -> Gaussian:
    """Two units of variance 1 + scale^2 and 1 whose second, given the first, has this standard deviation."""
    return Gaussian(torch.zeros(2), torch.tensor([[1.0, 0.0], [1.0, scale]]))


def test_it_is_torchs():
    q, p = some(0, 7), some(1, 7)
    torchs = kl_divergence(*(MultivariateNormal(g.mean, scale_tril=g.scale_tril) for g in (q, p)))
    assert torch.allclose(kl_by_units(q, p).sum(-1), torchs, rtol=1e-10)


@pytest.mark.parametrize("coarse", [0, 1])
def test_of_two_precisions_the_finer_one_counts(coarse):
    both = [some(0, 7), some(1, 7)]
    both[coarse] = Gaussian(*(part.float() for part in both[coarse]))
    found = kl_by_units(*both)
    assert found.dtype == torch.float64
    assert torch.allclose(found, kl_by_units(*(Gaussian(*(part.double() for part in g)) for g in both)), rtol=1e-12)


def test_it_is_the_general_formula():
    """0.5 (tr(P^-1 Q) + (m_p - m_q)^T P^-1 (m_p - m_q) - D + ln det P - ln det Q)."""
    q, p = some(2, 4), some(3)
    big_q, big_p = q.scale_tril @ q.scale_tril.mT, p.scale_tril @ p.scale_tril.mT
    inverse, shift = torch.linalg.inv(big_p), p.mean - q.mean
    trace = (inverse @ big_q).diagonal(dim1=-2, dim2=-1).sum(-1)
    square = torch.einsum("bi,ij,bj->b", shift, inverse, shift)
    exact = 0.5 * (trace + square - D + torch.logdet(big_p) - torch.logdet(big_q))
    assert torch.allclose(kl_by_units(q, p).sum(-1), exact, rtol=1e-9)


def test_parts_are_those_of_the_chain_rule_and_of_units_where_these_are_independent():
    q, p = some(4, 3), some(5)
    assert (kl_by_units(q, p) >= 0).all()
    assert kl_by_units(p, p).abs().max() < 1e-12
    first = (g.scale_tril[..., :2, :2] for g in (q, p))
    marginal = kl_by_units(*(Gaussian(g.mean[..., :2], tril) for g, tril in zip((q, p), first, strict=True)))
    assert torch.allclose(kl_by_units(q, p)[..., :2], marginal), "that of the first units does not know the later ones"
    mean, sigma = torch.randn(3, D), torch.rand(3, D) + 0.1
    units = 0.5 * (mean.square() + sigma.square() - 1 - 2 * sigma.log())
    standard = Gaussian(torch.zeros(D), torch.eye(D))
    assert torch.allclose(kl_by_units(Gaussian(mean, torch.diag_embed(sigma)), standard), units)


@pytest.mark.parametrize("scale", [1e-3, 1e-8, 1e-150])
def test_all_but_singular_covariances_keep_their_digits(scale):
    standard = Gaussian(torch.zeros(2), torch.eye(2))
    assert kl_by_units(two(scale), standard).tolist() == pytest.approx([0.0, 0.5 * (scale**2) - math.log(scale)])
    back = kl_by_units(standard, two(scale)).tolist()  # (z_2 - z_1) / scale of two independent units has variance 2.
    assert back == pytest.approx([0.0, 0.5 * (2 / scale**2 - 1) + math.log(scale)])


def test_draws_agree():
    q, p, n = some(6), some(7), 20_000
    of_q, of_p = (MultivariateNormal(g.mean, scale_tril=g.scale_tril) for g in (q, p))
    z = of_q.sample((n,))
    values = of_q.log_prob(z) - of_p.log_prob(z)
    exact, stderr = kl_by_units(q, p).sum(), values.std() / math.sqrt(n)
    assert stderr < 0.05 * exact
    assert (values.mean() - exact).abs() < 4 * stderr
