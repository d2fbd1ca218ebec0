"""How training ended: converged, still falling, underfitting, overfitting, or KL unstable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.falling import Fall, fall_of
from vae_rd.verdicts.histories import comparable
from vae_rd.verdicts.notes import (
    LASTING,
    SHARE,
    SIGMAS,
    WORTH,
    WORTH_DECAYED,
    WORTH_HALF,
    Row,
    TrainingFacts,
    validated,
)
from vae_rd.verdicts.spikes import BESIDE, HUGE, SPIKE, STAND_OUT, UNSTABLE, Spike, is_unstable, spikes
from vae_rd.verdicts.tails import approaches
from vae_rd.verdicts.training import overfitting
from vae_rd.verdicts.underfitting import underfitting_of

Numbers = Mapping[str, Any]
THRESHOLDS: Mapping[str, float] = {
    "nats": WORTH,
    "nats_decayed": WORTH_DECAYED,
    "nats_half": WORTH_HALF,
    "share": SHARE,
    "standard_errors": SIGMAS,
    "validations": LASTING,
    "spike_nats": SPIKE,
    "spike_scatters": STAND_OUT,
    "spike_rows": BESIDE,
    "spike_huge": HUGE,
    "bursts": UNSTABLE,
}


def fit(evidence: Evidence) -> dict[str, Any] | None:
    """The verdict on a run's history; None where there is none, or its model has no D."""
    if not evidence.rows or not evidence.data or evidence.model.get("kind") == "gan":
        return None
    facts = TrainingFacts.of(evidence.data, evidence.model.get("slope"))
    return fit_verdict(evidence.rows, facts, more=underfitting_of(evidence))


def fit_verdict(rows: Sequence[Row], facts: TrainingFacts, *, more: Numbers | None = None) -> dict[str, Any]:
    """The first that holds of: KL unstable, overfitting, still falling, underfitting, converged.

    What spikes casts doubt on all else; one that overfits has ended, whatever its last epochs do; and what a network
    can reach shows only where training has ended. The verdict is null where there are not two validations of the final
    loss. All numbers that were asked for go with it, those of the other verdicts too; epochs count from 0, as in
    history.csv, and from 1 in words.

    Args:
        rows: one an epoch, as `vae_rd.verdicts.training` says.
        facts: what is known beside them.
        more: from `underfitting_of`, what the metrics know of underfitting; it does not count where validation is worse
            than training by as much, since a larger network would help neither.

    Example:
        >>> row = {"annealing": 0, "lr": 1e-3, "val/distortion": 9.0}
        >>> rows = [{**row, "epoch": e, "val/objective": 9 + 8 * 0.5**e, "train/objective": 9.0} for e in range(20)]
        >>> fit_verdict(rows, TrainingFacts(1.0, is_sample=True, values=256))["verdict"]
        'converged'
    """
    rows, measured = comparable(rows)
    seen = [row for row in validated(rows, final=True) if "val/objective" in row]
    found, fall = spikes(rows), fall_of(rows)
    gap = _gap(seen[-1]) if seen and facts.is_sample else None
    entries = {
        "spikes": [spike._asdict() for spike in found],
        "overfitting": _overfitting(rows, facts),
        "falling": None if fall is None else _falling(seen, fall),
        "underfitting": None if more is None or (gap and gap["value"] > more["worth"]) else dict(more),
    }
    return {
        "verdict": None if fall is None else _word(found, entries),
        "measured": measured,
        "validations": len(seen),
        "epoch": None if not seen else int(seen[-1]["epoch"]),
        **entries,
        "gap": gap,
        "thresholds": dict(THRESHOLDS),
    }


def _word(found: Sequence[Spike], entries: Numbers) -> str:
    if is_unstable(found):
        return "KL unstable"
    if entries["overfitting"] is not None:
        return "overfitting"
    if entries["falling"]["still"]:
        return "still falling"
    return "underfitting" if entries["underfitting"] is not None else "converged"


def _overfitting(rows: Sequence[Row], facts: TrainingFacts) -> dict[str, Any] | None:
    """The numbers of the note."""
    note = overfitting(rows, facts)
    return None if note is None else {**note.numbers, "best_epoch": int(note.numbers["best_epoch"])}


def _falling(seen: Sequence[Row], fall: Fall) -> dict[str, Any]:
    """The numbers of `not_converged`, and where the tail is going, which one of a schedule does not tell."""
    still = fall.is_steep or fall.is_flattened
    values = [row["val/objective"] for row in seen]
    tails = approaches([int(row["epoch"]) for row in seen], values) if still and not fall.is_decayed else []
    return {
        "still": still,
        "per_epoch": fall.fall / fall.epochs,
        "stderr": None if math.isnan(fall.stderr) else fall.stderr / fall.epochs,
        "epochs": int(fall.epochs),
        "half_fall": fall.half_fall,
        "whole_fall": fall.whole_fall,
        "decayed": fall.is_decayed,
        "may_gain": still or fall.may_gain,
        "approaches": tails,
    }


def _gap(row: Row) -> dict[str, Any] | None:
    """How much worse validation is than training's mean over the epoch, unpaired."""
    if "train/objective" not in row:
        return None
    stderr = math.hypot(*(row.get(f"{split}/objective_stderr", math.nan) for split in ("train", "val")))
    gap = row["val/objective"] - row["train/objective"]
    return {"value": gap, "stderr": None if math.isnan(stderr) else stderr}
