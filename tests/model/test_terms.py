"""Terms add up over groups of latents, can be stated, and refuse a loss that would train no encoder."""

import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.functional.rate_distortion import rate_distortion
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model import generative
from vae_rd.model.likelihoods.bernoulli import BernoulliImage
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.model.terms import DrawnTerms, Group, Terms

from helpers.families import sprites_card
from helpers.members import card, posterior

pytestmark = pytest.mark.usefixtures("float64")
S, B = 3, 5
X = torch.ones(B, 1, 1, 3, dtype=torch.float64)


def pixels() -> BernoulliImage:
    return BernoulliImage(torch.zeros(S, B, 1, 1, 3))


def group(dims: int) -> Group:
    q = DiagonalNormal(torch.randn(B, dims), torch.randn(B, dims))
    return Group(q.from_noise(torch.randn(S, B, dims)), q, StandardNormal(torch.zeros(dims)))


def test_two_groups_are_one_of_their_product():
    a, b = group(2), group(1)
    joint = DiagonalNormal(
        *(torch.cat(parts, -1) for parts in zip(a.posterior.tensors, b.posterior.tensors, strict=True))
    )
    terms = DrawnTerms(x=X, groups=[a, b], likelihood=pixels())
    z = torch.cat([a.z, b.z], -1)
    assert torch.equal(terms.z, z)
    assert torch.allclose(terms.log_qz, joint.log_prob(z))
    assert torch.allclose(terms.log_mz, StandardNormal(torch.zeros(3)).log_prob(z))
    assert terms.rate_per_dim.shape == (B, 3)
    assert torch.allclose(terms.rate, terms.rate_per_dim.sum(-1).expand(S, B))
    assert torch.equal(terms.moments.mean, joint.moments().mean)
    assert torch.allclose(terms.distortion, -pixels().log_prob(X))


def test_a_group_without_a_closed_form_leaves_the_units_undefined_and_the_rate_to_draws():
    a, b = group(2), group(1)
    b.prior = torch.distributions.Independent(torch.distributions.Laplace(torch.zeros(1), torch.ones(1)), 1)
    terms = DrawnTerms(x=X, groups=[a, b], likelihood=pixels())
    assert terms.rate_per_dim is None
    assert torch.allclose(terms.rate, a.rate + b.log_qz - b.log_mz)


def test_stated_terms_leave_undefined_what_was_not_stated():
    terms = Terms.stated(log_px_z=torch.zeros(S, B))
    assert (terms.rate, terms.rate_per_dim, terms.moments) == (None, None, None)
    assert Terms.stated(log_px_z=torch.zeros(S, B), rate=torch.ones(B)).rate.shape == (S, B)


def test_draws_without_a_gradient_train_nothing_and_are_refused():
    q = posterior("categorical")(torch.randn(B, 4))
    drawn = Group(q.from_noise(torch.randn(S, B, q.noise_dim)), q, StandardNormal(torch.zeros(2)))
    terms = DrawnTerms(x=X, groups=[drawn], likelihood=pixels())
    with pytest.raises(InputError, match="CategoricalLatent: its draws have no gradient"):
        _ = terms.distortion
    with torch.no_grad():
        assert terms.distortion.shape == (S, B)


def test_the_metric_over_unequal_batches_is_its_functional_twin_over_all():
    d, mean, per_dim, loss = torch.rand(11), torch.randn(11, 2), torch.rand(11, 2), torch.rand(11)
    metric = RateDistortion(2, slope=3.0)
    for rows in (slice(0, 4), slice(4, 5), slice(5, 11)):
        metric.update(d[rows], per_dim[rows].sum(-1), mean=mean[rows], rate_per_dim=per_dim[rows], loss=loss[rows])
    whole = rate_distortion(d, per_dim.sum(-1), mean=mean, rate_per_dim=per_dim, loss=loss, slope=3.0)
    found = metric.compute()
    assert found.keys() == whole.keys()
    assert all(torch.allclose(found[name].double(), whole[name].double(), rtol=1e-12) for name in whole)
    assert rate_distortion(d, per_dim.sum(-1), mean=mean, slope=None)["objective"].isnan()


def test_what_a_model_generates_is_its_own_and_comes_from_the_stream_given():
    model = build.build_model(FitConfig(latent_dim=2, hidden=[8]), sprites_card())
    before = torch.random.get_rng_state()
    one, again = (model.generate(6, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.x, again.x)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.z.shape == (6, 2)
    assert one.x.shape == (6, 1, 16, 16)
    assert set(one.x.unique().tolist()) <= {0.0, 1.0}


def test_many_images_are_generated_in_parts_and_a_part_as_if_it_were_alone(monkeypatch):
    model, decoded = build.build_model(FitConfig(latent_dim=2, hidden=[8]), sprites_card()), []
    model.decoder.register_forward_hook(lambda decoder, z, p: decoded.append(*z))
    whole = model.generate(5, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(generative, "PART", 5)
    assert torch.equal(model.generate(5, generator=torch.Generator().manual_seed(3)).x, whole.x)
    decoded.clear()
    many = model.generate(12, generator=torch.Generator().manual_seed(3))
    assert [len(part) for part in decoded] == [5, 5, 2]
    assert torch.equal(torch.cat(decoded), many.z)
    assert many.x.shape == (12, 1, 16, 16)
    assert not torch.equal(many.x[:5], many.x[5:10])


def test_noise_is_named_by_its_stream_and_follows_x():
    model = build.build_model(FitConfig(latent_dim=2, hidden=[8]), card())
    x = torch.zeros(4, 1, 1, 3, dtype=torch.float32)
    eps = model.noise(3, x, torch.Generator().manual_seed(0), examples=9)
    assert (eps.shape, eps.dtype) == ((3, 9, 2), torch.float32)
    assert torch.equal(eps, model.noise(3, x, torch.Generator().manual_seed(0), examples=9))
