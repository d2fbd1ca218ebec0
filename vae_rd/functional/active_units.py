"""Latent units that carry information, and those that do not."""

from __future__ import annotations

from torch import Tensor

from vae_rd.theory.thresholds import ACTIVE_RATE, ACTIVE_VARIANCE, COLLAPSE_DELTA, COLLAPSE_EPSILON


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


def active_by_rate(rate_per_dim: Tensor) -> Tensor:
    """Number of units d with E_x KL(q(z_d|x) || m(z_d)) > 0.01 nat, [].

    Unlike the variance of the mean it sees what the variance of q says of x, and counts a q far from the prior that
    says nothing.

    Args:
        rate_per_dim: the mean rate by units, [D].

    Example:
        >>> import torch
        >>> active_by_rate(torch.tensor([2.0, 0.02, 0.0])).item()
        2
    """
    return (rate_per_dim > ACTIVE_RATE).sum()


def share_at_prior(rate_per_dim: Tensor) -> Tensor:
    """P_x[KL(q(z_d|x) || m(z_d)) < 0.01 nat] by units, [D]: for how many x a unit is as good as the prior.

    Args:
        rate_per_dim: the rate of each example by units, [N, D].

    Source: Lucas et al. 2019, "Don't Blame the ELBO!", arXiv 1911.02469, with its epsilon as a threshold.
    """
    return (rate_per_dim < COLLAPSE_EPSILON).double().mean(0)


def collapsed_units(share: Tensor) -> Tensor:
    """Number of units d that are (epsilon, delta)-collapsed, P_x[KL_d < epsilon] >= 1 - delta, [].

    Args:
        share: of `share_at_prior`, [D].

    Source: Lucas et al. 2019, arXiv 1911.02469.

    Example:
        >>> import torch
        >>> rates = torch.tensor([[2.0, 0.001], [0.005, 0.0]])
        >>> collapsed_units(share_at_prior(rates)).item()
        1
    """
    return (share >= 1 - COLLAPSE_DELTA).sum()
