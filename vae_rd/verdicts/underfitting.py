"""Whether a training that has ended left something to gain: units that are all in use, or R that a linear VAE has."""

from __future__ import annotations

import math
from typing import Any

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.notes import WORTH_DECAYED

COUNTED = ("binary", "one_hot")  # Supports of x whose D is of a probability.
# Of the forecast's R, below which a network has less than a linear one would: at half of the collapse others have 0.97
# to 1.5 times of it, on one of ten data sets half of it (docs/forecast.md).
UNSPENT_SHARE = 0.5
LARGEST = 25.0  # Nats of a unit, beyond which what it is worth is too large a number to say.


def worth_of(rate: float, beta: float) -> float:
    """What a unit of a linear beta-VAE saves of D + beta R, from its rate r: beta ((exp(2 r) - 1) / 2 - r) nats.

    With the eigenvalue l of its direction, in units of the noise, r = 0.5 ln(l / beta) and it saves (l - beta) / 2 - r
    beta. The next unit has a smaller eigenvalue: it is worth less than that.

    Source: reverse water-filling; Lucas et al. 2019, "Don't Blame the ELBO!", arXiv 1911.02469.

    Example:
        >>> round(worth_of(0.5 * math.log(8.0), 1.0), 6) == round((8 - 1) / 2 - 0.5 * math.log(8.0), 6)
        True
    """
    return beta * (math.expm1(2 * min(rate, LARGEST)) / 2 - rate)


def underfitting_of(evidence: Evidence) -> dict[str, Any] | None:
    """The numbers of what more units would save, else those of what a wider network would; None where neither is seen.

    Both have "worth", nats of D + beta R.
    """
    return units_in_use(evidence) or rate_unspent(evidence)


def units_in_use(evidence: Evidence) -> dict[str, Any] | None:
    """The numbers where every unit is active, and the weakest worth a nat of D + beta R; None elsewhere.

    It rests on the linear model for what the weakest unit is worth, and no network saves more than it has: at most D of
    discrete x, and at most what is above the least there is, min(beta, 1) H, where H is known.
    """
    beta, val = evidence.model.get("slope"), evidence.metrics.get("val", {})
    rates = val.get("rate_per_dim", {}).get("value")
    if not beta or not rates or None in rates or val["active_units"]["value"] != len(rates):
        return None
    weakest = min(rates)
    worth = min(worth_of(weakest, beta), _most(evidence, beta))
    if worth < WORTH_DECAYED:
        return None
    return {"units": len(rates), "weakest_rate": weakest, "worth": worth}


def rate_unspent(evidence: Evidence) -> dict[str, Any] | None:
    """The numbers where R is below half of that of a linear VAE of the data, and what is missing worth a nat.

    A network that is too narrow cannot bring x to z or z to x, and leaves R where it is not worth its price. What is
    missing is worth what the forecast's units save by the linear model, less what the run's own do. Nothing is known of
    a decoder that reads x, which may need no z, nor of a likelihood whose scale is learned.
    """
    beta, val, model = evidence.model.get("slope"), evidence.metrics.get("val", {}), evidence.model
    rates, forecast = val.get("rate_per_dim", {}).get("value"), model.get("forecast") or {}
    is_fixed = model.get("reads_x") is False and forecast.get("values", 0) is None  # Older records do not say.
    if not (beta and rates and is_fixed) or None in rates:
        return None
    expected = [0.5 * math.log(value / beta) for value in forecast["eigenvalues"] if value > beta]
    missing = sum(worth_of(rate, beta) for rate in expected) - sum(worth_of(rate, beta) for rate in rates)
    worth = min(missing, _most(evidence, beta))
    if sum(rates) >= UNSPENT_SHARE * sum(expected) or worth < WORTH_DECAYED:
        return None
    return {"rate": sum(rates), "linear_rate": sum(expected), "linear_units": len(expected), "worth": worth}


def _most(evidence: Evidence, beta: float) -> float:
    """The most that any model of discrete x can save, nats; infinite where D has no floor."""
    measure = evidence.model.get("distortion", {}).get("measure")
    if measure != "discrete" and evidence.data["support"] not in COUNTED:  # Older records have no measure.
        return math.inf
    val, entropy = evidence.metrics["val"], evidence.data.get("entropy", {}).get("val", {})
    if entropy.get("value") is None or val["objective"]["value"] is None:
        return float(val["distortion"]["value"])
    return float(val["objective"]["value"] - min(beta, 1.0) * entropy["value"])
