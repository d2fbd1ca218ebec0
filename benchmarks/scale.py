"""Seconds and memory of a fit by the number of images, and what share of an MNIST fit its evaluation takes.

    python benchmarks/scale.py [--sizes 10000 100000 1000000] [--steps 20] [--mnist]

A file of synthetic 28 x 28 grey images, distinct and with a black border, is fitted for a few steps, each size in a
process of its own, phase by phase. Seconds are those of the processor, over all threads, which a shared machine
disturbs least; memory is the peak so far, beyond what the imports take. With --mnist, ten epochs of a 784-512-512-32
VAE on static MNIST (VAE_RD_DATA has its files), evaluated with as many examples as the default says, and with all: the
share of training and evaluation that is evaluation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

SIDE, BORDER, PART = 28, 6, 50_000
PHASES = {"prepare": "read and checked", "described": "start line", "_train": "trained", "_evaluate": "evaluated"}
EXAMPLES = 50_000  # As many as the largest split of MNIST has.
NETWORK = {"data": "static_mnist", "hidden": [512, 512], "latent_dim": 32, "batch_size": 128, "max_epochs": 10}


def images(n: int) -> np.ndarray:
    """n distinct grey images with a black border, [n, 28, 28] uint8."""
    made, rng = np.zeros((n, SIDE, SIDE), np.uint8), np.random.default_rng(0)
    inner = slice(BORDER, SIDE - BORDER)
    for start in range(0, n, PART):
        part = made[start : start + PART, inner, inner]
        part[...] = rng.integers(256, size=part.shape, dtype=np.uint8)
    return made


def watched(owner: Any, name: str, found: dict[str, dict[str, float]]) -> None:
    """Let a function say what it took: seconds of the processor and of the clock, peak memory in MB."""
    function: Callable[..., Any] = getattr(owner, name)

    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        cpu, wall = time.process_time(), time.monotonic()
        result = function(*arguments, **named)
        found[name] = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall, "peak": peak()}
        return result

    setattr(owner, name, timed)


def peak() -> float:
    """The most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(settings: dict[str, Any], *, again: int | None = None) -> dict[str, dict[str, float]]:
    """What each phase of a fit took, its imports before, and evaluation `again` with so many examples for I."""
    from vae_rd.config.fields import FitConfig
    from vae_rd.experiment import evaluating, experiment, fitting

    found = {"imports": {"cpu": time.process_time(), "wall": 0.0, "peak": peak()}}
    for owner, name in ((fitting, "prepare"), (experiment, "described")):
        watched(owner, name, found)
    for name in ("_train", "_evaluate"):
        watched(experiment.Experiment, name, found)
    with tempfile.TemporaryDirectory() as folder:
        fitting.fit_model(FitConfig(**settings, name="run", wandb="off", accelerator="cpu", run_dir=folder))
        if again:
            began = time.process_time()
            evaluating.evaluate_run(f"{folder}/run", examples=again)
            found["again"] = {"cpu": time.process_time() - began, "wall": 0.0, "peak": peak()}
    return found


def in_a_process(settings: dict[str, Any], *, again: int | None = None) -> dict[str, dict[str, float]]:
    """`measure` in a process of its own, whose peak is nobody else's."""
    command = [sys.executable, __file__, "--measure", json.dumps({"settings": settings, "again": again})]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


def sizes_table(sizes: list[int], *, steps: int) -> None:
    """A row for each number of images."""
    phases = " | ".join(f"{said}, s" for said in PHASES.values())
    print(f"| images | pixels, MB | {phases} | peak before evaluation, MB | peak, MB |")
    print(f"|---:|---:|{'---:|' * (len(PHASES) + 2)}")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "own.npz"
            np.savez(file, images=images(n))
            settings = {"data": "npz", "data_file": str(file), "binarization": "dynamic", "max_steps": steps}
            found = in_a_process(settings)
        seconds = " | ".join(f"{found[name]['cpu']:.1f}" for name in PHASES)
        base, before = found["imports"]["peak"], found["_train"]["peak"]
        memory = f"{before - base:.0f} | {found['_evaluate']['peak'] - base:.0f}"
        print(f"| {n:,} | {n * SIDE**2 / 1e6:.0f} | {seconds} | {memory} |", flush=True)


def shares_table() -> None:
    """Evaluation's share of ten epochs of MNIST, by how many examples the information is a mean over."""
    found = in_a_process(NETWORK, again=EXAMPLES)
    training = found["_train"]["cpu"]
    print("\n| `--information_examples` | trained, s | evaluated, s | evaluation's share |")
    print("|---|---:|---:|---:|")
    for asked, phase in (("the default", "_evaluate"), ("null", "again")):
        seconds = found[phase]["cpu"]
        print(f"| {asked} | {training:.1f} | {seconds:.1f} | {seconds / (training + seconds):.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of a fit by the number of images.")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print("\n" + json.dumps(measure(**json.loads(arguments.measure))))
        return
    if arguments.sizes:
        sizes_table(arguments.sizes, steps=arguments.steps)
    if arguments.mnist and os.environ.get("VAE_RD_DATA"):
        shares_table()


if __name__ == "__main__":
    main()
