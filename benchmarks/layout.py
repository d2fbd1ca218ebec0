"""That every figure can be read in every venue, at any number of runs: a table of figures, cases and failures.

    OMP_NUM_THREADS=1 python benchmarks/layout.py [--figures plane curves] [--venues icml] [--crowds "60 runs"]

A case is a figure of one crowd of runs in one venue, in one or two columns, light and dark. It fails where a text is
small, beyond the page or over another, where a legend lies over marks, or where legends cost more than 12 % of the
height. Exit code 1 if any does; each is named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # first of all: tests/analysis is no package

import pandas as pd

from analysis import load_runs
from analysis.figures.kinds import FIGURES
from analysis.theme import dark
from analysis.view import VENUES, View

from helpers.crowds import CROWDS, crowd, taken_by
from helpers.pages import layout_faults


def cases(venues: Sequence[str]) -> Iterator[View]:
    for venue in venues:
        for columns in (1, 2):
            yield View(venue=venue, columns=columns)


def failures(name: str, runs: pd.DataFrame, view: View) -> list[str]:
    """What is wrong with a figure, light and then dark."""
    figure = FIGURES[name].load().draw(taken_by(name, runs), view)
    return layout_faults(figure) + [f"dark: {fault}" for fault in layout_faults(dark(figure))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--venues", nargs="+", choices=("", *VENUES), default=["", *VENUES])
    parser.add_argument("--crowds", nargs="+", choices=CROWDS, default=list(CROWDS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that runs are left out for want of pictures or room
    found: dict[str, list[int]] = {name: [] for name in options.figures}
    for some in options.crowds:
        with tempfile.TemporaryDirectory() as root:
            runs = load_runs(crowd(some, Path(root)))
            for name in options.figures:
                for view in cases(options.venues):
                    wrong = failures(name, runs, view)
                    found[name].append(len(wrong))
                    for line in wrong:
                        where = f"{name}, {some}, {view.venue or 'a journal'}, {view.columns} column(s)"
                        print(f"{where}: {line}", file=sys.stderr, flush=True)
    print("| figure | cases, light and dark | failures |\n|:--|--:|--:|")
    for name, counts in found.items():
        print(f"| {name} | {2 * len(counts)} | {sum(map(bool, counts))} |")
    return int(any(map(any, found.values())))


if __name__ == "__main__":
    sys.exit(main())
