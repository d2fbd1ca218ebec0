"""The learned mixture m(z), against torch's own mixture and the moments of a mixture."""

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.mixture import Mixture, MixturePrior

K, D = 4, 3


def parameters(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    noise = torch.Generator().manual_seed(0)
    shapes = ((K,), (K, D), (K, D))
    return tuple(torch.randn(shape, generator=noise, dtype=torch.float64).to(dtype) for shape in shapes)


def of_torch(logits, mean, log_var) -> MixtureSameFamily:
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(mean, (0.5 * log_var).exp()), 1))


def test_the_density_is_that_of_torchs_mixture():
    logits, mean, log_var = parameters()
    z = torch.randn(7, 5, D, dtype=torch.float64)
    m = Mixture(DiagonalNormal(mean, log_var), logits)
    assert torch.allclose(m.log_prob(z), of_torch(logits, mean, log_var).log_prob(z), rtol=1e-12, atol=1e-12)


def test_draws_have_the_moments_of_a_mixture():
    logits, mean, log_var = parameters()
    exact, n = of_torch(logits, mean, log_var), 40_000
    z = Mixture(DiagonalNormal(mean, log_var), logits).sample((n,), generator=torch.Generator().manual_seed(1))
    stderr = (exact.variance / n).sqrt()
    assert (stderr < 0.02).all()
    assert ((z.mean(0) - exact.mean).abs() < 4 * stderr).all()
    assert torch.allclose(z.var(0), exact.variance, rtol=0.05)


def test_narrow_components_keep_their_digits_in_single_precision():
    logits, mean, _ = parameters()
    log_var = torch.full_like(mean, -16.0)
    z = mean[[2]] + 1e-4
    exact = of_torch(logits, mean, log_var).log_prob(z)
    single = (tensor.float() for tensor in (mean, log_var, logits))
    mean32, log_var32, logits32 = single
    m = Mixture(DiagonalNormal(mean32, log_var32), logits32)
    found = m.log_prob(mean32[[2]] + 1e-4)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), exact, atol=1e-2)  # One rounding of z is 2e-4 of such a sigma.


@pytest.mark.usefixtures("float64")
def test_it_begins_near_the_standard_normal_with_components_that_differ():
    """KL(N(0, I) || m) by draws: what one component costs against the normal prior at the first step."""
    m, z = MixturePrior(16, components=10)(), torch.randn(4_000, 16)
    excess = Normal(0.0, 1.0).log_prob(z).sum(-1) - m.log_prob(z)
    assert 4 * excess.std() / 4_000**0.5 < 0.1
    assert 0 < excess.mean() < 1.0
    of_many = MixturePrior(2, components=20_000)().components
    assert (of_many.mean.var(0) + of_many.variance.mean(0) - 1).abs().max() < 0.01, "together of variance 1"
    pairs = torch.cdist(m.components.mean, m.components.mean)
    assert (pairs + torch.eye(10) > 0.5).all()
