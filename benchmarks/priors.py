"""What a learned prior is worth at beta = 1 on real handwriting, paired over seeds: one table.

    OMP_NUM_THREADS=1 python benchmarks/priors.py [--jobs N] [--table] [--write]

Fits sweeps/priors.yaml under runs/priors (`--runs`), goes on where it was interrupted, and prints D, R and D + R of
each prior and by how much D + R is above that of the normal one, with standard errors over seeds; `--write` puts the
table into docs/families.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev

from known_answers.tables import ROOT, put_table

from vae_rd import sweep
from vae_rd.run.record import RunRecord

FILE = ROOT / "sweeps" / "priors.yaml"
PRIORS = ("normal", "mixture", "maf", "vamp")
Found = Mapping[tuple[str, int], tuple[float, float]]


def measured(runs: Path) -> Found:
    """D and R of the test split of the finished runs, by prior and seed."""
    records = [RunRecord.read(path.parent) for path in runs.glob("*/record.json")]
    return {
        (r.config["prior"], r.config["seed"]): tuple(
            r.metrics["test"][name]["value"] for name in ("distortion", "rate")
        )
        for r in records
        if r.status == "finished"
    }


def with_error(values: list[float], *, signed: bool = False) -> str:
    """Mean and standard error."""
    mean = f"{fmean(values):{'+' if signed else ''}.2f}"
    return f"{mean} ± {stdev(values) / len(values) ** 0.5:.2f}" if len(values) > 1 else mean


def row(prior: str, found: Found) -> str:
    """The row of a prior, over the seeds that the normal one has too."""
    seeds = [seed for word, seed in found if word == prior and ("normal", seed) in found]
    own, normal = ([found[word, seed] for seed in seeds] for word in (prior, "normal"))
    numbers = [[d for d, _ in own], [r for _, r in own], [sum(terms) for terms in own]]
    above = [sum(a) - sum(b) for a, b in zip(own, normal, strict=True)]
    cells = [prior, str(len(seeds)), *map(with_error, numbers), with_error(above, signed=True)]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="What a learned prior is worth on real handwriting.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/priors"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/families.md")
    options = parser.parse_args()
    given = [str(FILE), f"--jobs={options.jobs}", f"--run_dir={options.runs}", "--wandb=off"]
    code = 0 if options.table else sweep.main(given)
    found = measured(options.runs)
    lines = ["| prior | seeds | D | R | D + R | above the normal one |", "|:---|---:|---:|---:|---:|---:|"]
    lines += [row(prior, found) for prior in PRIORS if (prior, 0) in found]
    print(text := "\n".join(lines))
    if options.write:
        put_table(text, command="python benchmarks/priors.py --write", file=ROOT / "docs" / "families.md")
    return code


if __name__ == "__main__":
    sys.exit(main())
