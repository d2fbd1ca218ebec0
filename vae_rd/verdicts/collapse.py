"""Posterior collapse: whether any latent unit carries information."""

from __future__ import annotations

from typing import Any

from vae_rd.theory.linear_vae import ACTIVE_VARIANCE
from vae_rd.verdicts.base import Evidence

COLLAPSED_RATE = 0.1  # nats


def collapse(evidence: Evidence) -> dict[str, Any]:
    """The verdict on the test split."""
    test = evidence.metrics["test"]
    rate, active = test["rate"]["value"], test["active_units"]["value"]
    return collapse_verdict(rate=rate, active=active, latent_dim=evidence.latent_dim)


def collapse_verdict(*, rate: float | None, active: int | None, latent_dim: int) -> dict[str, Any]:
    """Collapsed: R below 0.1 nat and no unit active; the numbers and thresholds it rests on go with it.

    Null where the rate or the number of active units is undefined.

    Example:
        >>> collapse_verdict(rate=0.003, active=0, latent_dim=16)["collapsed"]
        True
    """
    return {
        "collapsed": None if rate is None or active is None else rate < COLLAPSED_RATE and active == 0,
        "rate": rate,
        "active_units": active,
        "latent_dim": latent_dim,
        "thresholds": {"rate": COLLAPSED_RATE, "mean_variance": ACTIVE_VARIANCE},
    }
