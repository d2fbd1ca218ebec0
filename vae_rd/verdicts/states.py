"""The states that latents can be in: when each holds, and what to do about it. Its rows are in order of weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vae_rd.theory.thresholds import (
    COLLAPSED_RATE,
    IGNORED_RISE,
    IGNORED_SHARE,
    JUDGED_BY,
    LAGGING_GAP,
    LAGGING_SHARE,
    OVER_DISPERSED,
)
from vae_rd.verdicts.phrases import Entry, bounded_information, in_nats, units_listed

HEALTHY = "healthy"
# How z comes to tell more of x, and less, by what decides how much it does: of a record's model, else a beta.
KNOBS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "target_rate": ("raise --target_rate", "lower --target_rate"),
        "target_distortion": ("lower --target_distortion", "raise --target_distortion"),
        "beta": ("lower --beta", "raise --beta"),
    }
)


@dataclass(frozen=True)
class Numbers:
    """What a state is judged by; entries have a value, null where it is not known, and its stderr.

    Attributes:
        collapsed: whether z carries nothing; None where that is not known.
        rate: R, nats.
        active: number of active units, if it is known.
        information: the upper bound on I, nats.
        shuffle_rise: of D under z of another x, nats.
        amortisation_gap: nats of D + slope R, with that slope.
        off: units that are not active; None where that is not known.
        broad: units whose q(z_d) is broader than the prior; None where that is not known.
    """

    collapsed: bool | None
    rate: float | None
    active: int | None
    information: Entry
    shuffle_rise: Entry
    amortisation_gap: Entry
    off: list[int] | None
    broad: list[int] | None


@dataclass(frozen=True)
class State:
    """One state.

    Attributes:
        holds: whether a run is in it.
        words: a verdict in this state, and the numbers that led to it.
        remedy: what to do, in one sentence, with `{more}` and `{less}` in place of what `KNOBS` has.
        or_hold: what else to do where no rate is held yet.
    """

    holds: Callable[[Numbers], bool]
    words: Callable[[Entry], str]
    remedy: str
    or_hold: str = ""


def is_below(entry: Entry, limit: float) -> bool:
    """Whether a number is below a limit by 3 s.e.; False where it is not known."""
    return entry["value"] is not None and entry["value"] + JUDGED_BY * (entry["stderr"] or 0.0) < limit


def is_above(entry: Entry, limit: float) -> bool:
    """Whether a number is above a limit by 3 s.e.; False where it is not known."""
    return entry["value"] is not None and entry["value"] - JUDGED_BY * (entry["stderr"] or 0.0) > limit


def is_ignored(rate: float, rise: Entry, information: float | None) -> bool:
    """Whether D hardly notices whose z it is given, though R is paid for it: a tenth of what z tells of x, at most."""
    return rate >= COLLAPSED_RATE and is_below(rise, max(IGNORED_RISE, IGNORED_SHARE * (information or 0.0)))


def is_lagging(rate: float, gap: Entry) -> bool:
    """Whether local steps on q(z|x) gain more than noise, and more than a third of what R counts for.

    A nat of R counts as slope nats of D + slope R, and as one at least: for a small slope, D is what q is fitted to.
    """
    return is_above(gap, max(1.0, gap.get("slope") or 1.0) * max(LAGGING_GAP, LAGGING_SHARE * rate))


def _rate(numbers: Numbers) -> float:
    assert numbers.rate is not None, "no state is judged without R"
    return numbers.rate


def _no_information(verdict: Entry) -> str:
    information = max(0.0, verdict["information"]["value"])
    return f"carries no information: I = {information:.2f} of R = {verdict['rate']:.2f} nats"


def _ignored(verdict: Entry) -> str:
    rise = f"D rises by {in_nats(verdict['shuffle_rise'])} when z is shuffled"
    return f"ignored by the decoder: {rise}, of R = {verdict['rate']:.4g}, I {bounded_information(verdict)}"


def _lagging(verdict: Entry) -> str:
    gap = verdict["amortisation_gap"]
    weighed = "D + R" if gap["slope"] == 1 else f"D + {gap['slope']:g} R"
    gain = f"{gap['steps']} local steps on q(z|x) gain {in_nats(gap)} of {weighed}"
    return f"lagging encoder: {gain}, R = {verdict['rate']:.4g}"


def _over_dispersed(verdict: Entry) -> str:
    broad, ratios = verdict["units"]["over_dispersed"], verdict["units"]["variance_ratio"]
    most = f"{ratios[0]:.3g} times the prior's variance in unit {broad[0]}"
    rest = f"more than {OVER_DISPERSED:g} times in {units_listed(sorted(broad))}"
    return f"over-dispersed: q(z) has {most}, and {rest}; R = {verdict['rate']:.4g}"


def _faint(verdict: Entry) -> str:
    return f"faint: test rate {verdict['rate']:.4g} nats, I {bounded_information(verdict)}"


def _partially_collapsed(verdict: Entry) -> str:
    off, rate = units_listed(verdict["units"]["collapsed"]), f"test rate {verdict['rate']:.4g} nats"
    return f"partially collapsed: {off} off; {rate}, I {bounded_information(verdict)}"


STATES: Mapping[str, State] = MappingProxyType(
    {
        # Two before the lag: where nothing of x gets through z, local steps gain all of R by going to the prior.
        "no_information": State(
            lambda n: n.collapsed is True and _rate(n) >= COLLAPSED_RATE,
            _no_information,
            "q(z|x) is the same for every x: widen --hidden, take fewer layers or a smaller --latent_dim, or train on",
        ),
        "ignored": State(
            lambda n: is_ignored(_rate(n), n.shuffle_rise, n.information["value"]),
            _ignored,
            "train longer, or take a decoder that has to read z",
        ),
        "lagging": State(
            lambda n: is_lagging(_rate(n), n.amortisation_gap),
            _lagging,
            "train longer, or widen the encoder (--hidden)",
        ),
        "collapsed": State(
            lambda n: n.collapsed is True and _rate(n) < COLLAPSED_RATE,
            lambda verdict: f"collapsed: test rate {verdict['rate']:.4g} nats",
            "{more}",
            "; if the decoder reads x, hold a rate instead (--target_rate)",
        ),
        "over_dispersed": State(
            lambda n: bool(n.broad),
            _over_dispersed,
            "draws of z from the prior miss where the data lie: {less}, or fit a prior to q(z) "
            "(--prior vamp, or python -m vae_rd.evaluate RUN --fit_marginal maf)",
        ),
        "partially_collapsed": State(
            lambda n: bool(n.off) and bool(n.active),
            _partially_collapsed,
            "{more} where more should be told of x; else a smaller --latent_dim will do",
        ),
        # As little R as where it is collapsed, spread so thin or on so wide a mean that units count as active.
        "faint": State(
            lambda n: n.collapsed is False and _rate(n) < COLLAPSED_RATE,
            _faint,
            "this is within reach of the collapse: {more}",
            ", or hold a rate (--target_rate)",
        ),
    }
)


def remedy_of(state: str, model: Mapping[str, Any] = MappingProxyType({})) -> str:
    """What to do about a state, by the one flag that this model's rate was decided by.

    Args:
        state: of `STATES`.
        model: of a record, or as much of it as there is.

    Example:
        >>> remedy_of("faint")
        'this is within reach of the collapse: lower --beta, or hold a rate (--target_rate)'
        >>> remedy_of("faint", {"target_rate": 0.05})
        'this is within reach of the collapse: raise --target_rate'
    """
    knob = next((name for name in KNOBS if model.get(name) is not None), "beta")
    more, less = KNOBS[knob]
    remedy = STATES[state].remedy.format(more=more, less=less)
    return remedy if knob == "target_rate" else remedy + STATES[state].or_hold
