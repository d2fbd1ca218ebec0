"""A sweep over beta as chains of runs: each starts from its neighbour's weights and optimiser, down in beta or up.

Where the two ways come to other solutions at one beta, as near a collapse of first order, they show it: hysteresis.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vae_rd.config.fields import FitConfig
from vae_rd.launch.points.curves import curves, number
from vae_rd.launch.points.plan import Plan, PlannedRun, distinct, planned
from vae_rd.launch.points.sweep_file import SweepFile

WAYS = ("both", "down", "up")
SHARE = 4  # The first run of a chain is this many times as long as the others; docs/continuation.md measures it.


def continuation(file: SweepFile, *, epochs: int | None, ways: str) -> Plan:
    """The plan of a sweep file whose runs follow each other along beta.

    Args:
        file: a grid with several betas; each combination of its other parameters is a chain.
        epochs: of a run that starts from another; None for a quarter of the first one's, and of its max_steps.
        ways: "down" from the greatest beta, "up" from the least, or "both": down, and from there up again.

    Raises:
        InputError: where the file is no grid over beta, a point is none that a run could be, or two are one run.
    """
    rising, others = curves(file, launcher="continuation")
    betas = {"up": rising, "down": rising[::-1], "both": [*rising[::-1], *rising[1:]]}[ways]  # One run where it turns.
    chains = (_chain(file, point, betas, epochs) for point in others)
    runs = tuple(itertools.islice(distinct(file, itertools.chain.from_iterable(chains)), file.run_cap))
    return Plan(file, Path(runs[0].config.run_dir), runs, runs[0])


def _length(first: FitConfig, epochs: int | None) -> dict[str, int]:
    """How long each run but the first trains, as flags: whichever limit ends that one, the others have their share."""
    if epochs is not None:
        return {"max_epochs": epochs}
    limits = {"max_epochs": first.max_epochs, "max_steps": first.max_steps}
    return {name: max(1, limit // SHARE) for name, limit in limits.items() if limit is not None}


def _chain(file: SweepFile, point: Mapping[str, Any], betas: Sequence[Any], epochs: int | None) -> Iterator[PlannedRun]:
    """One run after another, each from the one before it; the first trains in full."""
    before = planned(file, {**point, "beta": betas[0]})
    length = _length(before.config, epochs)
    yield before
    for last, beta in itertools.pairwise(betas):
        way = "down" if number(beta) < number(last) else "up"
        start = {"start_from": f"{before.folder}", **length}
        run = planned(file, {**point, "beta": beta, **start})
        before = replace(run, point={**run.point, "way": way}, after=before.name)
        yield before
