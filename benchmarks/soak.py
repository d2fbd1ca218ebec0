"""Fits in a row with random faults from a seed: each must be survived, and in the end nothing may be left behind.

    OMP_NUM_THREADS=1 python benchmarks/soak.py [--fits 50] [--seed 0]

A fit is killed, sent a signal, meets a full disk or an infinite loss, loses its W&B server, is started twice at once,
or finds its last checkpoint damaged. Then the same command takes it to its end, where history, weights and metrics must
be those of a fit that nothing happened to, bit for bit. Afterwards no process, lock or temporary file of ours may be
left, and neither may the memory of the process that all fits are forked from have grown, nor, over thirty fits in one
process, that process's memory and open files. Prints faults injected, survived and lost; ends with 1 where one is lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import psutil
from breaking.faults import FAULTS
from breaking.growth import growth_of_fits
from breaking.runs import FIT, Bench, files_of, processes_in, settled

ARGV = [*FIT, "--wandb=off"]
GROWTH = 1.05  # Of resident memory, over all fits but the first ten, in which caches fill.


def soak(bench: Bench, *, fits: int) -> None:
    """One fit after another, each with a random fault, then taken to its end."""
    memory = []
    for _ in range(fits):
        fault = bench.moments.choice(list(FAULTS))
        folder = bench.folder()
        problems = list(FAULTS[fault](bench, folder, ARGV))
        bench.tally.add(fault, [*problems, *bench.resumed(folder, ARGV)])
        memory.append(own_memory())
    settled_after = min(10, fits)
    first, last = memory[settled_after - 1], memory[-1]
    print(f"memory of the parents: {first >> 20} MiB after {settled_after} fits, {last >> 20} MiB after {fits}")
    bench.tally.add("memory of the parents", [f"grew from {first} to {last} bytes"] if last > GROWTH * first else [])


def own_memory() -> int:
    """Resident bytes of this process and of the one that forks fits."""
    me = psutil.Process()
    return sum(process.memory_info().rss for process in (me, *me.children(recursive=True)))


def nothing_left(bench: Bench, temporary: Path) -> list[str]:
    """Processes, locks and temporary files of all fits together."""
    settled(bench.top)
    left = [path for path in files_of(bench.top) if path.name.endswith((".tmp", ".lock"))]
    left += [temporary / path for path in files_of(temporary)]
    processes = [f"process {process.pid} {process.name()}" for process in processes_in(bench.top)]
    return [*processes, *(f"left {path}" for path in left)]


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--fits", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = temporary
        bench = Bench.set_up(Path(top), seed=options.seed)
        soak(bench, fits=options.fits)
        bench.tally.add("fits in one process", growth_of_fits(bench.folder()))
        bench.tally.add("what is left of all", nothing_left(bench, Path(temporary)))
    return bench.tally.report()


if __name__ == "__main__":
    sys.exit(main())
