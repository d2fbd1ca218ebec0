"""Nats reached against CPU seconds spent, by our defaults, by them in bfloat16, and by pythae's default trainer.

    OMP_NUM_THREADS=1 VAE_RD_DATA=... python benchmarks/race.py [--pythae PYTHON] [--epochs 2 4 8 16] [--write]

Static MNIST at beta 1, a network of 784-512-512-32 (pythae's as in benchmarks/recipe_pythae.py), one seed; each number
of epochs is a fit of its own, since both have schedules that end with it. Seconds are user and system time of the
process from after its imports: of ours with the evaluation of three splits, of pythae's of training alone. D + R is
that of the test split, one draw of z an image. What is there under runs/race (`--runs`) is not done again. `--pythae`
names the Python of an environment with benchmarks/requirements.txt. `--write` puts the table into docs/recipe.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from known_answers.processes import cpu_seconds
from known_answers.tables import ROOT, put_table

import vae_rd
from vae_rd import fit
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "recipe.md"
FLAGS = ("--data=static_mnist", "--hidden=[512, 512]", "--latent_dim=32", "--wandb=off", "--media_every=0")
WAYS = {"32": "vae_rd", "bf16": "vae_rd, --precision bf16", "pythae": "pythae"}


def fitted(way: str, file: Path, epochs: int) -> None:
    """One of our fits, in this process."""
    used = cpu_seconds()
    words = [*FLAGS, f"--max_epochs={epochs}", f"--precision={way}", f"--run_dir={file.parent}", f"--name={file.stem}"]
    if fit.main([*words, "--resume=auto"]):
        raise SystemExit(f"{file.stem} failed")
    seconds, test = cpu_seconds() - used, RunRecord.read(file.with_suffix("")).metrics["test"]
    file.write_text(json.dumps({"cpu_seconds": seconds, "nats": test["distortion"]["value"] + test["rate"]["value"]}))


def trained(python: str, file: Path, epochs: int) -> None:
    """One of pythae's, in its own environment."""
    words = ["--epochs", str(epochs), "--seeds", "1", "--betas", "1", "--runs", str(file.parent)]
    subprocess.run([python, str(ROOT / "benchmarks" / "recipe_pythae.py"), *words], check=True)
    made = file.parent / "static_mnist" / str(epochs) / "pythae" / "beta1-seed0.json"
    found = json.loads(made.read_text())
    file.write_text(json.dumps({"cpu_seconds": found["cpu_seconds"], "nats": found["objective"]}))


def carry_out(options: argparse.Namespace) -> None:
    """What is not there yet, one fit at a time, each in a process of its own."""
    options.runs.mkdir(parents=True, exist_ok=True)
    for epochs in options.epochs:
        for way in WAYS:
            file = place(options, way, epochs)
            if file.is_file() or (way == "pythae" and options.pythae is None):
                continue
            if way == "pythae":
                trained(options.pythae, file, epochs)
                continue
            words = ["--runs", str(options.runs), "--epochs", str(epochs), "--work", way]
            subprocess.run([sys.executable, __file__, *words], check=True)


def place(options: argparse.Namespace, way: str, epochs: int) -> Path:
    """Of what a fit cost and reached."""
    return Path(options.runs) / f"{way}-{epochs}.json"


def table(options: argparse.Namespace) -> Iterator[str]:
    """By number of epochs, CPU seconds and D + R of each way that is there."""
    found = {
        (way, epochs): json.loads(file.read_text())
        for way in WAYS
        for epochs in options.epochs
        if (file := place(options, way, epochs)).is_file()
    }
    ways = [way for way in WAYS if all((way, epochs) in found for epochs in options.epochs)]
    yield "| epochs |" + "".join(f" {WAYS[way]}: CPU s | D + R |" for way in ways)
    yield "| ---: |" + " ---: | ---: |" * len(ways)
    for epochs in options.epochs:
        cells = [found[way, epochs] for way in ways]
        yield f"| {epochs} |" + "".join(f" {cell['cpu_seconds']:.0f} | {cell['nats']:.2f} |" for cell in cells)


def caption(options: argparse.Namespace) -> str:
    """Where and by which code it was measured."""
    git = RunRecord.read(place(options, "32", options.epochs[-1]).with_suffix("")).git or {}
    code = f"torch {torch.__version__}, vae_rd {vae_rd.__version__} at {(git.get('commit') or 'unknown')[:10]}"
    machine = f"{os.cpu_count()} cores of {platform.machine()}, one thread"
    return f"One seed, beta 1, test split, n = 10,000. {machine}, {code}."


def main() -> None:
    parser = argparse.ArgumentParser(description="Nats against CPU seconds, by our defaults and by pythae's.")
    parser.add_argument("--runs", type=Path, default=Path("runs/race"), help="where all is kept [runs/race]")
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--pythae", metavar="PYTHON", help="of an environment with pythae")
    parser.add_argument("--write", action="store_true", help="put the table into docs/recipe.md")
    parser.add_argument("--work", choices=("32", "bf16"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        fitted(options.work, place(options, options.work, options.epochs[0]), options.epochs[0])
        return
    carry_out(options)
    text = "\n".join([*table(options), "", caption(options)])
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/race.py --write", file=DOCS)


if __name__ == "__main__":
    main()
