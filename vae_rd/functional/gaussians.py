"""The divergence of two Gaussians of any covariance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """N(mean, L L^T): mean, [..., D], and the lower triangular L of positive diagonal, [..., D, D]."""

    mean: Tensor
    scale_tril: Tensor


def kl_by_units(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) in parts that add up to it, one a unit, [..., D] nats; none is negative.

    In coordinates where p is N(0, I), u = L_p^{-1} (z - mean_p), q is N(m, M M^T) with lower triangular M, and

        KL = sum_d 0.5 (m_d^2 + sum_j M_dj^2 - 1 - ln M_dd^2)

    of which term d is E KL(q(u_d|u_1, ..., u_{d-1}) || N(0, 1)), by the chain rule: M_dd^2 is the variance of u_d given
    those before it. The parts depend on the order of the units, their sum does not.

    Args:
        q: batched as p is, or so that it broadcasts.
        p: likewise.

    Example:
        >>> standard = Gaussian(torch.zeros(2), torch.eye(2))
        >>> parts = kl_by_units(Gaussian(torch.tensor([3.0, 0.0]), torch.eye(2)), standard)
        >>> parts.tolist()
        [4.5, 0.0]
    """
    mean, tril = torch.broadcast_tensors((q.mean - p.mean)[..., None], q.scale_tril)
    moved = torch.cat([mean[..., :1], tril], -1)  # In the finer precision of q and p; solve_triangular takes p's.
    both = torch.linalg.solve_triangular(p.scale_tril.to(moved), moved, upper=False)
    m, root = both[..., 0], both[..., 1:]
    log_variance = 2 * root.diagonal(dim1=-2, dim2=-1).log()
    return 0.5 * (m.square() + root.square().sum(-1) - 1.0 - log_variance)
