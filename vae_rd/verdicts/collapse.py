"""Posterior collapse and what is like it: whether z carries information on x, and who makes use of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vae_rd.theory.thresholds import ACTIVE_VARIANCE, COLLAPSE_THRESHOLDS, COLLAPSED_RATE, JUDGED_BY, OVER_DISPERSED
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.phrases import Entry, bounded_information, in_nats
from vae_rd.verdicts.states import HEALTHY, STATES, Numbers, remedy_of

UNKNOWN: Entry = {"value": None, "stderr": None}


def collapse(evidence: Evidence) -> dict[str, Any]:
    """The verdict on the test split; what a record has not got is not known."""
    test = evidence.metrics["test"]
    return collapse_verdict(
        rate=test["rate"]["value"],
        active=test["active_units"]["value"],
        information=test["mutual_information_upper"],
        latent_dim=evidence.latent_dim,
        shuffle_rise=test.get("shuffle_rise", UNKNOWN),
        amortisation_gap=test.get("amortisation_gap", UNKNOWN),
        mean_variance=test.get("mean_variance_per_dim", UNKNOWN),
        variance_ratio=test.get("variance_ratio_per_dim", UNKNOWN),
        model=evidence.model,
    )


def collapse_verdict(
    *,
    rate: float | None,
    active: int | None,
    information: Entry,
    latent_dim: int,
    shuffle_rise: Entry = UNKNOWN,
    amortisation_gap: Entry = UNKNOWN,
    mean_variance: Entry = UNKNOWN,
    variance_ratio: Entry = UNKNOWN,
    model: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The state that a run is in, `vae_rd.verdicts.states.STATES` in their order, and all that it rests on.

    Collapsed: no unit is active, and R, or the upper bound on I with 3 s.e., is below 0.1 nat. R is an upper bound on I
    as well. One that is large shows nothing: a posterior that does not depend on x may lie far from the prior. Where
    the number of active units is undefined, R and I decide alone, if they are small. The verdict is null where R is
    undefined, and where R is large and it takes what is not known.

    Args:
        rate: R, nats.
        active: number of active units.
        information: the upper bound on I, nats, with its standard error, as all that follows.
        latent_dim: units of z.
        shuffle_rise: of D under z of another x, nats.
        amortisation_gap: what local steps on q(z|x) gain, nats of D + slope R, with that slope.
        mean_variance: Var_x(E[z_d|x]) by units.
        variance_ratio: Var q(z_d) / Var m(z_d) by units.
        model: of the record, for what its rate was decided by.

    Example:
        >>> unknown = {"value": None, "stderr": None}
        >>> collapse_verdict(rate=0.003, active=0, information=unknown, latent_dim=16)["collapsed"]
        True
        >>> nothing = {"value": 0.0, "stderr": 0.0}
        >>> collapse_verdict(rate=1.92, active=0, information=nothing, latent_dim=16)["state"]
        'no_information'
    """
    off, broad = _collapsed_units(mean_variance), _broad_units(variance_ratio)
    collapsed = _collapsed(rate, active, information)
    numbers = Numbers(collapsed, rate, active, information, shuffle_rise, amortisation_gap, off, broad)
    findings = [name for name, state in STATES.items() if rate is not None and state.holds(numbers)]
    state = findings[0] if findings else None if collapsed is None else HEALTHY
    return {
        "collapsed": collapsed,
        "state": state,
        "findings": findings,
        "remedy": remedy_of(findings[0], model) if findings else None,
        "rate": rate,
        "active_units": active,
        "information": _known(information),
        "latent_dim": latent_dim,
        "shuffle_rise": _known(shuffle_rise),
        "amortisation_gap": _known(amortisation_gap, "steps", "slope"),
        "units": {
            "collapsed": off,
            "over_dispersed": broad,
            "variance_ratio": [] if broad is None else [variance_ratio["value"][d] for d in broad],
        },
        "thresholds": dict(COLLAPSE_THRESHOLDS),
    }


def _known(entry: Entry, *more: str) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("value", "stderr", *more)}


def _collapsed(rate: float | None, active: int | None, information: Entry) -> bool | None:
    if rate is None or active:
        return None if rate is None else False
    value, stderr = information["value"], information["stderr"] or 0.0
    if rate < COLLAPSED_RATE or (value is not None and value + JUDGED_BY * stderr < COLLAPSED_RATE):
        return True
    return None if active is None or value is None else False


def _collapsed_units(mean_variance: Entry) -> list[int] | None:
    """The units that are not active: what is left of them is noise."""
    if mean_variance["value"] is None:
        return None
    return [d for d, variance in enumerate(mean_variance["value"]) if not variance > ACTIVE_VARIANCE]


def _broad_units(ratio: Entry) -> list[int] | None:
    """Units whose q(z_d) has more than twice the prior's variance, by 3 s.e.; the broadest first."""
    if ratio["value"] is None:
        return None
    rows = zip(ratio["value"], ratio["stderr"] or [0.0] * len(ratio["value"]), strict=True)
    limits = [(value or 0.0) - JUDGED_BY * (stderr or 0.0) for value, stderr in rows]
    return sorted((d for d, limit in enumerate(limits) if limit > OVER_DISPERSED), key=lambda d: -ratio["value"][d])


def collapse_words(verdict: Entry) -> str:
    """A verdict in one line, also one of a record that is older than `state`, or than `information`.

    Example:
        >>> nothing = {"value": 0.0004, "stderr": 0.0}
        >>> print(collapse_words(collapse_verdict(rate=1.92, active=0, information=nothing, latent_dim=16)))
        carries no information: I = 0.00 of R = 1.92 nats; 0 of 16 units active
    """
    if (state := verdict.get("state")) is None:
        return _old_words(verdict)
    return f"{_heading(state, verdict)}; {_active(verdict)}"


def collapse_lines(verdict: Entry) -> list[str]:
    """`collapse_words`, and what to do where something is wrong."""
    remedy = verdict.get("remedy")
    return [collapse_words(verdict), *([] if remedy is None else [f"what to do: {remedy}"])]


def _heading(state: str, verdict: Entry) -> str:
    """The state and the numbers that led to it."""
    if state in STATES:
        return STATES[state].words(verdict)
    rise = verdict["shuffle_rise"]
    risen = "" if rise["value"] is None else f"; D rises by {in_nats(rise)} when z is shuffled"
    return f"{state}: test rate {verdict['rate']:.4g} nats, I {bounded_information(verdict)}{risen}"


def _active(verdict: Entry) -> str:
    active = "-" if verdict["active_units"] is None else verdict["active_units"]
    return f"{active} of {verdict['latent_dim']} units active"


def _old_words(verdict: Entry) -> str:
    word = {True: "collapsed", False: "not collapsed", None: "undefined"}[verdict["collapsed"]]
    rate = "-" if verdict["rate"] is None else f"{verdict['rate']:.4g} nats"
    if verdict["active_units"] or verdict["rate"] is None or verdict["rate"] < COLLAPSED_RATE:
        return f"{word}: test rate {rate}, {_active(verdict)}"
    information = verdict.get("information", {}).get("value")
    bound = "I not known" if information is None else f"I at most {max(0.0, information):.3f} nats"
    if verdict["collapsed"]:
        return f"{word}: z carries no information ({bound}), though test rate {rate}; {_active(verdict)}"
    return f"{word}: test rate {rate}, {_active(verdict)}, {bound}"
