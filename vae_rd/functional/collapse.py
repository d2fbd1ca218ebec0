"""Posterior collapse: which latent units carry information, and whether any does."""

from __future__ import annotations

from typing import Any

from torch import Tensor

ACTIVE_VARIANCE = 0.01
COLLAPSED_RATE = 0.1  # nats


def active_units(mean_variance: Tensor) -> int:
    """Number of units d with Var_x(E_q[z_d|x]) > 0.01.

    Args:
        mean_variance: Var_x(E_q[z_d|x]), [D].

    Source: Burda et al. 2016, arXiv 1509.00519.

    Example:
        >>> import torch
        >>> active_units(torch.tensor([0.9, 0.02, 0.0]))
        2
    """
    return int((mean_variance > ACTIVE_VARIANCE).sum())


def collapse_verdict(*, rate: float | None, active: int, latent_dim: int) -> dict[str, Any]:
    """Collapsed: R below 0.1 nat and no unit active; the numbers and thresholds it rests on go with it.

    Null where the rate is undefined.

    Example:
        >>> collapse_verdict(rate=0.003, active=0, latent_dim=16)["collapsed"]
        True
    """
    return {
        "collapsed": None if rate is None else rate < COLLAPSED_RATE and active == 0,
        "rate": rate,
        "active_units": active,
        "latent_dim": latent_dim,
        "thresholds": {"rate": COLLAPSED_RATE, "mean_variance": ACTIVE_VARIANCE},
    }
