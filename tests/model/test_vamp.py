"""The VampPrior: the mean of q(z|u) over pseudo-inputs, which are the training examples at first."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.experiment.preparing import prepare
from vae_rd.model.nn.whitening import Sample
from vae_rd.model.priors.vamp import VampPrior
from vae_rd.run.record import SPLITS

from helpers.members import card

FLAGS = {"prior": "vamp", "latent_dim": 2, "hidden": [8], "n_train": 300}


def test_the_density_is_the_mean_of_the_encoders_over_the_pseudo_inputs():
    model = build.build_model(FitConfig(**FLAGS, components=3), card()).double()
    q, z = model.encoder(model.prior.inputs), torch.randn(7, 1, 2, dtype=torch.float64)
    each = Normal(q.mean, q.variance.sqrt()).log_prob(z).sum(-1).exp()
    assert torch.allclose(model.prior().log_prob(z[:, 0]), each.mean(-1).log(), rtol=1e-9, atol=1e-9)


def test_it_begins_at_training_examples_each_once():
    prepared = prepare(FitConfig(**FLAGS, components=100), None, None)
    inputs, images = prepared.model.prior.inputs.flatten(1), prepared.data.pixels["train"].flatten(1).float()
    matches = (torch.cdist(inputs, images) < 1e-3).sum(0)
    assert matches.sum() == 100
    assert matches.max() == 1
    other = prepare(FitConfig(**FLAGS, components=100, seed=1), None, None).model.prior.inputs
    assert not torch.equal(other.flatten(1), inputs)


def test_there_are_few_where_every_pair_of_z_and_u_takes_the_inverse_of_a_flow():
    config = FitConfig(prior="vamp", posterior="iaf", latent_dim=2, hidden=[8])
    made = build.build_model(config, replace(card(), n=dict.fromkeys(SPLITS, 900)))
    assert len(made.prior.inputs) == 20


def test_there_are_500_or_as_many_as_training_examples():
    for n, count in ((300, 300), (600, 500)):
        assert len(prepare(FitConfig(**FLAGS | {"n_train": n}), None, None).model.prior.inputs) == count


def test_before_it_has_seen_data_pseudo_inputs_are_spread_over_the_unit_interval():
    inputs = build.build_model(FitConfig(**FLAGS, components=200), card()).prior.inputs
    assert 0 <= inputs.min() < 0.01
    assert 0.99 < inputs.max() <= 1


def test_data_of_one_value_leave_it_room():
    prior = build.build_model(FitConfig(**FLAGS, components=2), card()).prior
    prior.start(Sample(torch.full((5, *prior.inputs.shape[1:]), 3.0)), generator=torch.Generator())
    assert (prior.inputs == 3).all()
    torch.nn.init.constant_(prior.raw, 0.5)
    assert (prior.inputs == 3.5).all()


def test_pseudo_inputs_stay_within_the_range_of_x_and_find_back():
    prior = VampPrior(torch.nn.Identity(), (1, 1, 2), components=3)
    x = torch.tensor([[-4.0, 0.0], [1.0, 8.0]]).reshape(2, 1, 1, 2)
    prior.start(Sample(x), generator=torch.Generator())
    assert (prior.inputs.min().item(), prior.inputs.max().item()) == (-4.0, 8.0)
    with torch.no_grad():
        prior.raw.fill_(5.0)
    assert (prior.inputs == 8.0).all()
    prior.inputs.sum().backward()
    assert (prior.raw.grad > 0).all(), "descent leads back"


def test_the_rate_is_the_information_where_the_pseudo_inputs_are_all_examples():
    """E[ln q(z|x) - ln m(z)] with m the aggregate posterior of the split is InfoNCE over it, draw by draw."""
    prepared = prepare(FitConfig(**FLAGS, components=300), None, None)
    model, x = prepared.model, prepared.data.pixels["train"].float()
    q = model.encoder(x)
    z = q.from_noise(model.noise(2, x, torch.Generator().manual_seed(0))).z
    rate = q.log_prob(z) - model.prior().log_prob(z)
    assert torch.allclose(rate.double(), q.information(z.double()).lower, atol=2e-3)


def test_the_encoder_is_held_once():
    model = build.build_model(FitConfig(**FLAGS), card())
    assert [name for name in model.state_dict() if name.startswith("prior")] == [
        "prior.raw",
        "prior.centre",
        "prior.reach",
    ]
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.encoder.parameters():
            parameter.fill_(0.5)
    z = torch.randn(3, 2)
    assert not torch.allclose(twin.prior().log_prob(z), model.prior().log_prob(z)), "a copy is made of its own encoder"


def test_a_loaded_run_needs_no_data(toy, monkeypatch):
    config = toy(prior="vamp", components=20, max_epochs=1, name="a")
    vae_rd.fit_model(config)
    monkeypatch.setattr(build, "build_data", lambda config: pytest.fail("data were asked for"))
    model = vae_rd.load(f"{config.run_dir}/a")
    assert len(model.prior.inputs) == 20
    assert model.generate(5, generator=torch.Generator()).x.shape == (5, 1, 16, 16)
