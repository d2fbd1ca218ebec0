"""What the defaults of training are worth: fits by them and by earlier or other ones, on seven data sets.

    VAE_RD_DATA=... python benchmarks/recipe.py [--cases ...] [--budgets ...] [--recipes ...] [--seeds N] [--jobs N]
    VAE_RD_DATA=... python benchmarks/recipe.py --table [--split val]

Each case, budget and recipe is a sweep over beta and seed under runs/recipe (`--runs`), which goes on where it was
interrupted and does what is missing. `--table` fits nothing and prints, from the runs that are finished, the mean
Lagrangian D + beta R of the test split, its standard error over seeds, and by how much it differs from the default
recipe, paired over seeds. Defaults were chosen by the validation split (`--split val`).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml

from vae_rd import sweep
from vae_rd.run.record import RunRecord

BINARY, FACES = {"beta": [0.01, 0.1, 1, 10]}, {"beta": [0.1, 1, 10]}
CONV = {"encoder": "conv", "decoder": "conv", "latent_dim": 32}
# Flags of each case; those of several values are its grid.
CASES: Mapping[str, Mapping[str, Any]] = {
    "static_mnist": BINARY | {"data": "static_mnist", "hidden": [512, 512], "latent_dim": 32},
    "static_mnist_conv": BINARY | CONV | {"data": "static_mnist"},
    "omniglot_conv": BINARY | CONV | {"data": "omniglot", "binarization": "dynamic"},
    "cmu_faces_conv": FACES
    | CONV
    | {"data": "cmu_faces", "dequantize": "uniform", "likelihood": "gaussian_optimal", "hidden": [16, 32, 64]},
    "cmu_faces_fixed": FACES
    | CONV
    | {"data": "cmu_faces", "likelihood": "gaussian", "likelihood_scale": 0.1, "hidden": [16, 32, 64]},
    "sprites": BINARY | {"data": "sprites"},
    "digits": BINARY | {"data": "digits", "binarization": "threshold"},
    "gaussian_linear": {
        "data": "gaussian",
        "encoder": "linear",
        "decoder": "linear",
        "likelihood": "gaussian",
        "likelihood_scale": 0.4,
        "gaussian_eigenvalues": [5.3, 3.1, 1.7, 0.9, 0.41, 0.13],
        "beta": [0.1, 0.4, 1, 10],
    },
}
EPOCHS = {"short": 3, "8": 8, "middle": 10, "long": 100}
# What is not as the defaults say.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "before": {"defaults_version": 2},
    "lr 1e-3": {"lr": 1e-3},
    "lr 2e-3": {"lr": 2e-3},
    "lr 4e-3": {"lr": 4e-3},
    "cosine": {"lr_schedule": "cosine"},
    "batch 64": {"batch_size": 64},
    "batch 256": {"batch_size": 256},
    "relu": {"activation": "relu"},
    "tanh": {"activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "elu": {"activation": "elu"},
    "raw": {"standardize": False},
    "clip": {"grad_clip": 100.0},
}


def sweep_file(case: str, budget: str, recipe: str, *, runs: Path, seeds: int) -> Path:
    """The sweep of one cell of the table, written where its runs will lie."""
    folder = folder_of(case, budget, recipe, runs=runs)
    flags = CASES[case] | RECIPES[recipe] | {"max_epochs": EPOCHS[budget], "wandb": "off"}
    betas = flags.pop("beta")
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {"seed": {"values": list(range(seeds))}, "beta": {"values": betas}}
        | {name: {"value": value} for name, value in flags.items()}
        | {"run_dir": {"value": str(folder)}, "resume": {"value": "auto"}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (file := folder / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def folder_of(case: str, budget: str, recipe: str, *, runs: Path) -> Path:
    """Where the runs of one cell lie."""
    return runs / case / budget / recipe.replace(" ", "_")


def lagrangians(folder: Path, split: str) -> dict[tuple[float, int], float]:
    """D + beta R of the finished runs of a cell, by beta and seed."""
    found = {}
    for record in _finished(folder):
        found[record.config["beta"], record.config["seed"]] = record.metrics[split]["objective"]["value"]
    return found


def _finished(folder: Path) -> Iterator[RunRecord]:
    for path in sorted(folder.glob("*/record.json")):
        record = RunRecord.read(path.parent)
        if record.status == "finished":
            yield record


def rows(case: str, budget: str, recipes: Sequence[str], *, runs: Path, split: str) -> Iterator[str]:
    """Of one case and budget, a row for each beta and recipe that has runs."""
    cells = {recipe: lagrangians(folder_of(case, budget, recipe, runs=runs), split) for recipe in recipes}
    default = cells.get("default", {})
    for beta in sorted({beta for cell in cells.values() for beta, _ in cell}):
        for recipe, cell in cells.items():
            values = {seed: value for (b, seed), value in cell.items() if b == beta}
            if values:
                paired = [value - default[beta, seed] for seed, value in values.items() if (beta, seed) in default]
                shown = "" if recipe == "default" or not paired else with_stderr(paired, signed=True)
                names = f"{case} | {budget} | {beta:g} | {recipe}"
                yield f"| {names} | {with_stderr(list(values.values()))} | {shown} | {len(values)} |"


def with_stderr(values: Sequence[float], *, signed: bool = False) -> str:
    """Their mean, and its standard error where there are several."""
    mean = f"{fmean(values):{'+' if signed else ''}.2f}"
    return f"{mean} ± {stdev(values) / math.sqrt(len(values)):.2f}" if len(values) > 1 else mean


def table(cases: Sequence[str], budgets: Sequence[str], recipes: Sequence[str], *, runs: Path, split: str) -> str:
    """All rows of these."""
    lines = [
        f"| data | budget | beta | recipe | {split} D + beta R | less the default | seeds |",
        "|:---|:---|---:|:---|---:|---:|---:|",
    ]
    for case in cases:
        for budget in budgets:
            lines += rows(case, budget, recipes, runs=runs, split=split)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare recipes of training on seven data sets.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--budgets", nargs="+", choices=EPOCHS, default=["short", "middle", "long"])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["default", "before"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--split", choices=["val", "test"], default="test")
    options = parser.parse_args()
    cells = [(c, b, r) for b in options.budgets for c in options.cases for r in options.recipes]
    codes = [0]
    for case, budget, recipe in [] if options.table else cells:
        file = sweep_file(case, budget, recipe, runs=options.runs, seeds=options.seeds)
        codes.append(sweep.main([str(file), f"--jobs={options.jobs}"]))
    print(table(options.cases, options.budgets, options.recipes, runs=options.runs, split=options.split))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
