"""What a training says of its latents, by the states that the verdict at its end knows: each if it lasts.

Three validations in a row must be in the state, under the final loss, and out of the rise of the learning rate, and
what would lead out of it must not grow: most trainings pass through one of these states in their first epochs. The
numbers are of a few examples of validation (`vae_rd.training.diagnosis`).
"""

from __future__ import annotations

from collections.abc import Sequence

from vae_rd.theory.thresholds import COLLAPSED_RATE
from vae_rd.verdicts.notes import (
    GROWTH,
    LASTING,
    Note,
    Row,
    TrainingFacts,
    lr_rises,
    nats,
    noted,
    validated,
    with_error,
)
from vae_rd.verdicts.states import is_ignored, is_lagging, remedy_of

RATE, INFORMATION, GAP = "val/rate", "val/information", "val/amortisation_gap"
SHUFFLED, DISTORTION, RISE_STDERR = "val/shuffled_distortion", "val/distortion", "val/shuffle_rise_stderr"


def no_information(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """R of 0.1 nat or more, of which InfoNCE finds less than 0.1 nat: a q(z|x) that is the same for every x.

    Example:
        >>> row = {"annealing": 0, "lr": 1e-3, "val/distortion": 60.0, "val/rate": 1.92, "val/information": 0.004}
        >>> print(no_information([{**row, "epoch": epoch} for epoch in range(3)], TrainingFacts(1.0, False, 256)).text)
        z carries no information: I = 0.004 of R = 1.92 nats; q(z|x) is the same for every x: widen --hidden, take \
fewer layers or a smaller --latent_dim, or train on
    """
    seen = _lasting(rows, RATE, INFORMATION)
    if not seen or not all(map(_is_empty, seen)) or _grows([row[INFORMATION] for row in seen]):
        return None
    last = seen[-1]
    information = max(0.0, last[INFORMATION])
    text = f"z carries no information: I = {nats(information)} of R = {nats(last[RATE])} nats"
    return _noted("no_information", "no_information", last, text, rate=last[RATE], information=information)


def _is_empty(row: Row) -> bool:
    return row[RATE] >= COLLAPSED_RATE and row.get(INFORMATION, COLLAPSED_RATE) < COLLAPSED_RATE


def _is_unread(row: Row) -> bool:
    entry = {"value": row[SHUFFLED] - row[DISTORTION], "stderr": row[RISE_STDERR]} if SHUFFLED in row else None
    return _is_empty(row) or (entry is not None and is_ignored(row[RATE], entry, row.get(INFORMATION)))


def ignored_by_decoder(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """R of 0.1 nat or more, and D rises by less than 0.1 nat, or a tenth of I, when z is that of another x."""
    seen = _lasting(rows, RATE, SHUFFLED, RISE_STDERR)
    rises = [row[SHUFFLED] - row[DISTORTION] for row in seen]
    entries = [{"value": rise, "stderr": row[RISE_STDERR]} for rise, row in zip(rises, seen, strict=True)]
    ignored = [is_ignored(row[RATE], entry, row.get(INFORMATION)) for row, entry in zip(seen, entries, strict=True)]
    if not seen or not all(ignored) or all(map(_is_empty, seen)) or _grows(rises):
        return None
    last = seen[-1]
    found = f"D rises by {with_error(rises[-1], last[RISE_STDERR])} nats when z is that of another x"
    text = f"the decoder ignores z: {found}, though R = {nats(last[RATE])}"
    return _noted(
        "ignored_by_decoder", "ignored", last, text, rate=last[RATE], rise=rises[-1], stderr=last[RISE_STDERR]
    )


def lagging_encoder(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """Local steps on q(z|x) gain more than a third of R, and more than 0.1 nat, while R does not grow.

    Not where z tells nothing or nobody reads it: there they gain R, by going to the prior.

    Source: He et al. 2019, "Lagging Inference Networks and Posterior Collapse", arXiv 1901.05534.
    """
    seen = _lasting(rows, RATE, GAP, f"{GAP}_stderr")
    entries = [{"value": r[GAP], "stderr": r[f"{GAP}_stderr"], "slope": r["beta_effective"]} for r in seen]
    lags = [is_lagging(row[RATE], entry) for row, entry in zip(seen, entries, strict=True)]
    if not seen or not all(lags) or _grows([row[RATE] for row in seen]) or any(map(_is_unread, seen)):
        return None
    last, gap = seen[-1], entries[-1]
    gained = f"local steps on q(z|x) gain {with_error(gap['value'], gap['stderr'])} nats"
    text = f"the encoder lags behind the decoder: {gained}, and R = {nats(last[RATE])} does not grow"
    return _noted("lagging_encoder", "lagging", last, text, rate=last[RATE], gap=gap["value"], stderr=gap["stderr"])


def _lasting(rows: Sequence[Row], *names: str) -> list[Row]:
    """The last validations, as many as must agree, if each has these numbers and the learning rate is up; else none."""
    seen = validated(rows, final=True)[-LASTING:]
    known = len(seen) == LASTING and all(name in row for row in seen for name in names)
    return seen if known and not lr_rises(rows) else []


def _grows(values: Sequence[float]) -> bool:
    return values[-1] > max(GROWTH * values[0], values[0] + COLLAPSED_RATE / 10)


def _noted(kind: str, state: str, row: Row, text: str, **numbers: float) -> Note:
    """A note with the remedy of the verdict's state."""
    return noted(kind, row, f"{text}; {remedy_of(state)}", **numbers)
