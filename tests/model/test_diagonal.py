"""The diagonal normal: a log variance for all examples, and the coordinates in which gaps are searched."""

import torch

from vae_rd.model.posteriors.diagonal import DiagonalNormal


def test_one_log_variance_stands_for_all_examples():
    log_var = torch.randn(3)
    q = DiagonalNormal(torch.randn(4, 3), log_var)
    assert torch.equal(q.part(slice(1, 3)).log_var, log_var.expand(2, 3))
    assert torch.equal(DiagonalNormal.cat([q, q]).variance, log_var.exp().expand(8, 3))


def test_its_coordinates_are_standard_deviations_of_the_mean_and_the_log_variance():
    q, change = DiagonalNormal(torch.randn(4, 3), torch.randn(4, 3)), torch.randn(2, 4, 3)
    moved = q.perturbed(change)
    assert torch.allclose((moved.mu - q.mu) / q.variance.sqrt(), change[0], atol=1e-5)
    assert torch.allclose(moved.log_var, q.log_var + change[1])
