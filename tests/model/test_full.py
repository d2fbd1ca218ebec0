"""The normal q(z|x) of any covariance, against torch's and against products in half precision."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.posteriors.full import FullNormal, FullPosterior
from vae_rd.model.priors.normal import StandardNormal

B, D = 4, 5


def full(dtype: torch.dtype = torch.float64, *, least: float = 0.0) -> FullNormal:
    noise = torch.Generator().manual_seed(0)
    mu, log_var = torch.randn(2, B, D, generator=noise, dtype=torch.float64)
    lower = torch.randn(B, D, D, generator=noise, dtype=torch.float64).tril(-1)
    return FullNormal(mu, log_var + least, lower).to("cpu", dtype)


def of_torch(q: FullNormal) -> MultivariateNormal:
    return MultivariateNormal(q.mu, scale_tril=q.gaussian.scale_tril)


def test_density_moments_and_pairs_are_torchs():
    q, z = full(), 3 * torch.randn(3, B, D, dtype=torch.float64)
    exact = of_torch(q)
    assert torch.allclose(q.log_prob(z), exact.log_prob(z), rtol=1e-10)
    assert torch.allclose(q.variance, exact.variance)
    assert torch.allclose(q.pairwise_log_prob(z[0]), exact.log_prob(z[0][:, None]), rtol=1e-10)
    draw = q.from_noise(torch.randn(3, B, D, dtype=torch.float64))
    assert torch.allclose(draw.log_prob, exact.log_prob(draw.z), rtol=1e-10)


def test_pairs_keep_their_digits_where_the_covariance_is_all_but_singular():
    q = full(least=-20.0)
    z = q.from_noise(torch.randn(1, B, D, dtype=torch.float64)).z[0]
    own = q.pairwise_log_prob(z).diagonal()
    assert torch.allclose(own, q.log_prob(z), atol=1e-4)


def test_of_two_precisions_the_finer_one_counts():
    """A triangular solve takes the matrix's, and says nothing: 7 digits of z would be left of 16."""
    q, z = full(torch.float32), 3 * torch.randn(3, B, D, dtype=torch.float64)
    assert torch.allclose(q.log_prob(z), of_torch(q.to("cpu", torch.float64)).log_prob(z), rtol=1e-12)
    q, z = full(), z.float()
    assert torch.allclose(q.log_prob(z), of_torch(q).log_prob(z.double()), rtol=1e-12)


def test_pairs_are_of_one_precision():
    with pytest.raises(RuntimeError, match="same dtype"):
        full(torch.float32).pairwise_log_prob(torch.randn(3, D, dtype=torch.float64))


def test_half_precision_around_it_changes_nothing():
    q, eps = full(torch.float32), torch.randn(3, B, D)
    m = StandardNormal(torch.zeros(D))
    wanted = q.from_noise(eps).z, q.log_prob(eps), rate_per_dim(q, m)
    with torch.autocast("cpu", torch.bfloat16):
        found = q.from_noise(eps).z, q.log_prob(eps), rate_per_dim(q, m)
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b)


def test_a_diagonal_one_is_the_diagonal_family():
    q = full()
    q = FullNormal(q.mu, q.log_var, 0 * q.lower)
    diagonal, m = DiagonalNormal(q.mu, q.log_var), StandardNormal(q.mu[0])
    z = torch.randn(3, B, D, dtype=torch.float64)
    assert torch.allclose(q.log_prob(z), diagonal.log_prob(z))
    assert torch.allclose(rate_per_dim(q, m), rate_per_dim(diagonal, m))
    assert torch.allclose(q.pairwise_log_prob(z[0]), diagonal.pairwise_log_prob(z[0]))


@pytest.mark.usefixtures("float64")
def test_the_head_begins_without_correlations_and_writes_below_the_diagonal_alone():
    head = FullPosterior(3, D)
    x = torch.randn(2, 3)
    assert (head(x).lower == 0).all()
    torch.nn.init.normal_(head.head.weight)
    lower = head(x).lower
    assert (lower.triu() == 0).all()
    assert (lower != 0).sum() == 2 * D * (D - 1) / 2
    assert len(lower[0].unique()) == 1 + D * (D - 1) / 2


def test_its_coordinates_are_draws_of_the_mean_log_variances_and_columns_below_the_diagonal():
    q, change = full(), torch.randn(2 + D, B, D, dtype=torch.float64)
    moved = q.perturbed(change)
    assert torch.allclose(moved.mu, q.mu + (of_torch(q).scale_tril @ change[0][..., None])[..., 0])
    assert torch.allclose(moved.log_var, q.log_var + change[1])
    for row in range(D):
        for column in range(D):
            by = change[2 + column, :, row] if row > column else torch.zeros(B)
            assert torch.allclose(moved.lower[:, row, column] - q.lower[:, row, column], by.double())
