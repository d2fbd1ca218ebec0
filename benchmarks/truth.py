"""Every number that theory gives, beside ours: one table.

    VAE_RD_DATA=FOLDER python benchmarks/truth.py [--readme] [--only PART]...

Fits are whole commands, `python -m vae_rd.fit`; the rest runs the estimators as they are. Each row says what was wanted
and whether it holds; the command ends with 1 where one does not. `--readme` puts the table into the README. Without
VAE_RD_DATA the rows on MNIST are left out, and said to be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from known_answers.fits import held_rows, linear_rows, toy_rows
from known_answers.information import information_rows, population_rows
from known_answers.likelihood import annealing_rows, curve_rows, gap_rows, importance_rows
from known_answers.sources import source_rows
from known_answers.table import HEADING, Row, problems
from known_answers.tables import put_table
from known_answers.weights import ppca_rows, weight_rows

Part = Callable[[Path], Iterator[Row]]
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "fits": lambda runs: chain(linear_rows(runs), toy_rows(runs)),
        "held": held_rows,
        "weights": lambda runs: chain(weight_rows(), ppca_rows()),
        "sources": lambda runs: source_rows(),
        "likelihood": lambda runs: chain(importance_rows(), annealing_rows(), curve_rows(), gap_rows(runs)),
        "information": lambda runs: chain(population_rows(), information_rows()),
    }
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run_dir", type=Path, default=Path("runs/truth"))
    parser.add_argument("--only", action="append", choices=tuple(PARTS), help="a part of the table; again for more")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if "VAE_RD_DATA" not in os.environ:
        print("VAE_RD_DATA is not set: no rows on MNIST", file=sys.stderr)
    print(HEADING)
    rows: list[Row] = []
    for part in options.only or PARTS:
        began = time.perf_counter()
        for row in PARTS[part](options.run_dir):
            print(row, flush=True)
            rows.append(row)
        print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    missed = problems(rows)
    print("\n".join(missed) or f"all {len(rows)} rows hold", file=sys.stderr)
    if options.readme and not options.only:
        put_table("\n".join([HEADING, *map(str, rows)]), command="python benchmarks/truth.py --readme")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
