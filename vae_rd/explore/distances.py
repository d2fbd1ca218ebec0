"""How far images are from the training examples, beside how far examples are that training has not seen."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.estimates.base import Fitted
from vae_rd.explore.base import some, unseen_of
from vae_rd.functional.nearest import Nearest, nearest

MOST = 1_000  # Of the examples that are held against the training ones.


class Reference(NamedTuple):
    """Distances of the data to themselves, and in words whose they are."""

    distance: Tensor
    of: str


def training(run: Fitted) -> Tensor:
    """x of all training examples, [N, C, H, W]."""
    return run.data.examples("train", torch.arange(len(run.data.pixels["train"])))


def held_out(run: Fitted, train: Tensor, seed: int) -> Nearest | None:
    """Of at most MOST test examples that training has not seen; None where there are no two."""
    if unseen_of(run) is None:
        return None
    return nearest(run.data.examples("test", some(run, "test", MOST, seed)), train)


def reference(run: Fitted, train: Tensor, seed: int) -> Reference:
    """Of held-out examples; where there are none, of training examples to the nearest other one."""
    if (found := held_out(run, train, seed)) is not None:
        return Reference(found.distance, "held-out examples")
    index = some(run, "train", MOST, seed).to(train.device)
    return Reference(nearest(train[index], train, but=index).distance, "examples, to the nearest other one")
