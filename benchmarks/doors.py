"""Generated files, commands and calls of five kinds, each checked against what its generator knows.

    OMP_NUM_THREADS=1 python benchmarks/doors.py [--cases 300] [--seed 0]

An npz file, a folder of images, a sweep file, a network or source from Python, a command whose output nobody takes: of
what is accepted, images, levels, points, D and R must be those of a computation by hand; what has no plain meaning must
be refused in one line. Ends with 1 after a wrong number, a traceback, or a record that still says "running".
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from opening import archives, folders, objects, sinks, sweep_files
from opening.cases import VERDICTS, Case, Outcome, outcome_of

SHARES = {
    "npz": 0.3,
    "folders": 0.2,
    "sweep files": 0.2,
    "objects": 0.2,
}  # Of all cases; pipes and disks have the rest.
FEWEST_SINKS = 24
KINDS: dict[str, Callable[[int, int], Iterator[Case]]] = {
    "npz": archives.cases,
    "folders": folders.cases,
    "sweep files": sweep_files.cases,
    "objects": objects.cases,
    "pipes and disks": sinks.cases,
}


def counts_of(cases: int) -> dict[str, int]:
    """How many cases of each kind."""
    rest = cases - max(FEWEST_SINKS, round(cases * (1 - sum(SHARES.values()))))
    counts = {kind: round(rest * share / sum(SHARES.values())) for kind, share in SHARES.items()}
    return counts | {"pipes and disks": cases - sum(counts.values())}


def outcomes_of(kind: str, *, seed: int, count: int) -> list[Outcome]:
    """Carry out the cases of a kind, and say at once what goes wrong."""
    found = []
    for case in KINDS[kind](seed, count):
        found.append(outcome_of(case))
        if found[-1].verdict in ("wrong", "traceback") or found[-1].left_running:
            print(f"{found[-1].verdict.upper()} {found[-1].name}: {found[-1].said}", flush=True)
    return found


def row(kind: str, outcomes: list[Outcome]) -> tuple[str, list[int]]:
    """A line of the table, and its numbers: cases, each verdict, records left running."""
    numbers = [len(outcomes), *(sum(o.verdict == verdict for o in outcomes) for verdict in VERDICTS)]
    numbers.append(sum(outcome.left_running for outcome in outcomes))
    return f"{kind:16}" + "".join(f"{number:{width}}" for number, width in zip(numbers, WIDTHS, strict=True)), numbers


HEADS = ("cases", "accepted and right", "refused in one line", "wrong", "tracebacks", "running left")
WIDTHS = [len(head) + 2 for head in HEADS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300, help="of all kinds")
    parser.add_argument("--seed", type=int, default=0, help="of the generators")
    options = parser.parse_args()
    began, every = time.perf_counter(), []
    print(f"{'kind':16}" + "".join(f"{head:>{width}}" for head, width in zip(HEADS, WIDTHS, strict=True)))
    for kind, count in counts_of(options.cases).items():
        outcomes = outcomes_of(kind, seed=options.seed, count=count)
        every += outcomes
        print(row(kind, outcomes)[0], flush=True)
    line, numbers = row("all", every)
    print(line)
    print(f"{time.perf_counter() - began:.0f} s")
    return int(sum(numbers[3:]) > 0)


if __name__ == "__main__":
    sys.exit(main())
