"""Whether a run has come to the rate or the distortion that it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vae_rd.theory.thresholds import AT_TARGET, AT_TARGET_NATS

REMEDY = "train longer (--max_epochs), or widen the network (--hidden, --latent_dim)"


def target_lines(model: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line where R is not at its target, or D is above its own.

    Args:
        model: of a record, with what was asked for.
        metrics: of its validation split, by which the epoch was chosen.

    Example:
        >>> metrics = {"rate": {"value": 2.4}, "distortion": {"value": 80.0}}
        >>> [line] = target_lines({"target_rate": 5.0, "target_distortion": None}, metrics)
        >>> line.partition(";")[0]
        'not at its target: R is 2.40 nats on validation, 5 were asked for'
        >>> list(target_lines({"target_rate": None, "target_distortion": 90.0}, metrics))
        []
    """
    rate, distortion = metrics["rate"]["value"], metrics["distortion"]["value"]
    asked = model.get("target_rate")
    if asked is not None and rate is not None and abs(rate - asked) > _within(asked):
        remedy = REMEDY if rate < asked else "train longer (--max_epochs)"
        yield f"not at its target: R is {rate:.2f} nats on validation, {asked:g} were asked for; {remedy}"
    asked = model.get("target_distortion")
    if asked is not None and distortion is not None and distortion - asked > _within(asked):
        yield f"not at its target: D is {distortion:.2f} nats on validation, {asked:g} were asked for; {REMEDY}"


def _within(asked: float) -> float:
    return max(AT_TARGET * abs(asked), AT_TARGET_NATS)
