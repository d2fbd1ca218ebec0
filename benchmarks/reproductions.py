"""Test -ln p(x) of static binary MNIST, by L_5000, beside what was published: one table, in resumable stages.

    VAE_RD_DATA=... python benchmarks/reproductions.py [--models WORD ...] [--epochs N] [--accelerator gpu] [--write]

Each model of MODELS is fitted, its -ln p(x) then bounded from above by importance sampling with 5,000 draws of z, of
all 10,000 test images or as many as the table says. What is finished under runs/reproductions (`--runs`) is not done
again. `--table` does nothing but show; `--write` puts the table into docs/reproductions.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from known_answers.tables import ROOT, put_table

from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "reproductions.md"
SAMPLES = 5000


class Model(NamedTuple):
    """What is fitted.

    Attributes:
        flags: of the fit.
        epochs: of the fit, where none are asked for.
        examples: how many test images L_5000 is of; None for all.
    """

    flags: Mapping[str, Any]
    epochs: int
    examples: int | None = None


CLASS = {"hidden": "[200,200]", "latent_dim": 50}  # 784-200-200-50 of Burda et al. 2016.
CONV = {"encoder": "conv", "latent_dim": 32}
MODELS: Mapping[str, Model] = {
    "784-200-200-50": Model(CLASS, 100),
    "784-200-200-50, full": Model(CLASS | {"posterior": "full"}, 60, examples=2000),
    "784-200-200-50, iaf": Model(CLASS | {"posterior": "iaf"}, 60, examples=2000),
    "784-200-200-50, vamp": Model(CLASS | {"prior": "vamp"}, 60, examples=2000),
    "784-200-200-50, maf": Model(CLASS | {"prior": "maf"}, 60, examples=2000),
    "conv": Model(CONV | {"decoder": "conv"}, 60),
    "conv, iaf, vamp": Model(CONV | {"decoder": "conv", "posterior": "iaf", "prior": "vamp"}, 40),
    "made": Model({"decoder": "made", "latent_dim": 32}, 60),
    "pixelcnn": Model(CONV | {"decoder": "pixelcnn"}, 20, examples=300),
    "pixelcnn, vamp": Model(CONV | {"decoder": "pixelcnn", "prior": "vamp"}, 20, examples=300),
}


def folder_of(word: str, runs: Path) -> Path:
    """Where a model's run lies."""
    return runs / "".join(letter if letter.isalnum() else "_" for letter in word)


def stages(word: str, runs: Path, *, epochs: int | None, accelerator: str) -> list[list[str]]:
    """The commands that are still to be run, in order."""
    model, folder = MODELS[word], folder_of(word, runs)
    flags = model.flags | {"data": "static_mnist", "max_epochs": epochs or model.epochs, "val_every": 5, "wandb": "off"}
    flags |= {"run_dir": folder.parent, "name": folder.name, "resume": "auto", "accelerator": accelerator}
    fit = ["vae_rd.fit", *(f"--{name}={value}" for name, value in flags.items())]
    examples = [] if model.examples is None else [f"--examples={model.examples}"]
    measure = ["vae_rd.evaluate", str(folder), "--nll=importance", f"--samples={SAMPLES}", *examples]
    found = record_of(word, runs)
    return [fit, measure] if found is None else [] if bound(found) else [measure]


def record_of(word: str, runs: Path) -> RunRecord | None:
    """The record of a finished run."""
    folder = folder_of(word, runs)
    record = RunRecord.read(folder) if (folder / "record.json").is_file() else None
    return record if record is not None and record.status == "finished" else None


def bound(record: RunRecord) -> Mapping[str, Any] | None:
    """L_5000's upper bound on -ln p(x), with its standard error and n."""
    return next((e for e in record.estimates if e["kind"] == "importance" and e["samples"] == SAMPLES), None)


def run(commands: Sequence[Sequence[str]]) -> int:
    """Run them in order, as far as the first that fails."""
    for command in commands:
        if code := subprocess.run([sys.executable, "-m", *command]).returncode:
            return code
    return 0


def row(word: str, runs: Path) -> str:
    """A model's row, or one that says what is missing."""
    record = record_of(word, runs)
    if record is None or (found := bound(record)) is None:
        return f"| {word} | | | | | | | |"
    test = record.metrics["test"]
    numbers = (test["distortion"]["value"], test["rate"]["value"], -test["elbo"]["value"])
    cells = [str(record.config["max_epochs"]), *(f"{number:.2f}" for number in numbers)]
    cells += [f"{found['value']:.2f} ± {found['stderr']:.2f}", f"{found['n']:,}", f"{record.seconds / 60:.1f}"]
    return f"| {word} | {' | '.join(cells)} |"


def table(runs: Path) -> str:
    """All rows."""
    head = "| model | epochs | D | R | -ELBO | -L_5000 | images | minutes of the fit |"
    return "\n".join([head, "|:---|---:|---:|---:|---:|---:|---:|---:|", *(row(word, runs) for word in MODELS)])


def main() -> int:
    parser = argparse.ArgumentParser(description="Test -ln p(x) of static MNIST beside what was published.")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, help="of the fits, in place of each model's own")
    parser.add_argument("--accelerator", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproductions"))
    parser.add_argument("--table", action="store_true", help="fit and measure nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reproductions.md")
    options = parser.parse_args()
    given = {"epochs": options.epochs, "accelerator": options.accelerator}
    words = [] if options.table else options.models
    codes = [run(stages(word, options.runs, **given)) for word in words]
    print(text := table(options.runs))
    if options.write:
        put_table(text, command="python benchmarks/reproductions.py --table --write", file=DOCS)
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
