"""Adversarial losses at what is known of them: the best discriminator, the gradient of a linear one."""

import math

import pytest
import torch

from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.objectives.adversarial import discriminator_loss, generator_loss, gradient_penalty

pytestmark = pytest.mark.usefixtures("float64")


def test_the_best_discriminator_has_the_log_ratio_and_a_loss_of_the_jensen_shannon_divergence():
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.6])
    odds = torch.zeros(3, requires_grad=True)
    loss = (
        p * discriminator_loss(odds, torch.full((3,), -1e9)) + q * discriminator_loss(torch.full((3,), 1e9), odds)
    ).sum()
    best = (p / q).log()
    mixture = (p + q) / 2
    divergence = ((p * (p / mixture).log() + q * (q / mixture).log()) / 2).sum()
    at_best = (
        p * discriminator_loss(best, torch.full((3,), -1e9)) + q * discriminator_loss(torch.full((3,), 1e9), best)
    ).sum()
    assert at_best.item() == pytest.approx(2 * math.log(2) - 2 * divergence.item())
    assert at_best < loss


def test_the_generator_still_learns_where_all_its_samples_are_told_apart():
    odds = torch.tensor([-40.0], requires_grad=True)
    generator_loss(odds).sum().backward()
    assert odds.grad.item() == pytest.approx(-1.0)


def test_the_penalty_of_a_linear_discriminator_is_its_squared_weight_and_trains_it():
    weight = torch.randn(1, 2, 2, requires_grad=True)
    x = torch.randn(5, 1, 2, 2, requires_grad=True)
    penalty = gradient_penalty((weight * x).sum((1, 2, 3)), x)
    torch.testing.assert_close(penalty, weight.square().sum().expand(5))
    penalty.mean().backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_bits_beside_data_are_draws_with_the_gradient_of_their_mean():
    logits = torch.randn(4000, 1, 1, 2, requires_grad=True)
    likelihood = BernoulliLikelihood()
    p = likelihood(logits)
    shown = likelihood.beside_data(p, lambda: torch.rand(4000, 1, 1, 2))
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    surprise = (shown - p.mean).detach()
    assert abs(surprise.mean()) < 4 * surprise.std() / len(surprise.flatten()) ** 0.5
    shown.sum().backward()
    mean = p.mean.detach()
    torch.testing.assert_close(logits.grad, mean * (1 - mean))
