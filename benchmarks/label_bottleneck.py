"""An information bottleneck over beta: the labels of binarised digits told from z, on the plane of D over R.

    OMP_NUM_THREADS=1 python benchmarks/label_bottleneck.py [--jobs N] [--table] [--write]

Fits sweeps/bottleneck.yaml under runs/bottleneck (`--runs`) and goes on where it was interrupted. `--write` puts the
table into docs/probes.md and draws docs/bottleneck.png. Exits with 1 where H(Y) - D <= I <= R fails by more than 3 s.e.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from known_answers.tables import ROOT, put_table

from analysis import __main__ as command
from vae_rd import sweep
from vae_rd.run.record import RunRecord

FILE = ROOT / "sweeps" / "bottleneck.yaml"
NAMES = ("rate", "distortion", "mutual_information_lower")


def finished(runs: Path) -> list[RunRecord]:
    """The finished runs, by beta and seed."""
    found = [RunRecord.read(path.parent) for path in sorted(runs.glob("*/record.json"))]
    done = [record for record in found if record.status == "finished"]
    return sorted(done, key=lambda record: (record.config["beta"], record.config["seed"]))


def row(record: RunRecord) -> str:
    """One run: D and I with their standard errors over draws of z; R is analytic."""
    test, entropy = record.metrics["test"], record.data["entropy"]["test"]["value"]
    rate, distortion, information = (test[name] for name in NAMES)
    told = f"{entropy - distortion['value']:.3f} ± {distortion['stderr']:.3f}"
    known = f"{max(0.0, information['value']):.3f} ± {information['stderr']:.3f}"
    numbers = f"{rate['value']:.3f} | {distortion['value']:.3f} ± {distortion['stderr']:.3f} | {told} | {known}"
    return f"| {record.config['beta']:g} | {record.config['seed']} | {numbers} |"


def holds(record: RunRecord) -> bool:
    """Whether H(Y) - D <= I <= R, up to 3 s.e."""
    test, entropy = record.metrics["test"], record.data["entropy"]["test"]["value"]
    rate, distortion, information = (test[name] for name in NAMES)
    slack = 3 * (distortion["stderr"] + information["stderr"])
    return bool(entropy - distortion["value"] - slack <= information["value"] <= rate["value"] + slack)


def table(records: Sequence[RunRecord]) -> str:
    """A row for each run, under H(Y) and n."""
    entropy, n = records[0].data["entropy"]["test"]["value"], records[0].data["n"]["test"]
    seeds = {beta: len(list(some)) for beta, some in groupby(records, key=lambda record: record.config["beta"])}
    head = f"H(Y) = {entropy:.4f} nats, exact; n = {n:,} images; {min(seeds.values())} seeds of each beta."
    lines = ["| beta | seed | R | D | H(Y) - D, at most I(Z; Y) | I(X; Z) |", "|---:|---:|---:|---:|---:|---:|"]
    return "\n".join([head, "", *lines, *map(row, records)])


def main() -> int:
    parser = argparse.ArgumentParser(description="An information bottleneck over beta.")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/bottleneck"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table and the figure into docs/")
    options = parser.parse_args()
    given = [str(FILE), f"--jobs={options.jobs}", f"--run_dir={options.runs}", "--wandb=off"]
    code = 0 if options.table else sweep.main(given)
    records = finished(options.runs)
    print(text := table(records))
    if options.write:
        put_table(text, command="python benchmarks/label_bottleneck.py --write", file=ROOT / "docs" / "probes.md")
        limits = ["--xlim", "-0.4", "17", "--ylim", "-0.1", "3"]
        command.main(["plane", str(options.runs), *limits, "-o", str(options.runs / "plane.png")])
        (ROOT / "docs" / "bottleneck.png").write_bytes((options.runs / "plane.png").read_bytes())
    return code or int(not all(map(holds, records)))


if __name__ == "__main__":
    sys.exit(main())
