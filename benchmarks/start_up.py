"""How long a command takes to answer, and a fit to take its first step beyond what torch and lightning take to import.

    VAE_RD_DATA=... python benchmarks/start_up.py [--repeats 5] > table.md

Processor time (user + system) of whole processes, the least of the repeats, which a busy machine changes least; wall
time beside it. Ends with 1 where a row misses what was wanted of it. tests/commands/test_start_up.py holds the imports.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    *("vae_rd.fit --help", "vae_rd.fit --version", "vae_rd.fit --beta x", "vae_rd.fit --bta 4"),
    "vae_rd.fit --data npz --data_file none.npz",
    *("vae_rd.evaluate --help", "vae_rd.evaluate none", "vae_rd.sweep --help", "vae_rd.sweep none.yaml"),
    f"vae_rd.sweep {ROOT}/sweeps/beta.yaml --dry_run",
    *("vae_rd.beta --help", "vae_rd.beta mse --weight 4", "vae_rd.beta huber"),
    *("analysis --help", "analysis plane none"),
)
FITS = ("--data sprites --wandb off", "--data static_mnist --wandb off", "--data sprites --wandb offline")
ANSWER, FIRST_STEP = 0.3, 1.0
# The clocks start once torch and lightning are there; the process ends at its first step.
STEPPED = """
import os, sys, time
import torch, lightning.pytorch
from torch.optim.optimizer import register_optimizer_step_post_hook
wall, cpu = time.perf_counter(), time.process_time()
def stop(*_):
    print(time.process_time() - cpu, time.perf_counter() - wall, file=sys.stderr, flush=True)
    os._exit(0)
register_optimizer_step_post_hook(stop)
from vae_rd.fit import main
sys.exit(main(sys.argv[1:]))
"""
Seconds = tuple[float, float]  # Of the processor, and of the wall clock.


def run(words: list[str], folder: str) -> tuple[subprocess.CompletedProcess[str], Seconds]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def answered(command: str) -> Seconds:
    with tempfile.TemporaryDirectory() as folder:
        done, seconds = run(["-m", *command.split()], folder)
    if done.returncode not in (0, 2):
        raise RuntimeError(done.stderr)
    return seconds


def stepped(flags: str) -> Seconds:
    with tempfile.TemporaryDirectory() as folder:
        done, _ = run(["-c", STEPPED, *flags.split(), "--max_steps", "1", "--run_dir", folder], folder)
    cpu, wall = done.stderr.splitlines()[-1].split()
    return float(cpu), float(wall)


def rows(repeats: int) -> list[tuple[str, float, float, float]]:
    """What, processor and wall seconds, and the most processor seconds wanted."""
    found = []
    cases: list[tuple[str, Callable[[str], Seconds], float]] = [
        *((command, answered, ANSWER) for command in COMMANDS),
        *((flags, stepped, FIRST_STEP) for flags in FITS if "mnist" not in flags or "VAE_RD_DATA" in os.environ),
    ]
    for words, measure, wanted in cases:
        cpu, wall = (min(values) for values in zip(*(measure(words) for _ in range(repeats)), strict=True))
        shown = f"`python -m {words}`".replace(f"{ROOT}/", "") if measure is answered else f"first step, `{words}`"
        found.append((shown, cpu, wall, wanted))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Time start-up.")
    parser.add_argument("--repeats", type=int, default=5)
    found = rows(parser.parse_args().repeats)
    print("| what | s of the processor | s | wanted |\n|---|---:|---:|---|")
    for shown, cpu, wall, wanted in found:
        print(f"| {shown} | {cpu:.2f} | {wall:.2f} | at most {wanted:g}{'' if cpu <= wanted else ' **missed**'} |")
    return int(any(cpu > wanted for _, cpu, _, wanted in found))


if __name__ == "__main__":
    sys.exit(main())
