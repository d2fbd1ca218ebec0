"""Posterior collapse: whether any latent unit carries information."""

from __future__ import annotations

from typing import Any

from vae_rd.theory.linear_vae import ACTIVE_VARIANCE

COLLAPSED_RATE = 0.1  # nats


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
