"""What notes on a training are made of: rows of its epochs, what else is known of it, and when they are due."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

Row = Mapping[str, float]

# When a note is due, beside the collapse verdict's COLLAPSED_RATE, so that both speak of the same runs.
LASTING = 3  # Validations in a row: one alone may be a step too far that the next one takes back.
SIGMAS = 3.0  # Standard errors of a difference, beyond which it is no noise, even if asked after each of many epochs.
WORTH = 0.1  # Nats of D + beta R: less matters to nobody, however small its standard error on a large split.
GROWTH = 1.1  # Of a small rate within LASTING validations: units that switch on grow by a factor an epoch from near 0.
RISE = 1.0  # Nat of R within LASTING validations: what one sees in a chart.
TAIL = 0.25  # Of the validations, that say whether training has ended: the last alone follow a learning rate near 0.
DECAYED = 0.1  # Of the largest learning rate: below it, a flat end may be the learning rate's own.
WORTH_HALF = 0.5  # Nats of the second half of such a training: ten times as long, runs gained 0.7 to 8.4 times that.
SHARE = 0.1  # Of all that it gained: a second half that brought so much is not the end, however flat the last quarter.
WORTH_DECAYED = 1.0  # Nats: as a learning rate goes to 0 every training falls by some tenths, the last of its noise.


@dataclass(frozen=True)
class TrainingFacts:
    """What is known of a training beside its rows.

    Attributes:
        beta: -dD/dR where it aims; None if undefined.
        is_sample: whether training examples are some of many, which a network can fit better than the others; not so
            where they are all there are, nor where every step has fresh ones.
        values: numbers in one x.
        pixel_scale: of the card: the scale of grey x.
        bins: grey levels of an x that is dequantised, so that a density plus ln(bins) a value bounds discrete ones.
    """

    beta: float | None
    is_sample: bool
    values: int
    pixel_scale: str | None = None
    bins: int | None = None

    @classmethod
    def of(cls, card: Mapping[str, Any], beta: float | None) -> TrainingFacts:
        """From the `data` of a record, which may be older than some of its facts."""
        is_whole = any(card.get(name, {}).get("train", False) for name in ("population", "unlimited"))
        bins = card.get("levels") if card["support"] == "real" else None
        return cls(beta, not is_whole, math.prod(card["shape"]), card.get("pixel_scale"), bins)


@dataclass(frozen=True)
class Note:
    """One thing that was found.

    Attributes:
        kind: the word for it.
        epoch: after which, from 0 as in history.csv; its text counts from 1, as the terminal does.
        text: in one line.
        numbers: that led to it.
    """

    kind: str
    epoch: int
    text: str
    numbers: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """As the record has it."""
        return asdict(self)


def validated(rows: Sequence[Row], *, final: bool = False) -> list[Row]:
    """The epochs with a validation; with `final` those alone whose loss was the final one, not on its way there."""
    return [row for row in rows if "val/distortion" in row and not (final and row["annealing"])]


def noted(kind: str, row: Row, text: str, **numbers: float) -> Note:
    """A note after the epoch of a row."""
    return Note(kind, int(row["epoch"]), text, numbers)


def count_of(row: Row) -> int:
    """The epoch, from 1."""
    return int(row["epoch"]) + 1


def objective_of(row: Row) -> float:
    """D + beta R of validation; infinite where it has none, so that it is no minimum."""
    return row.get("val/objective", math.inf)


def lr_rises(rows: Sequence[Row]) -> bool:
    """Whether the learning rate still goes up, so that one cycle has not begun in earnest."""
    return len(rows) > 1 and rows[-1].get("lr", 0.0) > rows[-2].get("lr", 0.0)


def rises(values: Sequence[float]) -> bool:
    """Whether each value is above the one before."""
    return all(before < after for before, after in pairwise(values))


def known_only(**numbers: float) -> dict[str, float]:
    """Those that are not nan."""
    return {name: value for name, value in numbers.items() if not math.isnan(value)}


def with_error(value: float, stderr: float) -> str:
    """A number of nats, with its standard error if that is known."""
    return nats(value) if math.isnan(stderr) else f"{nats(value)} ± {nats(stderr)}"


def nats(value: float) -> str:
    """A number of nats, to hundredths or a digit."""
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.1g}"
