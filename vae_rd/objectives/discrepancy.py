"""The maximum mean discrepancy of the codes from the prior."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.penalised import Penalty
from vae_rd.process.collectives import gathered


class Discrepancy(Penalty):
    """MMD^2(q(z), m(z)) = E k(z, z') - 2 E k(z, y) + E k(y, y') with z of the codes, y of the prior.

    D + (1 - alpha) R + (alpha + lambda - 1) MMD^2 is the objective of an InfoVAE. The kernel is
    k(a, b) = exp(-|a - b|^2 / (2 D)) for D units: two draws of N(0, I) are about sqrt(2 D) apart, so that it is about
    1/e between them. As many draws of the prior are taken as the batch has examples; they carry no gradient, so that a
    learned prior is left to R.

    Source: Zhao, Song and Ermon 2017, "InfoVAE: Information Maximizing Variational Autoencoders", arXiv 1706.02262; the
    estimate is that of Gretton et al. 2012, "A Kernel Two-Sample Test".
    """

    column = "mmd"
    takes_draws = True

    def __call__(self, terms: Terms, *, noise: torch.Generator, is_training: bool) -> Tensor:
        """Mean over draws of the batch's, []."""
        z = terms.z
        assert z is not None, "draws"
        if is_training:
            z = gathered(z.transpose(0, 1)).transpose(0, 1)
        return squared_discrepancy(z, terms.prior_draws(z.shape[1], noise=noise)).mean()


def squared_discrepancy(z: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate of MMD^2 from M draws of either, [S]; 0 for less than two, which say nothing of it.

    Args:
        z: [S, M, D].
        y: [M, D], or as z.

    Example:
        >>> far = squared_discrepancy(torch.full((1, 2, 1), 99.0), torch.tensor([[-1.0], [1.0]]))
        >>> round(far.item(), 4)  # 1 - 0 + exp(-2)
        1.1353
    """
    if (m := y.shape[-2]) < 2:
        return 0 * z.sum((1, 2))
    among_z, among_y = ((_kernel(a, a).sum((-2, -1)) - m) / (m * (m - 1)) for a in (z, y))
    return among_z - 2 * _kernel(z, y).mean((-2, -1)) + among_y


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a_i - b_j|^2 / (2 D)), [..., M, M], by a matrix product, of which no half precision is to be asked."""
    with torch.autocast(a.device.type, enabled=False):
        square = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :] - 2 * a @ b.mT
    return (-0.5 * square / a.shape[-1]).exp()
