"""How far the covariance of the codes is from the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.penalised import Penalty
from vae_rd.process.collectives import gathered


class CodeCovariance(Penalty):
    """lambda_od sum_{i != j} C_ij^2 + lambda_d sum_i (C_ii - 1)^2, the penalty of a DIP-VAE.

    C is that of the means, Cov_x E[z|x] (DIP-VAE-I), or of z itself, E Cov[z|x] + Cov_x E[z|x] (DIP-VAE-II), estimated
    without bias from the batch; its squares are then too large by the estimate's own variance, as 1/M.

    Source: Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts from
    Unlabeled Observations", arXiv 1711.00848.

    Args:
        off_diagonal: lambda_od.
        diagonal: lambda_d.
        of_draws: whether C is that of z.

    Example:
        >>> mean = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # C = [[2, 2], [2, 2]]
        >>> terms = Terms.stated(log_px_z=torch.zeros(1, 2), mean=mean)
        >>> penalty = CodeCovariance(off_diagonal=10.0, diagonal=1.0, of_draws=False)
        >>> penalty(terms, noise=torch.Generator(), is_training=True)  # 10 (4 + 4) + (1 + 1)
        tensor(82.)
    """

    column = "covariance_penalty"
    takes_factors = True

    def __init__(self, *, off_diagonal: float, diagonal: float, of_draws: bool) -> None:
        self.off_diagonal, self.diagonal, self.of_draws = off_diagonal, diagonal, of_draws

    def __call__(self, terms: Terms, *, noise: torch.Generator, is_training: bool) -> Tensor:
        """The batch's, []."""
        q = terms.factors
        assert q is not None, "a product of normals"
        mean, variance = (gathered(each) if is_training else each for each in q)
        centred = mean - mean.mean(0)
        covariance = centred.mT @ centred / max(len(mean) - 1, 1)
        if self.of_draws:
            covariance = covariance + variance.mean(0).diag()
        own = covariance.diagonal()
        off = covariance.square().sum() - own.square().sum()
        return self.off_diagonal * off + self.diagonal * (own - 1).square().sum()
