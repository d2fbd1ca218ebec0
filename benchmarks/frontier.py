"""The frontiers of two priors on real handwriting, with bands over seeds and the interval of their difference.

    OMP_NUM_THREADS=1 python benchmarks/frontier.py [--jobs N] [--table] [--write]

Fits sweeps/frontier.yaml under runs/frontier (`--runs`), goes on where it was interrupted, and prints how far the
frontiers lie from each other; `--write` draws docs/frontier.png and puts the table into docs/figures.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from known_answers.tables import ROOT, put_table

from analysis import __main__ as command
from vae_rd import sweep

FILE = ROOT / "sweeps" / "frontier.yaml"


def drawn(runs: Path) -> pd.DataFrame:
    """Draw the figure among the runs, and return the differences that it writes beside it."""
    command.main(["frontier", str(runs), "--group_by", "prior", "-o", str(runs / "frontier.png")])
    return pd.read_csv(runs / "frontier-differences.csv")


def table(found: pd.DataFrame) -> str:
    lines = [
        "| second less first | difference, nats | 95 % | s.e. of seeds, of examples | over |",
        "|:---|---:|:---|:---|:---|",
    ]
    for row in found.itertuples():
        axis = row.difference[-1]
        cells = [
            f"{row.other} less {row.group}: {row.difference}",
            f"{row.value:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            f"{row.stderr_seeds:.3f}, {row.stderr_examples:.3f}",
            f"{axis} from {row.over_low:.2f} to {row.over_high:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="The frontiers of two priors on real handwriting.")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/frontier"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="draw docs/frontier.png, and write into docs/figures.md")
    options = parser.parse_args()
    given = [str(FILE), f"--jobs={options.jobs}", f"--run_dir={options.runs}", "--wandb=off"]
    code = 0 if options.table else sweep.main(given)
    text = table(drawn(options.runs))
    print(text)
    if options.write:
        (ROOT / "docs" / "frontier.png").write_bytes((options.runs / "frontier.png").read_bytes())
        put_table(text, command="python benchmarks/frontier.py --write", file=ROOT / "docs" / "figures.md")
    return code


if __name__ == "__main__":
    sys.exit(main())
