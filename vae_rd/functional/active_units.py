"""Latent units that carry information."""

from __future__ import annotations

from torch import Tensor

from vae_rd.theory.thresholds import ACTIVE_VARIANCE


def active_units(mean_variance: Tensor) -> Tensor:
    """Number of units d with Var_x(E_q[z_d|x]) > 0.01, [].

    Args:
        mean_variance: Var_x(E_q[z_d|x]), [D].

    Source: Burda et al. 2016, arXiv 1509.00519.

    Example:
        >>> import torch
        >>> active_units(torch.tensor([0.9, 0.02, 0.0])).item()
        2
    """
    return (mean_variance > ACTIVE_VARIANCE).sum()
