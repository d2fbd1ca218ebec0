"""Posterior collapse: whether z carries information on x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vae_rd.theory.thresholds import ACTIVE_VARIANCE
from vae_rd.verdicts.base import Evidence

COLLAPSED_RATE = 0.1  # nats, of R and of I, which is no more than R
LIMIT = 3.0  # standard errors from an estimate of I to the limit by which it is judged

Entry = Mapping[str, Any]


def collapse(evidence: Evidence) -> dict[str, Any]:
    """The verdict on the test split."""
    test = evidence.metrics["test"]
    rate, active = test["rate"]["value"], test["active_units"]["value"]
    upper = test["mutual_information_upper"]
    return collapse_verdict(rate=rate, active=active, information=upper, latent_dim=evidence.latent_dim)


def collapse_verdict(*, rate: float | None, active: int | None, information: Entry, latent_dim: int) -> dict[str, Any]:
    """Collapsed: no unit is active, and R, or the upper bound on I with 3 s.e., is below 0.1 nat.

    R is an upper bound on I as well. One that is large shows nothing: a posterior that does not depend on x may lie far
    from the prior. Where the number of active units is undefined, R and I decide alone, if they are small. The verdict
    is null where R is undefined, and where R is large and it takes what is not known. What it rests on goes with it.

    Args:
        rate: R, nats.
        active: number of active units.
        information: the upper bound on I, nats, with its standard error.
        latent_dim: units of z.

    Example:
        >>> unknown = {"value": None, "stderr": None}
        >>> collapse_verdict(rate=0.003, active=0, information=unknown, latent_dim=16)["collapsed"]
        True
        >>> nothing = {"value": 0.0, "stderr": 0.0}
        >>> collapse_verdict(rate=1.92, active=0, information=nothing, latent_dim=16)["collapsed"]
        True
    """
    return {
        "collapsed": _collapsed(rate, active, information),
        "rate": rate,
        "active_units": active,
        "information": {name: information[name] for name in ("value", "stderr")},
        "latent_dim": latent_dim,
        "thresholds": {"rate": COLLAPSED_RATE, "information": COLLAPSED_RATE, "mean_variance": ACTIVE_VARIANCE},
    }


def _collapsed(rate: float | None, active: int | None, information: Entry) -> bool | None:
    if rate is None or active:
        return None if rate is None else False
    value, stderr = information["value"], information["stderr"] or 0.0
    if rate < COLLAPSED_RATE or (value is not None and value + LIMIT * stderr < COLLAPSED_RATE):
        return True
    return None if active is None or value is None else False


def collapse_words(verdict: Entry) -> str:
    """A verdict in one line, also one of a record that is older than `information`.

    Example:
        >>> nothing = {"value": 0.0004, "stderr": 0.0}
        >>> print(collapse_words(collapse_verdict(rate=1.92, active=0, information=nothing, latent_dim=16)))
        collapsed: z carries no information (I at most 0.000 nats), though test rate 1.92 nats; 0 of 16 units active
    """
    word = {True: "collapsed", False: "not collapsed", None: "undefined"}[verdict["collapsed"]]
    rate = "-" if verdict["rate"] is None else f"{verdict['rate']:.4g} nats"
    active = "-" if verdict["active_units"] is None else verdict["active_units"]
    units = f"{active} of {verdict['latent_dim']} units active"
    if verdict["active_units"] or verdict["rate"] is None or verdict["rate"] < COLLAPSED_RATE:
        return f"{word}: test rate {rate}, {units}"
    information = verdict.get("information", {}).get("value")
    bound = "I not known" if information is None else f"I at most {max(0.0, information):.3f} nats"
    if verdict["collapsed"]:
        return f"{word}: z carries no information ({bound}), though test rate {rate}; {units}"
    return f"{word}: test rate {rate}, {units}, {bound}"
