"""A frontier bent inward, which fixed betas jump over and held rates do not: the table and figure of docs/nonconvex.md.

    OMP_NUM_THREADS=1 python benchmarks/nonconvex.py [--runs runs/nonconvex] [--table] [--write]

The source is 6 fair bits u, seen as the parities of all 63 of their subsets (`parities`). Fits one network at fixed
betas, from scratch and by way of a small beta, and at held rates, two seeds each, 10 to 20 CPU seconds a run, and goes
on where it was stopped. `--write` puts the table into the page and draws its figure. Exits with 1 where a fixed beta
from scratch ends in the gap, a held rate is off by more than 2 %, or one that is held of each x has I below .8 R.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from known_answers.tables import ROOT, put_table
from matplotlib.figure import Figure

from analysis.statistics.fronts import lower_hull
from analysis.style import COLUMN, GREY, INK, STYLE, WARNING
from vae_rd import fit_model
from vae_rd.config.cli import from_mapping
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "nonconvex.md"
BITS, COPIES, SEEDS = 6, 32, (0, 1)
PARITIES = 2**BITS - 1
GAP = (0.5, 5.0)  # Nats of R at which no fixed beta may end, from scratch.
FLAGS: Mapping[str, Any] = {
    "data": "npz",
    "population": True,
    "encoder": "linear",
    "hidden": [512],
    "latent_dim": 8,
    "lr": 0.01,
    "val_every": 25,
}
# 2,000 of 3,200 steps are under the full beta.
BELOW: Mapping[str, Any] = {"beta_start": 0.01, "beta_warmup": 1200, "beta_schedule": "linear", "max_epochs": 200}


class Way(NamedTuple):
    """Runs of one kind: what they are called, the flag that varies, its values, and the flags beside it."""

    name: str
    flag: str
    values: Sequence[float]
    others: Mapping[str, Any]


WAYS = (
    Way("fixed beta", "beta", (0.8, 1.0, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 3.0), {}),
    Way("R of each x held", "target_rate", (1.0, 2.0, 3.0, 4.0), {"rate_weight": 20.0}),
    Way("mean R held", "target_rate", (1.0, 2.0, 3.0, 4.0), {}),
    Way("fixed beta, from 0.01", "beta", (3.0, 4.0, 5.0), BELOW),
)
MARKS = (("v", GREY, "white"), ("s", INK, INK), ("D", WARNING, "white"), ("^", GREY, GREY))


class Point(NamedTuple):
    """What is read of a run's test split, nats."""

    rate: float
    distortion: float
    stderr: float
    information: float
    n: int


def parities(bits: int) -> np.ndarray:
    """The parities of all subsets of a word's bits but the empty one, for all words, [2^bits, 2^bits - 1].

    Example:
        >>> parities(2).tolist()
        [[0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0]]
    """
    words = (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1
    return (words @ words[1:].T % 2).astype(np.uint8)


def least_distortion(rate: float) -> float:
    """The D of independent pixels that no code of this R is below, nats: PARITIES (ln 2 - R / BITS)."""
    return PARITIES * (math.log(2) - rate / BITS)


def point(way: Way, value: float, seed: int, runs: Path, *, fits: bool) -> Point | None:
    """A run, which is fitted where it is missing and that is wanted."""
    name = f"{way.name.replace(',', '').replace(' ', '_')}-{value:g}-{seed}"
    own = {"data_file": str(runs / "parities.npz"), "run_dir": str(runs), "name": name, "wandb": "off"}
    if not fits and not (runs / name / "record.json").is_file():
        return None
    flags = {**FLAGS, **way.others, **own, way.flag: value, "seed": seed, "resume": "auto"}
    record = fit_model(from_mapping(flags, where=name)) if fits else RunRecord.read(runs / name)
    if record.status != "finished":
        return None
    test = record.metrics["test"]
    distortion, information = test["distortion"], test["mutual_information_lower"]["value"]
    n = record.data["n"]["test"]
    return Point(test["rate"]["value"], distortion["value"], distortion["stderr"], information, n)


def points(runs: Path, *, fits: bool) -> dict[str, list[tuple[float, int, Point]]]:
    """Of each way its runs: the value of its flag, the seed, and the point."""
    runs.mkdir(parents=True, exist_ok=True)
    if fits and not (runs / "parities.npz").is_file():
        np.savez(runs / "parities.npz", images=np.tile(parities(BITS), (COPIES, 1)))
    return {
        way.name: [
            (value, seed, found)
            for value in way.values
            for seed in SEEDS
            if (found := point(way, value, seed, runs, fits=fits)) is not None
        ]
        for way in WAYS
    }


def hull_of(found: Mapping[str, Sequence[tuple[float, int, Point]]]) -> np.ndarray:
    """Corners of the lower convex hull of the runs at fixed betas, [corners, (R, D)], by R."""
    rows = [(p.rate, p.distortion) for way in WAYS if way.flag == "beta" for *_, p in found[way.name]]
    both = np.asarray(rows)
    return both[lower_hull(both[:, 0], both[:, 1])]


def rows(found: Mapping[str, Sequence[tuple[float, int, Point]]]) -> Iterator[tuple[str, bool]]:
    """A row for each run, with whether it is where it should be."""
    hull = hull_of(found)
    for way in WAYS:
        for value, seed, p in found[way.name]:
            over = p.distortion - float(np.interp(p.rate, hull[:, 0], hull[:, 1]))
            least = p.distortion - least_distortion(p.rate)
            numbers = f"{p.distortion:.2f} ± {p.stderr:.2f} | {max(0.0, p.information):.2f} | {over:+.2f} | {least:.2f}"
            yield f"| {way.name} | {value:g} | {seed} | {p.rate:.3f} | {numbers} |", is_expected(way, value, p)


def is_expected(way: Way, value: float, p: Point) -> bool:
    """Fixed betas outside the gap, from scratch; held rates within 2 %, and of each x carried by I."""
    if way.flag == "beta":
        return bool(way.others) or not GAP[0] < p.rate < GAP[1]
    return abs(p.rate / value - 1) <= 0.02 and (not way.others or p.information >= 0.8 * p.rate)


def drawn(found: Mapping[str, Sequence[tuple[float, int, Point]]]) -> Figure:
    """D over R of all runs, the hull of those at fixed betas, and what no code of independent pixels is below."""
    figure = Figure(figsize=(COLUMN * 1.5, COLUMN * 1.1), layout="constrained")
    ax = figure.subplots()
    for way, (marker, edge, face) in zip(WAYS, MARKS, strict=True):
        x, y = zip(*((p.rate, p.distortion) for *_, p in found[way.name]), strict=True)
        ax.plot(x, y, marker, color=edge, mfc=face, ms=4, label=way.name, clip_on=False, zorder=3)
    hull = hull_of(found)
    ax.plot(hull[:, 0], hull[:, 1], "--", color=GREY, lw=0.8, label="lower convex hull of fixed betas")
    told = np.arange(BITS + 1)
    told_rate, told_distortion = told * math.log(2), (2**BITS - 2.0**told) * math.log(2)
    ax.plot(told_rate, told_distortion, "+", color=INK, ms=5, clip_on=False, label="0 to 6 bits told, exact")
    ends = told_rate[[0, -1]]
    ax.plot(ends, [least_distortion(rate) for rate in ends], ":", color=INK, label="least of any code, exact")
    ax.set(xlabel="rate R (nats)", ylabel="distortion D (nats)", xlim=(0, None), ylim=(0, None))
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description="A frontier bent inward: fixed betas and held rates.")
    parser.add_argument("--runs", type=Path, default=Path("runs/nonconvex"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table and the figure into docs/")
    options = parser.parse_args()
    found = points(options.runs, fits=not options.table)
    lines = list(rows(found))
    n = next(p.n for some in found.values() for *_, p in some)
    heading = f"| kind | asked | seed | R | D ± s.e. (of n = {n:,}) | I | D over the hull | D over the least |"
    text = "\n".join([heading, "|:---|---:|---:|---:|---:|---:|---:|---:|", *(line for line, _ in lines)])
    print(text)
    print(*(f"not where it should be: {line}" for line, holds in lines if not holds), sep="\n")
    if options.write:
        put_table(text, command="python benchmarks/nonconvex.py --write", file=DOCS)
        with mpl.rc_context(STYLE):
            drawn(found).savefig(DOCS.with_suffix(".png"), dpi=200)
    return int(not all(holds for _, holds in lines))


if __name__ == "__main__":
    sys.exit(main())
