"""What a local sweep costs beyond its fits, and what a second job gains.

    python benchmarks/sweeps.py [--runs 100] [--repeats 3]

The overhead of a run is what the whole command takes, less one import of what a fit imports, less the seconds in the
runs' records, over the number of runs. Fits run on one thread each; a second job is worth having where 14 runs by two
jobs take little more than half of the time that one job takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

COMMAND = ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
TRIVIAL = {"n_train": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "eval_samples": 2, "max_steps": 1}
REAL = {"max_epochs": 10, "batch_size": 64, "hidden": [512, 512]}  # sprites_mlp, cut short
BETAS = [0.003, 0.03, 0.3, 1, 3, 10, 1000]
WANTED_OVERHEAD, WANTED_RATIO = 1.0, 0.6


def main() -> None:
    options = _options()
    each = [_overhead(options.runs) for _ in range(options.repeats)]
    print(f"{options.runs} trivial runs: {_spread(each)} s each beyond imports and fit (at most {WANTED_OVERHEAD})")
    pairs = [(_sweep(jobs=1), _sweep(jobs=2)) for _ in range(options.repeats)]
    for jobs, times in zip((1, 2), zip(*pairs, strict=True), strict=True):
        print(f"14 runs of 10 epochs, {jobs} one-thread job{'s' if jobs > 1 else ''}: {_spread(times)} s")
    ratios = [two / one for one, two in pairs]
    print(f"two jobs over one: {_spread(ratios)}; at most {WANTED_RATIO}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="trivial runs")
    parser.add_argument("--repeats", type=int, default=3, help="of everything, in turns")
    return parser.parse_args()


def _overhead(runs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        seconds = _carried_out(Path(folder), {"seed": list(range(runs))}, TRIVIAL, jobs=1)
        records = [json.loads(path.read_text()) for path in Path(folder).glob("runs/sweep/*/record.json")]
    assert len(records) == runs
    return (seconds - _import_seconds() - sum(record["seconds"] for record in records)) / runs


def _import_seconds() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import vae_rd.fit, vae_rd.experiment"], env=ENVIRONMENT, check=True)
    return time.monotonic() - began


def _sweep(*, jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return _carried_out(Path(folder), {"beta": BETAS, "seed": [0, 1]}, REAL, jobs=jobs)


def _carried_out(folder: Path, varied: dict[str, list[float]], fixed: dict[str, object], *, jobs: int) -> float:
    """Seconds of the whole command."""
    parameters = {name: {"values": values} for name, values in varied.items()}
    parameters |= {name: {"value": value} for name, value in {**fixed, "wandb": "off"}.items()}
    content = {"method": "grid", "command": COMMAND, "parameters": parameters}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "vae_rd.sweep", "sweep.yaml", "--jobs", str(jobs)]
    began = time.monotonic()
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} .. {max(values):.3g})"


if __name__ == "__main__":
    main()
