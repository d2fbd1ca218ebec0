"""How far images are from the training examples, beside how far examples are that training has not seen."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.estimates.base import Fitted
from vae_rd.functional.nearest import Nearest, nearest
from vae_rd.seeding import generator

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
    places = run.data.held_out
    places = torch.arange(len(run.data.pixels["test"])) if places is None else places
    if len(places) < 2:
        return None
    order = torch.randperm(len(places), generator=generator("cpu", seed, "explore", "held out"))
    return nearest(run.data.examples("test", places[order[:MOST]].sort().values), train)


def reference(run: Fitted, train: Tensor, seed: int) -> Reference:
    """Of held-out examples; where there are none, of training examples to the nearest other one."""
    if (found := held_out(run, train, seed)) is not None:
        return Reference(found.distance, "held-out examples")
    order = torch.randperm(len(train), generator=generator("cpu", seed, "explore", "others"))
    some = order[:MOST].sort().values.to(train.device)
    return Reference(nearest(train[some], train, but=some).distance, "examples, to the nearest other one")
