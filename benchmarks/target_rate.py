"""Rates that are asked for beside the curve of a beta sweep: is R met, at what D, and does z carry it?

    VAE_RD_DATA=... python benchmarks/target_rate.py [--data ...] [--runs FOLDER] [--table] [--write]

Fits each data set by `--target_rate` and over beta, goes on where it was interrupted, and prints a row a target, of
the validation split: how far R is off, D + R over that of the betas at the same R (between two of them along a
line, which a convex frontier stays below), I, and the multiplier beside the slope between this point and the nearest.
`--write` puts the table into docs/objectives.md. Exits with 1 where a limit is missed: R within 2 %, D + R at most
.3 nat over, I_lower at least .8 R where R <= 5.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from known_answers.tables import ROOT, put_table

from vae_rd import fit_model
from vae_rd.config.cli import from_mapping
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "objectives.md"
COMMAND = "python benchmarks/target_rate.py --write"
TARGETS = (1.0, 2.0, 5.0, 10.0, 20.0)
MOST_OFF, MOST_OVER, LEAST_INFORMATION, INFORMATIVE = 0.02, 0.3, 0.8, 5.0


class Case(NamedTuple):
    """One data set: its flags beside the defaults, and the betas of its curve, about those of the targets."""

    flags: Mapping[str, Any]
    betas: Sequence[float]


CASES: Mapping[str, Case] = {
    "digits": Case({"binarization": "threshold"}, (3.3, 2.3, 1.4, 0.75, 0.24)),
    "sprites": Case({}, (16.0, 13.0, 8.0, 2.7, 1.25, 0.27)),
    "static_mnist": Case({"latent_dim": 32, "max_epochs": 10}, (20.0, 13.0, 9.0, 4.5, 2.2, 1.0)),
    "static_mnist_conv": Case(
        {"data": "static_mnist", "encoder": "conv", "decoder": "conv", "latent_dim": 32, "max_epochs": 10},
        (20.0, 13.0, 9.0, 4.5, 2.2, 1.0),
    ),
}


class Point(NamedTuple):
    """What is read of a run's validation, nats."""

    rate: float
    distortion: float
    information: float
    slope: float

    @property
    def total(self) -> float:
        """D + R."""
        return self.distortion + self.rate


def point(data: str, runs: Path, aim: Mapping[str, float], *, fits: bool) -> Point | None:
    """The validation of a run, which is fitted where it is missing and that is wanted."""
    words = "-".join(f"{name}{value:g}" for name, value in aim.items())
    own = {
        "data": data,
        "run_dir": str(runs),
        "name": f"{data}-{words}",
        "wandb": "off",
        "resume": "auto",
        "val_every": 5,
    }
    folder = runs / own["name"]
    if not fits and not (folder / "record.json").is_file():
        return None
    record = (
        fit_model(from_mapping({**own, **CASES[data].flags, **aim}, where="aim")) if fits else RunRecord.read(folder)
    )
    if record.status != "finished":
        return None
    val = record.metrics["val"]
    names = ("rate", "distortion", "mutual_information_lower")
    return Point(*(val[name]["value"] for name in names), record.model["achieved_slope"])


def over_curve(asked: Point, curve: Sequence[Point]) -> float:
    """D + R above that of a beta sweep at the same R, nats; nan beyond its ends."""
    rates, totals = zip(*sorted((p.rate, p.total) for p in curve), strict=True)
    return asked.total - float(np.interp(asked.rate, rates, totals, left=np.nan, right=np.nan))


def rows(data: str, runs: Path, *, fits: bool) -> Iterator[tuple[str, bool]]:
    """A row of the table for each target, with whether it holds."""
    found = {target: point(data, runs, {"target_rate": target}, fits=fits) for target in TARGETS}
    curve = [p for beta in CASES[data].betas if (p := point(data, runs, {"beta": beta}, fits=fits)) is not None]
    asked = {target: p for target, p in found.items() if p is not None}
    for target, p in asked.items():
        off, over = p.rate / target - 1, over_curve(p, curve) if curve else float("nan")
        others = [q for t, q in asked.items() if t != target]
        near = min(others, key=lambda q: abs(q.rate - p.rate), default=p)
        secant = -(near.distortion - p.distortion) / (near.rate - p.rate) if near is not p else float("nan")
        holds = abs(off) <= MOST_OFF and not over > MOST_OVER
        holds &= target > INFORMATIVE or p.information >= LEAST_INFORMATION * p.rate
        cells = (f"{p.rate:.3f}", f"{100 * off:+.2f} %", f"{p.distortion:.2f}", f"{p.total:.2f}", f"{over:+.2f}")
        cells += (f"{p.information:.2f}", f"{p.slope:.2f}", f"{secant:.2f}")
        yield f"| {data} | {target:g} | {' | '.join(cells)} |", holds


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates that are asked for beside the curve of a beta sweep.")
    parser.add_argument("--data", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=Path, default=Path("runs/target_rate"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/objectives.md")
    options = parser.parse_args()
    lines = ["| data | asked | R | off | D | D + R | over the betas | I | multiplier | slope to the nearest target |"]
    lines += ["|:---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    holds = True
    for data in options.data:
        for line, is_held in rows(data, options.runs, fits=not options.table):
            lines.append(line)
            holds &= is_held
            print(line if is_held else f"{line} **missed**", flush=True)
    if options.write:
        put_table("\n".join(lines), command=COMMAND, file=DOCS)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
