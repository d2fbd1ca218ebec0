"""Scores of disentanglement along beta on sprites or dSprites, of E[z|x] and of a draw of z: one table.

    OMP_NUM_THREADS=1 python benchmarks/disentanglement.py [--data sprites] [--seeds 3] [--runs FOLDER] [--table]
        [--write]

Fits a network at several betas, on `sprites` the default one, scores 2,000 examples of each, and goes on where it was
interrupted; under runs/disentanglement (`--runs`). Standard errors are over seeds, of one seed over examples. `--write`
puts the table into docs/disentanglement.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from known_answers.tables import ROOT, put_table

from vae_rd import FitConfig, evaluate_run, fit_model
from vae_rd.run.record import Json, RunRecord

DOCS = ROOT / "docs" / "disentanglement.md"


class Case(NamedTuple):
    """The betas of a data set, and the flags that are not defaults."""

    betas: tuple[float, ...]
    flags: dict[str, Any]


CASES = {
    "sprites": Case((0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0), {"val_every": 10}),
    "dsprites": Case(
        (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
        # I of all 46,080 examples against all would cost more than the fit.
        {"hidden": [512, 512], "latent_dim": 10, "max_epochs": 20, "val_every": 10, "information_examples": 1000},
    ),
}
COLUMNS = {
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "factor_vae": "FactorVAE",
    "disentanglement": "DCI: disentanglement",
    "completeness": "completeness",
    "informativeness": "informativeness",
}
FEATURES = {"mean": "E[z\\|x]", "draw": "a draw"}


def folder_of(data: str, beta: float, seed: int, runs: Path) -> Path:
    """Where a run lies."""
    return runs / ("" if data == "sprites" else data) / f"beta{beta:g}-seed{seed}"


def scored(folder: Path) -> list[Json] | None:
    """The table of a run's entry, a row for each of `FEATURES`; None where it has none yet."""
    if not (folder / "record.json").is_file():
        return None
    return next((e["table"] for e in RunRecord.read(folder).estimates if e["kind"] == "disentanglement"), None)


def measure(data: str, beta: float, seed: int, runs: Path) -> None:
    """Fit and score a run, as far as that has not been done."""
    folder = folder_of(data, beta, seed, runs)
    place = {"name": folder.name, "run_dir": str(folder.parent), "wandb": "off", "resume": "auto"}
    fit_model(FitConfig(data=data, beta=beta, seed=seed, **CASES[data].flags, **place))
    if scored(folder) is None:
        evaluate_run(folder, "disentanglement", examples=2000)


def lines(data: str, beta: float, seeds: int, runs: Path) -> list[str]:
    """Two rows: of the mean, and of a draw."""
    folders = [f for seed in range(seeds) if scored(f := folder_of(data, beta, seed, runs)) is not None]
    if not folders:
        return []
    rate = cell([RunRecord.read(folder).metrics["test"]["rate"] for folder in folders], digits=2)
    tables = [table for folder in folders if (table := scored(folder))]
    heads = ([f"{beta:g}", rate], ["", ""])
    return [
        f"| {' | '.join([*head, words, *(cell([t[place][name] for t in tables]) for name in COLUMNS)])} |"
        for place, (head, words) in enumerate(zip(heads, FEATURES.values(), strict=True))
    ]


def cell(values: Sequence[Json], digits: int = 3) -> str:
    """The mean over seeds and its error: over seeds, of one its own."""
    known = [value["value"] for value in values if value["value"] is not None]
    if not known:
        return "-"
    error = stdev(known) / len(known) ** 0.5 if len(known) > 1 else values[0]["stderr"]
    return f"{fmean(known):.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None else "")


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores of disentanglement along beta.")
    parser.add_argument("--data", choices=[*CASES], default="sprites")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/disentanglement"))
    parser.add_argument("--table", action="store_true", help="fit and score nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/disentanglement.md")
    options = parser.parse_args()
    betas = CASES[options.data].betas
    for seed in range(options.seeds * (not options.table)):
        for beta in betas:
            measure(options.data, beta, seed, options.runs)
    text = [f"| beta | R | of | {' | '.join(COLUMNS.values())} |", "|---:|---:|:---|" + "---:|" * len(COLUMNS)]
    text += [line for beta in betas for line in lines(options.data, beta, options.seeds, options.runs)]
    print(table := "\n".join(text))
    if options.write:
        named = "" if options.data == "sprites" else f" --data {options.data}"
        put_table(table, command=f"python benchmarks/disentanglement.py{named} --write", file=DOCS)


if __name__ == "__main__":
    main()
