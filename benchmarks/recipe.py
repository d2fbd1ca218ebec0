"""What the defaults of training are worth: fits by them and by earlier or other ones, on eight data sets.

    VAE_RD_DATA=... python benchmarks/recipe.py [--cases ...] [--budgets ...] [--recipes ...] [--betas ...] [--seeds N]
        [--jobs N]
    VAE_RD_DATA=... python benchmarks/recipe.py --search
    VAE_RD_DATA=... python benchmarks/recipe_pythae.py
    python benchmarks/recipe.py [--search] --table [--write]

Each case, budget and recipe is a sweep over beta and seed under runs/recipe (`--runs`), which goes on where it was
interrupted and does what is missing. The table shows, of the runs that are finished, the mean Lagrangian D + beta R of
the test split and its standard error over seeds; of recipes beside the default one, by how much they are above it,
paired over seeds. `--search` is that by which the defaults were chosen: every recipe, one seed, 3 epochs, on the
validation split. `--table` fits nothing; `--write` puts the table into docs/recipe.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml
from known_answers.tables import ROOT, put_table

from vae_rd import sweep
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "recipe.md"
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
SEARCHED = ["static_mnist", "sprites", "digits"]
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
    "descent": {
        "beta_start": 30,
        "beta_warmup": 50,
        "warmup_unit": "percent",
    },  # From about the collapse of binary data.
}
PYTHAE = "pythae"  # Fitted by recipe_pythae.py.


def sweep_file(
    case: str, budget: str, recipe: str, *, runs: Path, seeds: int, betas: Sequence[float] | None = None
) -> Path:
    """The sweep of one cell of the table, of all betas or of these, written where its runs will lie."""
    folder = folder_of(case, budget, recipe, runs=runs)
    flags = CASES[case] | RECIPES[recipe] | {"max_epochs": EPOCHS[budget], "wandb": "off"}
    of_case = flags.pop("beta")
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {"seed": {"values": list(range(seeds))}, "beta": {"values": betas or of_case}}
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
    runs = [RunRecord.read(path.parent) for path in sorted(folder.glob("*/record.json"))]
    ours = {
        (run.config["beta"], run.config["seed"]): run.metrics[split]["objective"]["value"]
        for run in runs
        if run.status == "finished"
    }
    theirs = [json.loads(path.read_text()) for path in folder.glob("beta*.json")]  # From recipe_pythae.py.
    return ours | {(found["beta"], found["seed"]): found["objective"] for found in theirs}


def rows(case: str, budget: str, recipes: Sequence[str], *, runs: Path, split: str) -> Iterator[list[str]]:
    """Of one case and budget, a row for each recipe that has runs: names, seeds, then a cell for each of `betas_of`."""
    default = lagrangians(folder_of(case, budget, "default", runs=runs), split)
    for recipe in recipes:
        found = lagrangians(folder_of(case, budget, recipe, runs=runs), split)
        if recipe != "default":
            found = {key: value - default[key] for key, value in found.items() if key in default}
        if found:
            seeds = max(sum(b == beta for b, _ in found) for beta in {beta for beta, _ in found})
            cells = (_cell(found, beta, signed=recipe != "default") for beta in betas_of(CASES))
            yield [case, budget, recipe, str(seeds), *cells]


def betas_of(cases: Iterable[str]) -> list[float]:
    """All values of beta of these cases."""
    return sorted({beta for case in cases for beta in CASES[case]["beta"]})


def _cell(found: Mapping[tuple[float, int], float], beta: float, *, signed: bool) -> str:
    """The mean of a beta's values over seeds, and its standard error where there are several."""
    values = [value for (b, _), value in found.items() if b == beta]
    if not values:
        return ""
    mean = f"{fmean(values):{'+' if signed else ''}.2f}"
    return f"{mean} ± {stdev(values) / math.sqrt(len(values)):.2f}" if len(values) > 1 else mean


def table(cases: Sequence[str], budgets: Sequence[str], recipes: Sequence[str], *, runs: Path, split: str) -> str:
    """All rows of these."""
    found = [row for c in cases for b in budgets for row in rows(c, b, recipes, runs=runs, split=split)]
    head = ["data", "budget", "recipe", "seeds", *(f"beta {beta:g}" for beta in betas_of(CASES))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, [":---"] * 3 + ["---:"] * (len(head) - 3), *found])


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare recipes of training on eight cases.")
    parser.add_argument("--cases", nargs="+", choices=CASES)
    parser.add_argument("--budgets", nargs="+", choices=EPOCHS)
    parser.add_argument("--recipes", nargs="+", choices=[*RECIPES, PYTHAE])
    parser.add_argument("--betas", type=float, nargs="+", help="in place of all of a case")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--search", action="store_true", help="every recipe, 3 epochs, validation")
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/recipe.md")
    options = parser.parse_args()
    cases = options.cases or (SEARCHED if options.search else list(CASES))
    budgets = options.budgets or (["short"] if options.search else list(EPOCHS))
    recipes = options.recipes or (list(RECIPES) if options.search else ["default", "before", PYTHAE])
    seeds = options.seeds or (1 if options.search else 3)
    codes = [0]
    fitted = [recipe for recipe in recipes if recipe != PYTHAE and not options.table]
    for case, budget, recipe in itertools.product(cases, budgets, fitted):
        file = sweep_file(case, budget, recipe, runs=options.runs, seeds=seeds, betas=options.betas)
        codes.append(sweep.main([str(file), f"--jobs={options.jobs}"]))
    text = table(cases, budgets, recipes, runs=options.runs, split="val" if options.search else "test")
    print(text)
    if options.write:
        command = f"python benchmarks/recipe.py{' --search' if options.search else ''} --table --write"
        put_table(text, command=command, file=DOCS)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
