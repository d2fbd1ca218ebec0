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
from collections.abc import Sequence
from pathlib import Path

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
RELATIVE, ABSOLUTE = 0.01, 0.02


def sweep_file(name: str, runs: Path) -> Path:
    """The sweep over beta on one spectrum."""
    spectrum = SPECTRA[name]
    flags = {
        "data": "gaussian",
        "encoder": "linear",
        "decoder": "linear",
        "likelihood": "gaussian",
        "likelihood_scale": SCALE,
        "gaussian_eigenvalues": spectrum,
        "latent_dim": max(16, len(spectrum)),
        "wandb": "off",
        "run_dir": str(runs / name.replace(" ", "_")),
        "resume": "auto",
    }
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {"beta": {"values": list(BETAS)}} | {name: {"value": value} for name, value in flags.items()},
    }
    runs.mkdir(parents=True, exist_ok=True)
    (file := runs / f"{name.replace(' ', '_')}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return file


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


def main() -> int:
    parser = argparse.ArgumentParser(description="Linear VAEs by plain flags against reverse water-filling.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/linear"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/linear.md")
    options = parser.parse_args()
    code = max(sweep.main([str(sweep_file(name, options.runs)), f"--jobs={options.jobs}"]) for name in SPECTRA)
    text, fits = table(list(SPECTRA), options.runs)
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/linear.py --write", file=DOCS)
    return code or (0 if fits else 1)


if __name__ == "__main__":
    sys.exit(main())
