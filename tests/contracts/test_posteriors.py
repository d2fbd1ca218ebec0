"""What every posterior of the table keeps to that has a density; a new one gets all of it by its row."""

import pytest
import torch

from vae_rd.experiment import tables

from helpers.members import LATENT_DIM, every_z, gradients, is_one, posterior, stacked

WORDS = [word for word in tables.POSTERIORS if posterior(word).has_density]
pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", WORDS)]
B, S = 5, 3
CHUNK = 10_000  # Points of a grid at a time.


def features(n: int = B) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1))


def noise(q, draws: int = S) -> torch.Tensor:
    return torch.randn(draws, *q.batch_shape, q.noise_dim, generator=torch.Generator().manual_seed(2))


def points_of(q) -> int:
    """Of a grid along each unit: fewer where ln q of a pair takes the inverse of a network."""
    return 501 if q.most_compared is None else 201


def test_shapes_and_precision(word):
    q = posterior(word)(features())
    z, log_q = q.from_noise(noise(q))
    assert (q.batch_shape, q.event_shape) == ((B,), (LATENT_DIM,))
    head = posterior(word)
    assert q.noise_dim == (head.noise_dim or LATENT_DIM)
    assert (q.has_density, q.has_rsample, q.most_compared) == (head.has_density, head.has_rsample, head.most_compared)
    assert z.shape == (S, B, LATENT_DIM)
    assert q.log_prob(z).shape == (S, B)
    assert z.dtype == q.log_prob(z).dtype == torch.float64
    assert log_q is None or torch.allclose(log_q, q.log_prob(z))


def test_half_precision_features_give_single_precision_densities(word):
    head = posterior(word).bfloat16()
    q = head(features().bfloat16())
    assert {tensor.dtype for tensor in q.tensors} == {torch.float32}
    assert q.log_prob(q.from_noise(noise(q).float()).z).dtype == torch.float32


@torch.no_grad()
def test_the_density_is_one_in_sum(word):
    head = posterior(word)
    q = head(features(3))

    def total(points: int) -> torch.Tensor:
        z, volume = every_z(head, points)
        return sum(q.pairwise_log_prob(part).exp().sum(0) for part in z.split(CHUNK)) * volume

    assert is_one(total, points_of(q))


@torch.no_grad()
def test_draws_have_the_stated_density_and_moments(word):
    """The share of draws that have z_0 above about 0.3, and their means, within 4 standard errors."""
    head, n = posterior(word), 20_000
    q = head(features(3))
    draws = q.from_noise(noise(q, n)).z
    z, volume = every_z(head, points_of(q))
    values = z[:, 0].unique()
    edge = (values[values <= 0.3].max() + values[values > 0.3].min()) / 2  # Where cells of the grid meet.
    share = sum(((part[:, :1] > edge) * q.pairwise_log_prob(part).exp()).sum(0) for part in z.split(CHUNK)) * volume
    seen = (draws[..., 0] > edge).double()
    assert ((seen.mean(0) - share).abs() < 4 * (share * (1 - share) / n).sqrt() + 5e-3).all()
    if (moments := q.moments()) is not None:
        assert ((draws.mean(0) - moments.mean).abs() < 4 * (moments.variance / n).sqrt()).all()
        assert torch.allclose(draws.var(0), moments.variance, rtol=0.1)


def test_all_pairs_are_every_z_under_every_x(word):
    q = posterior(word)(features())
    z = q.from_noise(noise(q, 1)).z[0]
    pairs = q.pairwise_log_prob(z)
    assert torch.allclose(pairs.diagonal(), q.log_prob(z))
    assert torch.allclose(pairs[:, 2], posterior(word)(features()[2:3]).log_prob(z[:, None])[:, 0])


def test_a_split_taken_in_parts_is_the_whole(word):
    head, x = posterior(word), features()
    q, parts = head(x), [head(part) for part in x.split(2)]
    z = q.from_noise(noise(q)).z
    joined = q.cat(parts)
    assert torch.allclose(joined.log_prob(z), q.log_prob(z))
    assert torch.allclose(joined.part(slice(2)).log_prob(z[:, :2]), q.log_prob(z)[:, :2])
    assert not joined.detached().log_prob(z.detach()).requires_grad
    assert q.to("cpu", torch.float32).log_prob(z.float()).dtype == torch.float32


def test_the_information_of_a_split_lies_between_nothing_and_ln_n(word):
    q = posterior(word)(10 * features(50))
    sides = q.information(q.from_noise(noise(q)).z)
    assert sides.lower.shape == sides.leave_one_out.shape == (S, 50)
    assert -0.05 < sides.lower.mean() < torch.tensor(50.0).log() + 1e-9


@torch.no_grad()
def test_information_is_measured_in_the_precision_of_the_draws(word):
    q = posterior(word).float()(features().float()).detached()
    z = q.from_noise(noise(q).float()).z.double()
    found, wanted = q.information(z), q.to("cpu", torch.float64).information(z)
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(found, wanted, strict=True))


def test_the_information_of_some_examples_is_theirs_among_all(word):
    q = posterior(word)(10 * features(50))
    z, index = q.from_noise(noise(q)).z, torch.tensor([3, 49])
    for some, of_all in zip(q.information(z[:, index], index=index), q.information(z), strict=True):
        assert torch.allclose(some, of_all[:, index])


def test_gradients_reach_every_parameter_and_draws_carry_them_where_they_say_so(word):
    head = posterior(word)
    q = head(features())
    draw = q.from_noise(noise(q))
    assert gradients(head, q.log_prob(draw.z.detach()).square().sum()) == []
    assert draw.z.requires_grad == q.has_rsample == head.has_rsample
    if q.has_rsample:
        assert gradients(head, draw.z.square().sum()) == []


def test_coordinates_of_the_family_begin_at_the_member_itself(word):
    q = posterior(word)(features())
    z = q.from_noise(noise(q)).z
    if not q.perturbations:
        with pytest.raises(NotImplementedError):
            q.perturbed(torch.zeros(1, B, LATENT_DIM))
        return
    change = torch.zeros(q.perturbations, B, LATENT_DIM)
    assert torch.allclose(q.perturbed(change).log_prob(z), q.log_prob(z))
    assert not torch.allclose(q.perturbed(change + 0.1).log_prob(z), q.log_prob(z))


def test_factors_are_independent_normals(word):
    q = posterior(word)(features())
    if (factors := q.factors()) is not None:
        z = q.from_noise(noise(q)).z
        each = torch.distributions.Normal(factors.mean, factors.variance.sqrt()).log_prob(z).sum(-1)
        assert torch.allclose(each, q.log_prob(z))


def test_examples_do_not_see_each_other_and_nothing_is_drawn_unasked(word):
    head, x = posterior(word).eval(), features()
    z = head(x).from_noise(noise(head(x))).z
    before = torch.random.get_rng_state()
    assert torch.equal(head(x).log_prob(z), head(x).log_prob(z))
    assert torch.allclose(head(x[1:3]).log_prob(z[:, 1:3]), head(x).log_prob(z)[:, 1:3])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_saved_weights_bring_it_back(word):
    head, other = posterior(word), posterior(word, seed=1)
    q = head(features())
    z = q.from_noise(noise(q)).z
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(features()).log_prob(z), q.log_prob(z))


def test_many_are_one_call_over_stacked_parameters(word):
    heads = [posterior(word, seed=seed) for seed in range(3)]
    x, eps = features(), noise(heads[0](features()))

    def call(head, x, eps):
        q = head(x)
        z = q.from_noise(eps).z
        return torch.cat([z.flatten(), q.log_prob(z).flatten()])

    assert torch.allclose(stacked(heads, call, x, eps), torch.stack([call(head, x, eps) for head in heads]))
