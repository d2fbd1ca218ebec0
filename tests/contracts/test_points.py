"""What every posterior of the table keeps to that has no density: z, its gradient, and that nothing takes ln q."""

import pytest
import torch

from vae_rd.experiment import tables
from vae_rd.model.posteriors.base import Draw
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.model.terms import Group

from helpers.members import LATENT_DIM, gradients, posterior

WORDS = [word for word in tables.POSTERIORS if not posterior(word).has_density]
pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", WORDS)]
B, S = 5, 3


def features() -> torch.Tensor:
    return torch.randn(B, 4, generator=torch.Generator().manual_seed(1))


def noise(q, seed: int = 2) -> torch.Tensor:
    return torch.randn(S, *q.batch_shape, q.noise_dim, generator=torch.Generator().manual_seed(seed))


def test_z_is_a_function_of_x_whatever_the_noise(word):
    q = posterior(word)(features())
    z = q.from_noise(noise(q)).z
    assert z.shape == (S, B, LATENT_DIM)
    assert z.dtype == torch.float64
    assert torch.equal(z, q.from_noise(noise(q, 3)).z)
    mean, variance = q.moments()
    assert torch.equal(z, mean.expand(z.shape))
    assert (variance == 0).all()


def test_nothing_takes_its_density(word):
    q = posterior(word)(features())
    assert not q.has_density
    with pytest.raises(NotImplementedError):
        q.log_prob(q.from_noise(noise(q)).z)
    group = Group(Draw(q.from_noise(noise(q)).z), q, StandardNormal(torch.zeros(LATENT_DIM)))
    assert group.rate is None
    assert group.rate_per_dim is None


def test_gradients_reach_every_parameter_through_z(word):
    head = posterior(word)
    q = head(features())
    assert q.has_rsample
    assert gradients(head, q.from_noise(noise(q)).z.square().sum()) == []


def test_a_split_taken_in_parts_is_the_whole(word):
    head, x = posterior(word), features()
    joined = head(x).cat([head(part) for part in x.split(2)])
    assert torch.allclose(joined.mean, head(x).mean)
    assert torch.equal(joined.part(slice(2)).mean, joined.mean[:2])
    assert not joined.detached().mean.requires_grad
    assert head.bfloat16()(x.bfloat16()).mean.dtype == torch.float32
