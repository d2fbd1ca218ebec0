"""Nearest neighbours by Euclidean distance."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 2**24  # Distances of a table that is held at once: 64 MB of single precision.


class Nearest(NamedTuple):
    """Distances, [M], and positions, [M], of the nearest."""

    distance: Tensor
    place: Tensor


def nearest(x: Tensor, among: Tensor, *, but: Tensor | None = None) -> Nearest:
    """The nearest of `among` [N, ...] to each of x [M, ...], min_j |x_i - a_j|.

    Candidates are found by matrix products, and their distance is then taken from their difference, so that that of a
    copy is 0.

    Args:
        x: whose neighbours are wanted.
        among: where they are looked for.
        but: positions that do not count, one for each x, [M]: its own, where x are of `among`.

    Example:
        >>> found = nearest(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [5.0], [9.0]]))
        >>> found.distance.tolist(), found.place.tolist()
        ([1.0, 0.0], [0, 2])
    """
    seen, others = x.flatten(1), among.flatten(1)
    centre = others.mean(0)
    found = []
    for part in torch.arange(len(seen), device=seen.device).split(max(1, ROWS // len(others))):
        distance = torch.cdist(seen[part] - centre, others - centre)
        if but is not None:
            distance[torch.arange(len(part), device=distance.device), but[part]] = math.inf
        found.append(distance.argmin(1))
    index = torch.cat(found) if found else torch.zeros(0, dtype=torch.long, device=seen.device)
    return Nearest((seen - others[index]).norm(dim=1), index)
