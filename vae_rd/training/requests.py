"""What members of a pack wait for: a block of steps, or a measurement, to be taken for several of them at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar, cast

from vae_rd.data.module import BLOCK, Batch, TrainBatches
from vae_rd.training.stacked_gain import Gain
from vae_rd.training.stacked_loss import words_of
from vae_rd.training.vae import VAEBlocks

Seat = TypeVar("Seat")


@dataclass
class StepsRequest:
    """A block of steps that a member is to take."""

    module: VAEBlocks
    block: Iterable[Batch]
    first: int

    @property
    def count(self) -> int:
        """How many steps there are."""
        an_epoch = cast(TrainBatches, self.module.trainer.train_dataloader).steps
        return min(BLOCK, an_epoch - self.first % an_epoch, self.module.descent.steps - self.first)

    @property
    def like(self) -> Hashable:
        """What requests that are stacked have in common, beside the step."""
        return self.count, words_of(self.module.objective)


@dataclass
class GainRequest:
    """The gain of a few steps on q(z|x) that a member is to know before it goes on from step `first`."""

    gain: Gain
    first: int

    @property
    def like(self) -> Hashable:
        """What requests that are stacked have in common, beside the step."""
        return self.gain.like


def next_of(asked: Sequence[tuple[Seat, Any]]) -> list[tuple[Seat, Any]]:
    """The requests that are answered at once: of the least step, before it what is to be measured, and alike."""
    found: dict[tuple[int, bool, Hashable], list[tuple[Seat, Any]]] = {}
    for seat, request in asked:
        found.setdefault((request.first, isinstance(request, StepsRequest), request.like), []).append((seat, request))
    return found[min(found, key=lambda key: key[:2])]


def peeked(requests: Sequence[StepsRequest]) -> list[Batch]:
    """The first batch of each block, which stays there."""
    each = [next(iter(request.block)) for request in requests]
    for request, batch in zip(requests, each, strict=True):
        request.block = chain([batch], request.block)
    return each
