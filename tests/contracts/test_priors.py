"""What every prior of the table keeps to; a new one gets all of it by its row."""

import pytest
import torch

from vae_rd.experiment import tables

from helpers.members import LATENT_DIM, every_z, gradients, held, is_one, prior, stacked

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", tables.PRIORS)]


def draws(m, n: int, seed: int = 0) -> torch.Tensor:
    return m.sample((n,), generator=torch.Generator().manual_seed(seed))


def test_shapes_and_precision(word):
    head = prior(word)
    m = head()
    z = m.sample((4, 3), generator=torch.Generator())
    assert (m.batch_shape, m.event_shape) == ((), (LATENT_DIM,))
    assert z.shape == (4, 3, LATENT_DIM)
    assert m.log_prob(z).shape == (4, 3)
    assert z.dtype == m.log_prob(z).dtype == torch.float64
    assert m.is_continuous == head.is_continuous


def test_draws_are_of_the_parameters_precision_whatever_the_default(word):
    assert draws(held(word).float()(), 3).dtype == torch.float32


def test_the_density_is_one_in_sum(word):
    head = prior(word)

    def total(points: int) -> torch.Tensor:
        z, volume = every_z(head, points)
        return head().log_prob(z).exp().sum() * volume

    assert is_one(total, 301)


def test_draws_have_the_stated_density(word):
    """The share of draws that have z_0 above 0.35, midway between points of the grid, within 4 standard errors."""
    head, n = prior(word), 40_000
    z, volume = every_z(head, 201)
    share = ((z[:, 0] > 0.35) * head().log_prob(z).exp()).sum().item() * volume
    seen = (draws(head(), n)[:, 0] > 0.35).double().mean().item()
    assert abs(seen - share) < 4 * (share * (1 - share) / n) ** 0.5 + 5e-3


def test_draws_come_from_the_stream_that_is_given_and_no_other(word):
    m = prior(word)()
    before = torch.random.get_rng_state()
    assert torch.equal(draws(m, 50), draws(m, 50))
    assert not torch.equal(draws(m, 50), draws(m, 50, seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_units_add_up_where_it_factorises(word):
    m = prior(word)()
    z = draws(m, 7)
    if (units := m.log_prob_per_dim(z)) is not None:
        assert units.shape == z.shape
        assert torch.allclose(units.sum(-1), m.log_prob(z))


def test_gradients_reach_every_parameter(word):
    head = prior(word)
    if list(head.parameters()):
        assert gradients(head, head().log_prob(draws(head(), 7)).square().sum()) == []


def test_saved_weights_bring_it_back(word):
    head, other = held(word), held(word, seed=1)
    z = draws(head(), 7)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other().log_prob(z), head().log_prob(z))


def test_many_are_one_call_over_stacked_parameters(word):
    heads = [held(word, seed=seed) for seed in range(3)]
    z = draws(heads[0](), 7)

    def call(head, z):
        return head().log_prob(z)

    assert torch.allclose(stacked(heads, call, z), torch.stack([call(head, z) for head in heads]))
