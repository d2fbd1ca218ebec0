"""Linear VAEs of Gaussian sources by plain flags, against reverse water-filling: six spectra, six betas.

    OMP_NUM_THREADS=1 python benchmarks/linear.py [--jobs N] [--write]

Fits `--data gaussian --encoder linear --decoder linear --likelihood gaussian` at the defaults of everything else but
`--latent_dim` (as many units as there are dimensions, where the default has fewer) under runs/linear (`--runs`), goes
on where it was interrupted, and prints a table of R; `--write` puts it into docs/linear.md. Exits with 1 if an R is
off by more than 1 % and more than 0.02 nat.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from known_answers.tables import ROOT, put_table

from vae_rd import sweep
from vae_rd.run.record import RunRecord
from vae_rd.theory.linear_vae import optimum

DOCS = ROOT / "docs" / "linear.md"
BETAS = (0.1, 0.4, 1.0, 3.0, 10.0, 30.0)
SCALE = 0.4
SPECTRA = {
    "six": [5.3, 3.1, 1.7, 0.9, 0.41, 0.13],
    "halving": [8.0, 4.0, 2.0, 1.0, 0.5, 0.25],
    "wide": [100.0, 1.0, 0.5],
    "near each other": [3.0, 2.9, 2.8, 0.3, 0.29],
    "equal": [2.0] * 6,
    "forty": [round(20.0 * 0.85**i, 4) for i in range(40)],
}
LINEAR = {
    "data": "gaussian",
    "encoder": "linear",
    "decoder": "linear",
    "likelihood": "gaussian",
    "likelihood_scale": SCALE,
    "wandb": "off",
    "resume": "auto",
}
RELATIVE, ABSOLUTE = 0.01, 0.02


def grid_file(file: Path, grid: Mapping[str, Sequence[Any]], **flags: Any) -> Path:
    """A sweep file of linear VAEs: every point of a grid, under flags that all share."""
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {name: {"values": list(values)} for name, values in grid.items()}
        | {name: {"value": value} for name, value in (LINEAR | flags).items()},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def sweep_file(name: str, runs: Path) -> Path:
    """The sweep over beta on one spectrum."""
    spectrum, folder = SPECTRA[name], runs / name.replace(" ", "_")
    return grid_file(
        folder.with_suffix(".yaml"),
        {"beta": BETAS},
        gaussian_eigenvalues=spectrum,
        latent_dim=max(16, len(spectrum)),
        run_dir=str(folder),
    )


def records(name: str, runs: Path) -> list[RunRecord]:
    """The finished runs of one spectrum, by beta."""
    found = [RunRecord.read(path.parent) for path in (runs / name.replace(" ", "_")).glob("*/record.json")]
    return sorted((r for r in found if r.status == "finished"), key=lambda record: record.config["beta"])


def row(name: str, record: RunRecord) -> tuple[str, bool]:
    """A run's row of the table, and whether its R is near enough."""
    beta, rate = record.config["beta"], record.metrics["test"]["rate"]
    exact = optimum(SPECTRA[name], s2=SCALE**2, beta=beta, latent_dim=max(16, len(SPECTRA[name]))).rate
    off = rate["value"] - exact
    fits = abs(off) <= max(RELATIVE * exact, ABSOLUTE)
    units = record.metrics["test"]["active_units"]["value"]
    cells = [
        name,
        f"{beta:g}",
        f"{exact:.4f}",
        f"{rate['value']:.4f} ± {rate['stderr']:.4f}",
        f"{off:+.4f}",
        str(units),
    ]
    return f"| {' | '.join(cells)} | {'' if fits else 'off'} |", fits


def table(names: Sequence[str], runs: Path) -> tuple[str, bool]:
    """All rows, and whether all are near enough."""
    rows = [row(name, record) for name in names for record in records(name, runs)]
    lines = ["| spectrum | beta | exact R | R, test | off | active units | |", "|:---|---:|---:|---:|---:|---:|:---|"]
    return "\n".join([*lines, *(line for line, _ in rows)]), all(fits for _, fits in rows)


def options_of(description: str, *, runs: str, docs: Path) -> argparse.Namespace:
    """What the command line asks for: `jobs`, `runs`, and whether to `write`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path(runs))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{docs.name}")
    return parser.parse_args()


def main() -> int:
    options = options_of("Linear VAEs by plain flags against reverse water-filling.", runs="runs/linear", docs=DOCS)
    code = max(sweep.main([str(sweep_file(name, options.runs)), f"--jobs={options.jobs}"]) for name in SPECTRA)
    text, fits = table(list(SPECTRA), options.runs)
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/linear.py --write", file=DOCS)
    return code or (0 if fits else 1)


if __name__ == "__main__":
    sys.exit(main())
