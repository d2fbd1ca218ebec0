"""Mode collapse: whether samples come near all of the data, or near some of it alone."""

from __future__ import annotations

from typing import Any

from vae_rd.theory.thresholds import JUDGED_BY
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.phrases import Entry

COVERED, LOST, OFF = "covered", "modes lost", "off the data"
LEAST_COVERAGE = 0.5  # Of the data; of samples of the data's own distribution it is 0.97.
LEAST_PRECISION = 0.5  # From which on most samples are where data are.
LEAST_SPREAD = 0.1  # Share of the data's variance, below which samples are one and the same.
REMEDIES = {
    LOST: "raise --r1 or lower --lr, or widen the network (--hidden)",
    OFF: "train for longer (--max_epochs), or change --r1",
}


def modes(evidence: Evidence) -> dict[str, Any] | None:
    """The verdict on the test split; None of a record that does not say how its samples are."""
    test = evidence.metrics["test"]
    if "coverage" not in test:
        return None
    return modes_verdict(coverage=test["coverage"], precision=test["precision"], spread=test["spread"])


def modes_verdict(*, coverage: Entry, precision: Entry, spread: Entry) -> dict[str, Any]:
    """Whether modes are lost, by what share of examples has a sample near.

    Lost: coverage is below one half by 3 s.e., and what samples there are lie where data are, or are all alike. Off the
    data: coverage is as low, and samples lie elsewhere.

    Args:
        coverage: share of examples with a sample within the ball to their fifth neighbour, with its standard error.
        precision: share of samples within such a ball.
        spread: total variance of samples over that of the data.

    Example:
        >>> some, most = {"value": 0.3, "stderr": 0.02}, {"value": 0.9, "stderr": 0.02}
        >>> modes_verdict(coverage=some, precision=most, spread=most)["state"]
        'modes lost'
    """
    state = COVERED
    if coverage["value"] + JUDGED_BY * (coverage["stderr"] or 0.0) < LEAST_COVERAGE:
        is_among_data = precision["value"] >= LEAST_PRECISION
        state = LOST if is_among_data or spread["value"] < LEAST_SPREAD else OFF
    known = {"coverage": coverage, "precision": precision, "spread": spread}
    return {
        "state": state,
        "remedy": REMEDIES.get(state),
        **{name: {key: entry[key] for key in ("value", "stderr")} for name, entry in known.items()},
        "thresholds": {"coverage": LEAST_COVERAGE, "precision": LEAST_PRECISION, "spread": LEAST_SPREAD},
    }


def modes_words(verdict: Entry) -> str:
    """A verdict in one line.

    Example:
        >>> some, most = {"value": 0.3, "stderr": 0.02}, {"value": 0.9, "stderr": 0.02}
        >>> print(modes_words(modes_verdict(coverage=some, precision=most, spread=most)))
        modes lost: 30 % of examples have a sample near, 90 % of samples an example; spread 0.90 of the data's
    """
    shares = [f"{100 * verdict[name]['value']:.0f} %" for name in ("coverage", "precision")]
    near = f"{shares[0]} of examples have a sample near, {shares[1]} of samples an example"
    return f"{verdict['state']}: {near}; spread {verdict['spread']['value']:.2f} of the data's"


def modes_lines(verdict: Entry) -> list[str]:
    """`modes_words`, and what to do where something is wrong."""
    remedy = verdict["remedy"]
    return [modes_words(verdict), *([] if remedy is None else [f"what to do: {remedy}"])]
