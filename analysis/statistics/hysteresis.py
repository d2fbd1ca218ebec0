"""By how much the two ways along beta, down and up, differ where both have a run: hysteresis of continuation."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence

import pandas as pd

from vae_rd.errors import InputError

DOWN, UP = "down", "up"
QUANTITIES = ("distortion", "rate", "objective")
TWO = 2  # Seeds, from which a spread between them is known.


def on_ways(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of chains, `direction` in their `config`; the first of each is of the way that begins with it.

    The number of epochs, which the first one has more of, then sets none apart.

    Args:
        runs: from `load_runs`.

    Raises:
        InputError: where no run started from another along beta.
    """
    configs = [json.loads(config) for config in runs["config"]]
    ways = [config.get("direction") for config in configs]
    begun = {start: way for start, way in zip(runs["start"], ways, strict=True) if way}
    ways = [way or begun.get(run) for way, run in zip(ways, runs["run"], strict=True)]
    told = [
        json.dumps({k: v for k, v in config.items() if k not in ("max_epochs", "start_from")} | {"direction": way})
        for config, way in zip(configs, ways, strict=True)
    ]
    found = runs.assign(config=told, direction=ways)[[way is not None for way in ways]]
    if found.empty:
        raise InputError("no run started from another along beta; give those of a sweep with --launcher continuation")
    return found.reset_index(drop=True)


def hysteresis(rows: pd.DataFrame) -> pd.DataFrame:
    """D, R and D + beta R of the way up less those of the way down, a row for each beta that both have, in nats.

    `<quantity>_difference` is the mean over seeds, which pair the two; its `_stderr` is of the spread of these
    differences from two seeds on. Of one seed it is that of two independent samples of test examples: the examples are
    the same, so that it is too large where their values go together. Runs of one seed, way and beta count as one, their
    mean. `seeds` counts the pairs, and `better` is the way
    with the lower D + beta R where they differ by more than 2 s.e., else None.

    Args:
        rows: of one split, from `on_ways`.

    Example:
        >>> ways = {"direction": ["down", "up"], "distortion": [60.0, 64.0], "rate": [5.0, 1.0]}
        >>> alike = {"seed": 0, "card": "", "config": "{}"}
        >>> stderrs = {f"{name}_stderr": 0.3 for name in QUANTITIES}
        >>> rows = pd.DataFrame(ways | stderrs | {"objective": [70.0, 66.0], "beta": 2.0} | alike)
        >>> hysteresis(rows)[["rate_difference", "objective_difference", "objective_stderr", "better"]].round(2)
           rate_difference  objective_difference  objective_stderr better
        0             -4.0                  -4.0              0.42     up
    """
    alike = rows.assign(alike=[_without_way(config) for config in rows["config"]])
    keys = ["card", "alike", "beta"]
    found = [
        dict(zip(keys, key, strict=True)) | _compared(part)
        for key, part in alike.groupby(keys, sort=True)
        if {DOWN, UP} <= set(part["direction"])
    ]
    of_each = (f"{name}_{kind}" for name in QUANTITIES for kind in ("difference", "stderr"))
    return pd.DataFrame(found, columns=[*keys, "seeds", *of_each, "better"])


def _without_way(config: str) -> str:
    return json.dumps({k: v for k, v in json.loads(config).items() if k != "direction"})


def _compared(part: pd.DataFrame) -> dict[str, float | int | str | None]:
    """One beta: each seed's two runs make a pair."""
    columns = [column for name in QUANTITIES for column in (name, f"{name}_stderr")]
    of = {way: part[part["direction"] == way].groupby("seed")[columns].mean() for way in (DOWN, UP)}
    seeds = of[DOWN].index.intersection(of[UP].index)
    ways = {way: means.loc[seeds] for way, means in of.items()}
    row: dict[str, float | int | str | None] = {"seeds": len(seeds)}
    for name in QUANTITIES:
        pairs = ways[UP][name] - ways[DOWN][name]
        row |= {f"{name}_difference": float(pairs.mean()), f"{name}_stderr": _stderr(pairs.tolist(), ways, name)}
    difference, stderr = (row[f"objective_{key}"] for key in ("difference", "stderr"))
    assert isinstance(difference, float), "a mean"
    assert isinstance(stderr, float), "a standard error"
    return row | {"better": (UP if difference < 0 else DOWN) if abs(difference) > 2 * stderr else None}


def _stderr(pairs: Sequence[float], ways: dict[str, pd.DataFrame], name: str) -> float:
    if len(pairs) >= TWO:
        return statistics.stdev(pairs) / math.sqrt(len(pairs))
    return math.hypot(*(float(ways[way][f"{name}_stderr"].mean()) for way in (DOWN, UP)))
