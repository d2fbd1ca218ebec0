"""Spikes of a training: epochs that stand out from those about them, and are taken back."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vae_rd.verdicts.histories import ABOUT, scatter
from vae_rd.verdicts.notes import Row

BESIDE = 3  # Rows to each side, whose median a spike stands out from: one of up to so many rows in a row is seen.
STAND_OUT = 10.0  # Of that scatter: training's noise has longer tails than a normal.
SPIKE = 1.0  # Nat: less one does not see in a chart.
SPIKE_SHARE = 0.05  # Of the middle half of values: less is in proportion.
BEGUN = 0.15  # Of the rows: before, R may overshoot and come back as the decoder learns to read z.
UNSTABLE = 2  # Bursts of spikes: one may be an accident of a batch,
HUGE = 10.0  # unless it has so many times what counts as one.
QUANTITIES = ("train/objective", "val/objective", "train/rate", "val/rate")


class Spike(NamedTuple):
    """One epoch, from 0, that stands out in a quantity by so many nats, and by how many times what counts."""

    epoch: int
    quantity: str
    height: float
    excess: float


def spikes(rows: Sequence[Row]) -> list[Spike]:
    """The spikes of training, by epochs: of each the quantity that stands out the most, for its noise.

    Objectives spike upwards, rates either way. The median of as many rows on both sides is the value itself where the
    course is monotone, however steep; the first and the last row have nobody beside them, and are never spikes.

    Args:
        rows: from `comparable`; those of an annealed loss are left out, whose course is the weight's.

    Example:
        >>> rows = [{"epoch": e, "annealing": 0, "train/rate": 9.0 + 0.01 * (e % 2)} for e in range(12)]
        >>> rows[5]["train/rate"] = 29.0
        >>> [(spike.epoch, spike.quantity, round(spike.height, 1)) for spike in spikes(rows)]
        [(5, 'train/rate', 20.0)]
    """
    final = [row for row in rows if not row["annealing"]]
    found: dict[int, Spike] = {}
    for quantity in QUANTITIES:
        for spike in _spikes_of(quantity, [row for row in final if quantity in row]):
            if spike.excess > found.get(spike.epoch, spike._replace(excess=0.0)).excess:
                found[spike.epoch] = spike
    return [found[epoch] for epoch in sorted(found)]


def is_unstable(found: Sequence[Spike]) -> bool:
    """Whether these are two bursts of spikes or more, or one of them is huge; spikes next to each other are one burst.

    Example:
        >>> spike = Spike(20, "train/rate", 5.0, 2.0)
        >>> is_unstable([spike, spike._replace(epoch=21)]), is_unstable([spike, spike._replace(epoch=30)])
        (False, True)
    """
    bursts = 1 + sum(spike.epoch - before.epoch > BESIDE for before, spike in itertools.pairwise(found))
    return bool(found) and (bursts >= UNSTABLE or max(spike.excess for spike in found) >= HUGE)


def _spikes_of(quantity: str, rows: Sequence[Row]) -> Iterator[Spike]:
    values = [row[quantity] for row in rows]
    if len(values) <= 2 * BESIDE:
        return
    lower, _, upper = statistics.quantiles(values)
    for i in range(max(BESIDE, math.ceil(BEGUN * len(values))), len(values)):
        beside = min(BESIDE, i, len(values) - 1 - i)
        height = values[i] - statistics.median(values[i - beside : i + beside + 1])
        noise = scatter(values[max(0, i - ABOUT) : i + ABOUT + 1], quartile=1 if len(values) > 2 * ABOUT else 2)
        counts = max(STAND_OUT * noise, SPIKE, SPIKE_SHARE * (upper - lower))
        excess = (abs(height) if quantity.endswith("rate") else height) / counts
        if excess > 1:
            yield Spike(int(rows[i]["epoch"]), quantity, height, excess)
