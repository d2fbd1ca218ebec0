"""IWAE-50 beside the ELBO on static binary MNIST, through the nets of Burda et al. 2016, at equal epochs: one table.

    VAE_RD_DATA=... OMP_NUM_THREADS=1 python benchmarks/bounds.py [--only WORD ...] [--epochs 3] [--write]

Of each: D and R (the point of the plane is that of the ELBO), active units, and L_5000 of the first 1,000 test images.
What is finished under runs/bounds (`--runs`) is not done again. `--write` puts the table into docs/gradients.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from known_answers.tables import ROOT, put_table

from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "gradients.md"
SAMPLES, EXAMPLES = 5000, 1000
NETS = {"data": "static_mnist", "hidden": "[200,200]", "latent_dim": 50}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "ELBO": {},
    "IWAE-50": {"objective": "iwae", "samples": 50},
    "IWAE-50, dreg": {"objective": "iwae", "samples": 50, "gradient": "dreg"},
    "ELBO of 50 draws": {"samples": 50},
}


def folder_of(word: str, runs: Path) -> Path:
    """Where a model's run lies."""
    return runs / "".join(letter if letter.isalnum() else "_" for letter in word)


def measured(word: str, runs: Path, *, epochs: int, accelerator: str) -> int:
    """Fit a model and measure it, as far as that is not done; the exit code."""
    folder = folder_of(word, runs)
    flags = NETS | MODELS[word] | {"max_epochs": epochs, "wandb": "off", "accelerator": accelerator}
    flags |= {"run_dir": folder.parent, "name": folder.name, "resume": "auto"}
    fit = ["vae_rd.fit", *(f"--{name}={value}" for name, value in flags.items())]
    evaluate = ["vae_rd.evaluate", str(folder), "--nll=importance", f"--samples={SAMPLES}", f"--examples={EXAMPLES}"]
    if code := subprocess.run([sys.executable, "-m", *fit]).returncode:
        return code
    return 0 if bound(RunRecord.read(folder)) else subprocess.run([sys.executable, "-m", *evaluate]).returncode


def bound(record: RunRecord) -> Mapping[str, Any] | None:
    """L_5000's upper bound on -ln p(x)."""
    return next((e for e in record.estimates if e["kind"] == "importance" and e["samples"] == SAMPLES), None)


def row(word: str, runs: Path) -> str:
    """A model's row; empty where something is missing."""
    folder = folder_of(word, runs)
    record = RunRecord.read(folder) if (folder / "record.json").is_file() else None
    if record is None or (found := bound(record)) is None:
        return f"| {word} | | | | | | |"
    test = record.metrics["test"]
    cells = [str(record.config["max_epochs"]), *(f"{test[name]['value']:.2f}" for name in ("distortion", "rate"))]
    cells += [str(test["active_units"]["value"]), f"{found['value']:.2f} ± {found['stderr']:.2f}"]
    return f"| {word} | {' | '.join([*cells, f'{record.seconds / 60:.1f}'])} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="IWAE-50 beside the ELBO on static binary MNIST.")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--accelerator", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/bounds"))
    parser.add_argument("--table", action="store_true", help="fit and measure nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/gradients.md")
    options = parser.parse_args()
    given = {"epochs": options.epochs, "accelerator": options.accelerator}
    codes = [] if options.table else [measured(word, options.runs, **given) for word in options.only]
    head = "| loss | epochs | D | R | active units of 50 | -L_5000 | minutes of the fit |"
    print(text := "\n".join([head, f"|:---|{6 * '---:|'}", *(row(word, options.runs) for word in options.only)]))
    if options.write:
        put_table(text, command="python benchmarks/bounds.py --write", file=DOCS)
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
