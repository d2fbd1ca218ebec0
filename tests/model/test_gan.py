"""The average of a generator's weights, and which of two networks each adversarial loss trains."""

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.data.sprites import sprites
from vae_rd.experiment import build
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.objectives.adversarial import discriminator_loss, gradient_penalty

CONFIG = FitConfig(model="gan", hidden=[8], latent_dim=2, batch_size=4, seed=1)


def fresh():
    """A GAN, and the module that trains it."""
    card = build.data_set(sprites(), CONFIG).card
    model = build.build_model(CONFIG, card)
    return model, build.build_module(CONFIG, model, card, steps=9)


def test_the_average_moves_by_its_decay_from_where_the_generator_began():
    model, _ = fresh()
    began = [p.clone() for p in model.generator.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(began, model.decoder.parameters(), strict=True))
    with torch.no_grad():
        for p in model.generator.parameters():
            p.add_(1.0)
    model.average(0.9)
    model.average(0.5)
    for before, after in zip(began, model.decoder.parameters(), strict=True):
        torch.testing.assert_close(after, before + 1 - 0.9 * 0.5)
        assert not after.requires_grad
    model.begin()
    pairs = zip(model.decoder.parameters(), model.generator.parameters(), strict=True)
    assert all(torch.equal(mean, now) for mean, now in pairs)


def test_samples_are_of_the_average_and_under_another_prior_of_its_z():
    model, _ = fresh()
    before = model.generate(5, generator=torch.Generator().manual_seed(0)).x
    with torch.no_grad():
        for p in model.generator.parameters():
            p.zero_()
    assert torch.equal(model.generate(5, generator=torch.Generator().manual_seed(0)).x, before)
    other = model.with_prior(StandardNormalPrior(2))
    assert other.decoder is model.decoder
    assert other.prior is not model.prior


def test_each_loss_trains_its_own_network():
    model, module = fresh()
    x = torch.bernoulli(torch.full((4, 1, 16, 16), 0.5))
    module._trainer = type("Trainer", (), {"global_rank": 0})()
    samples = module._samples(x, torch.Generator().manual_seed(0))
    terms = module._terms(x, samples)
    loss = terms.discriminator_loss + terms.generator_loss + module.r1 / 2 * terms.gradient_penalty
    loss.mean().backward()
    together = [p.grad.clone() for p in model.discriminator.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.generator.parameters())
    model.zero_grad()
    x = x.requires_grad_()
    real, fake = model.discriminator(x), model.discriminator(samples.detach())
    own = discriminator_loss(real, fake) + module.r1 / 2 * gradient_penalty(real, x)
    own.mean().backward()
    for one, other in zip(together, model.discriminator.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
