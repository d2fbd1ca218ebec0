"""What one validation has seen of a loader: values of each example in the order of all, whatever process had them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.foreign.collecting import Collected
from vae_rd.foreign.contents import Contents
from vae_rd.foreign.noise import PlacedNoise
from vae_rd.foreign.returned import Batch
from vae_rd.functional.rate_distortion import objective_of, rate_distortion
from vae_rd.metrics.values import Chunk
from vae_rd.model.posteriors.base import Posterior
from vae_rd.process.collectives import all_gather, rank, world_size


class Pass:
    """Collects batches of examples with their places.

    Args:
        noise: of the examples, which knows their number of all processes, or that nobody does; what lies beyond was
            only added to fill up a batch.
        contents: of the x, where they are known from an earlier pass; None to take note of them.
    """

    def __init__(self, noise: PlacedNoise, *, contents: Contents | None = None) -> None:
        self.noise, self.contents = noise, contents
        self.places, self._own = list[Tensor](), Collected()

    @property
    def count(self) -> int:
        """Examples that this process has had."""
        return sum(map(len, self.places))

    def add(self, read: Batch, places: Tensor) -> None:
        """Draw the z of a batch, and take note of it."""
        if (n := self.noise.n) is not None and int(places.max()) >= n + -n % world_size():
            self.noise.forget_n()  # More than any filling up: what the loader counts are whole batches.
        self._own.add(read.drawn(self.noise, places), with_x=False)
        if self.contents is None and read.x is not None:
            n = self.noise.n
            self._own.contents.add(read.x if n is None else read.x[(places < n).to(read.x.device)])
        self.places.append(places)

    def gathered(self) -> Collected:
        """That of all processes, as one chunk."""
        own = (self._own.chunks, self.places, self._own.contents, self.noise.n)
        shares = [share for _, share in sorted(all_gather({rank(): own}).items()) if share[0]]
        together = Collected()
        together.last = self._own.last if len(shares) == world_size() else None
        if shares:
            chunks = [chunk for share in shares for chunk in share[0]]
            places = torch.cat([some for share in shares for some in share[1]])
            counts = {n for _, _, _, n in shares}
            together.chunks = [_in_order(chunks, places, counts.pop() if len(counts) == 1 else None)]
            together.contents = self.contents or Contents.merged([contents for _, _, contents, _ in shares])
        return together


def _in_order(chunks: Sequence[Chunk], places: Tensor, n: int | None) -> Chunk:
    """Chunks as one, by places, each once."""
    _, counts = (found := places.sort(stable=True)).values.unique_consecutive(return_counts=True)
    order = found.indices[counts.cumsum(0) - counts]
    order = order if n is None else order[places[order] < n]
    values = {name: torch.cat([chunk.values[name] for chunk in chunks], 1)[:, order] for name in chunks[0].values}
    return Chunk(values, _posterior([chunk.posterior for chunk in chunks], order))


def _posterior(parts: Sequence[Posterior | None], order: Tensor) -> Posterior | None:
    known = [part for part in parts if part is not None]
    return known[0].cat(known).part(order) if known else None


def means(chunk: Chunk, *, slope: float | None) -> dict[str, float]:
    """D, R and what belongs to them as numbers by the names of history's columns; nan where undefined."""
    values = {name: value.mean(0) for name, value in chunk.values.items() if name != "z"}
    d, per_dim = values["distortion"], values.get("rate_per_dim")
    units = d.new_zeros(len(d), 0) if per_dim is None else torch.full_like(per_dim, torch.nan)
    found = rate_distortion(
        d,
        values.get("rate", torch.full_like(d, torch.nan)),
        mean=values.get("mean", units),
        rate_per_dim=per_dim,
        slope=slope,
    )
    rates = found.pop("rate_per_dim").tolist()
    return {name: value.item() for name, value in found.items()} | {f"rate_dim_{d}": r for d, r in enumerate(rates)}


def objectives(chunk: Chunk, *, slope: float | None) -> Tensor | None:
    """D + slope R of each example, [N]; None where that is undefined."""
    if slope is None or "rate" not in chunk.values:
        return None
    found = objective_of(chunk.values["distortion"], chunk.values["rate"], slope).mean(0)
    return found if bool(found.isfinite().all()) else None


def information(chunk: Chunk, most: int) -> float:
    """InfoNCE among at most so many of the examples; nan where q has no density, or pairs of z and x are dear."""
    q = chunk.posterior
    if q is None or not q.has_density or q.most_compared is not None:
        return math.nan
    n = chunk.values["z"].shape[1]
    some = torch.arange(0, n, -(-n // most))
    return float(q.part(some).information(chunk.values["z"][:1, some].double()).lower.mean())
