"""torch's own distributions as q(z|x) and m(z), against torch's densities and divergences in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Distribution,
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    StudentT,
    Uniform,
    kl_divergence,
)

from vae_rd.errors import InputError
from vae_rd.functional.information import two_sided_information
from vae_rd.functional.seeding import generator
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.posteriors.full import FullNormal
from vae_rd.model.torch_distributions import TorchPosterior, posterior_of, prior_of
from vae_rd.model.torch_terms import terms_of

pytestmark = pytest.mark.usefixtures("float64")
B, D = 6, 4
X = torch.ones(B, 1, 2, 2)


def noisy(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def triangular() -> Tensor:
    return noisy(B, D, D).tril(-1) + torch.diag_embed(noisy(B, D).exp())


def pixels(z: Tensor) -> Distribution:
    """Four bits whose logits are sums of z."""
    logits = z.reshape(len(z), -1).sum(1)[:, None, None, None].expand(-1, 1, 2, 2)
    return Independent(Bernoulli(logits=logits), 3)


def normal(*event: int) -> Distribution:
    return Independent(Normal(noisy(B, *event), noisy(B, *event).exp()), len(event))


def states() -> Distribution:
    return OneHotCategorical(logits=noisy(B, D))


PAIRS: dict[str, tuple[Callable[[], Distribution], Distribution | None]] = {
    "normal": (lambda: normal(D), None),
    "normal of rank 3": (lambda: normal(2, 3, 2), None),
    "scalar normal": (lambda: Normal(noisy(B), noisy(B).exp()), None),
    "normal, another normal": (lambda: normal(D), Independent(Normal(noisy(D), noisy(D).exp()), 1)),
    "normal of rank 3, Laplace": (lambda: normal(2, 3, 2), Laplace(noisy(1).squeeze(), 1.0)),
    "full": (lambda: MultivariateNormal(noisy(B, D), scale_tril=triangular()), None),
    "full, full": (
        lambda: MultivariateNormal(noisy(B, D), scale_tril=triangular()),
        MultivariateNormal(noisy(D), scale_tril=triangular()[1]),
    ),
    "Laplace": (lambda: Independent(Laplace(noisy(B, D), noisy(B, D).exp()), 1), None),
    "states": (states, OneHotCategorical(logits=noisy(D))),
    "codes": (
        lambda: Independent(OneHotCategorical(logits=noisy(B, 3, D)), 1),
        Independent(OneHotCategorical(logits=noisy(3, D)), 1),
    ),
    "bits": (lambda: Independent(Bernoulli(logits=noisy(B, D)), 1), Bernoulli(logits=noisy(1).squeeze())),
}


def standard(event: torch.Size) -> Distribution:
    return Independent(Normal(torch.zeros(event), torch.ones(event)), len(event))


def whole(prior: Distribution | None, event: torch.Size) -> Distribution:
    """m(z) as torch's divergences want it, of the batch shape of q."""
    if prior is None:
        m = standard(event)
    else:
        m = prior if prior.event_shape == event else Independent(prior.expand(event), len(event))
    return m.expand([B]) if event else m.base_dist


def exact_rate(q: Distribution, m: Distribution) -> Tensor:
    if isinstance(q, MultivariateNormal) and not isinstance(m, MultivariateNormal):
        m = MultivariateNormal(torch.zeros(D), torch.eye(D)).expand([B])
    return kl_divergence(q, m)


@pytest.mark.parametrize("name", PAIRS)
def test_rate_is_torchs_and_its_draws_agree(name):
    make, prior = PAIRS[name]
    q = make()
    terms = terms_of(X, q, pixels, prior=prior, samples=4000, noise=generator("cpu", 0))
    exact = exact_rate(q, whole(prior, q.event_shape))
    assert terms.is_rate_analytic
    assert torch.allclose(terms.rate, exact.expand(4000, B), rtol=1e-9, atol=1e-12)
    if terms.rate_per_dim is not None:
        assert torch.allclose(terms.rate_per_dim.sum(-1), exact, rtol=1e-9)
        assert terms.rate_per_dim.shape == (B, max(1, q.event_shape.numel()))
    draws = terms.log_ratio
    assert (draws.mean(0) - exact).abs().div(draws.std(0) / 4000**0.5 + 1e-12).max() < 4.5


@pytest.mark.parametrize("name", PAIRS)
def test_density_pairs_and_distortion_are_torchs(name):
    make, prior = PAIRS[name]
    q = make()
    terms = terms_of(X, q, pixels, prior=prior, samples=2, noise=generator("cpu", 0))
    z = terms.z.reshape(2, B, *q.event_shape)
    assert torch.allclose(terms.log_qz, q.log_prob(z), rtol=1e-9)
    assert torch.allclose(terms.log_px_z, torch.stack([pixels(draw.reshape(B, -1)).log_prob(X) for draw in z]))
    pairs = posterior_of(q).pairwise_log_prob(terms.z[0])
    assert torch.allclose(pairs, q.log_prob(z[0][:, None]), rtol=1e-8)


def test_normals_become_families_of_their_own_with_their_moments():
    q = normal(2, 3, 2)
    own = posterior_of(q)
    assert isinstance(own, DiagonalNormal)
    assert torch.allclose(own.mean, q.mean.flatten(1))
    assert torch.allclose(own.variance, q.variance.flatten(1))
    full = MultivariateNormal(noisy(B, D), scale_tril=triangular())
    own = posterior_of(full)
    assert isinstance(own, FullNormal)
    assert torch.allclose(own.variance, full.variance)


def test_without_a_closed_form_the_rate_is_a_draw_and_says_so():
    q, m = Independent(StudentT(5.0, noisy(B, D)), 1), Independent(Laplace(torch.zeros(D), torch.ones(D)), 1)
    terms = terms_of(X, q, pixels, prior=m, noise=generator("cpu", 0))
    assert not terms.is_rate_analytic
    assert torch.equal(terms.rate, q.log_prob(terms.z) - m.log_prob(terms.z))
    assert terms.rate_per_dim is None


def test_information_over_several_batches_is_that_of_all_pairs():
    mu, scale = 3 * noisy(20, D), noisy(20, D).exp()
    q = Independent(Laplace(mu, scale), 1)
    parts = [posterior_of(Independent(Laplace(a, b), 1)) for a, b in zip(mu.split(6), scale.split(6), strict=True)]
    index, z = torch.tensor([1, 7, 8, 19]), mu + 0.3
    joined = TorchPosterior.cat(parts)
    found = joined.information(z[None, index], index=index)
    exact = two_sided_information(
        z[None, index], lambda some: lambda z: q.log_prob(z[:, None])[:, some], 20, index=index
    )
    for a, b in zip(found, exact, strict=True):
        assert torch.allclose(a, b)
    some = joined.part(torch.tensor([2, 8, 13, 19]))
    assert torch.allclose(some.pairwise_log_prob(z), q.log_prob(z[:, None])[:, [2, 8, 13, 19]])


def test_parts_of_several_batches_in_any_order_and_joined_again():
    mu, scale = 3 * noisy(20, D), noisy(20, D).exp()
    q, z = Independent(Laplace(mu, scale), 1), mu + 0.3
    batches = [posterior_of(Independent(Laplace(a, b), 1)) for a, b in zip(mu.split(6), scale.split(6), strict=True)]
    order = torch.tensor([19, 3, 13, 2, 3, 18])
    some = TorchPosterior.cat(batches).part(order)
    again = TorchPosterior.cat([some, batches[1]]).part(torch.tensor([6, 5, 0, 1]))
    for part, wanted in ((some, order), (some.part(slice(1, 3)), order[1:3]), (again, torch.tensor([6, 18, 19, 3]))):
        assert torch.equal(part.pairwise_log_prob(z), q.log_prob(z[:, None])[:, wanted])
        assert torch.equal(part.moments().mean, mu[wanted])
        assert part.batch_shape == wanted.shape
    assert len(some.part(slice(1, 3)).parts) == 2, "batches of which nothing is asked are let go"


def test_draws_are_a_function_of_the_noise_and_leave_torchs_stream_alone():
    q = Independent(Laplace(noisy(B, D), 1.0), 1)
    before = torch.random.get_rng_state()
    a, b = (terms_of(X, q, pixels, samples=3, noise=generator("cpu", 7)).z for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, terms_of(X, q, pixels, samples=3, noise=generator("cpu", 8)).z)
    assert torch.equal(before, torch.random.get_rng_state())


def test_draws_carry_a_gradient_where_torchs_do():
    loc = noisy(B, D).requires_grad_()
    terms = terms_of(X, Independent(Laplace(loc, 1.0), 1), pixels, noise=generator("cpu", 0))
    (terms.distortion + terms.rate).mean().backward()
    assert loc.grad.abs().min() > 0


def bits(z: Tensor) -> Distribution:
    return Bernoulli(logits=torch.zeros(len(z), 1, 2, 2))


class Halfway(Bernoulli):
    """One that says it is over whole examples, and sums over nothing."""

    def __init__(self, n: int) -> None:
        super().__init__(logits=torch.zeros(n, 1, 2, 2))
        self._batch_shape, self._event_shape = torch.Size([n]), torch.Size([1, 2, 2])


WRONG = {
    "encoder: it returned a tensor of shape [6, 4]": lambda: terms_of(X, noisy(B, D), pixels),
    "Normal has batch shape [6, 4], not that of examples": lambda: terms_of(X, Normal(noisy(B, D), 1.0), pixels),
    "decoder: it returned a tensor of shape [6, 4]": lambda: terms_of(X, normal(D), lambda z: z),
    "Bernoulli has batch shape [6, 1, 2, 2] and events []": lambda: terms_of(X, normal(D), bits).log_px_z,
    "log_prob of x [6, 1, 2, 2] has shape [6, 1, 2, 2]": lambda: (
        terms_of(X, normal(D), lambda z: Halfway(len(z))).log_px_z
    ),
    "binarise x": lambda: terms_of(X / 2, normal(D), pixels).log_px_z,
    "bring x there": lambda: terms_of(X + 1, normal(D), lambda z: Independent(Uniform(0 * X, X), 3)).log_px_z,
    "z is discrete": lambda: terms_of(X, states(), pixels),
    "prior: it is a tensor": lambda: prior_of(noisy(D), noisy(D), event=[D]),
    "prior: it is of shape [3], z of [4]": lambda: terms_of(X, normal(D), pixels, prior=Normal(noisy(3), 1.0)),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_no_distribution_of_an_example_is_refused_in_words(words):
    with pytest.raises(InputError) as refused:
        WRONG[words]()
    assert words in str(refused.value)
