"""One linear multi-rate VAE for each of four spectra, against reverse water-filling at ten betas.

    OMP_NUM_THREADS=1 python benchmarks/multirate_linear.py [--jobs N] [--write]

Fits `--objective multirate` between linear networks, once a spectrum, of those of benchmarks/linear.py, under
runs/multirate_linear (`--runs`; what is there is gone on with), and prints how far R is from its exact value at each
beta; `--write` puts the table into docs/multirate.md. R and D of a fitted model are those of the population, in closed
form, so that nothing is lost to draws of x or z. Exits with 1 if R or D is off by more than 0.5 % and more than
0.01 nat.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from known_answers.tables import ROOT, put_table
from linear import SCALE, SPECTRA, grid_file, options_of

import vae_rd
from vae_rd import sweep
from vae_rd.data.synthetic import random_rotation
from vae_rd.run.record import RunRecord
from vae_rd.theory.linear_vae import optimum

DOCS = ROOT / "docs" / "multirate.md"
RANGE = (0.05, 50.0)
BETAS = [float(f"{beta:.3g}") for beta in np.geomspace(*RANGE, 10)]
NAMES, UNITS = ("six", "halving", "wide", "near each other"), 16
RELATIVE, ABSOLUTE = 0.005, 0.01


def sweep_file(runs: Path) -> Path:
    """The fits of all spectra."""
    return grid_file(
        runs / "sweep.yaml",
        {"gaussian_eigenvalues": [SPECTRA[name] for name in NAMES]},
        objective="multirate",
        beta_range=list(RANGE),
        batch_size=4096,
        lr=0.03,
        max_epochs=100,
        val_every=20,
        latent_dim=UNITS,
        run_dir=str(runs),
    )


@torch.no_grad()
def measured(folder: Path, spectrum: list[float], beta: float) -> tuple[float, float]:
    """D and R of a run at a beta over the population: means over points that have its mean and covariance."""
    n, variances = len(spectrum), torch.tensor(spectrum, dtype=torch.float64)
    root = random_rotation(n, data_seed=0) * (n * variances).sqrt()
    x = torch.cat([root.T, -root.T]).reshape(2 * n, 1, 1, n)
    model = vae_rd.load(folder, beta=beta).double()
    terms = model.terms(x, model.noise(1, x, torch.Generator()))
    assert terms.expected_log_px is not None, "D is in closed form"
    return terms.distortion.mean().item(), terms.rate.mean().item()


def row(name: str, folder: Path) -> tuple[str, float]:
    """A spectrum's row of the table: R, and by how much it is off; the worst of R and D as a share of what may be."""
    cells, worst = [name], 0.0
    for beta in BETAS:
        exact = optimum(SPECTRA[name], s2=SCALE**2, beta=beta, latent_dim=UNITS)
        for found, wanted in zip(measured(folder, SPECTRA[name], beta), (exact.distortion, exact.rate), strict=True):
            worst = max(worst, abs(found - wanted) / max(RELATIVE * abs(wanted), ABSOLUTE))
        cells.append(f"{exact.rate:.3f} {found - wanted:+.3f}")
    return f"| {' | '.join([*cells, f'{worst:.2f}'])} |", worst


def table(runs: Path) -> tuple[str, bool]:
    """All rows, and whether all are near enough."""
    folders = {tuple(spectrum_of(f)): f for f in (path.parent for path in runs.glob("*/record.json"))}
    rows = [row(name, folders[tuple(SPECTRA[name])]) for name in NAMES]
    heading = ["spectrum", *(f"beta {beta:g}" for beta in BETAS), "worst of its limit"]
    lines = [f"| {' | '.join(heading)} |", f"|:---|{'---:|' * (len(heading) - 1)}", *(line for line, _ in rows)]
    return "\n".join(lines), all(worst <= 1 for _, worst in rows)


def spectrum_of(folder: Path) -> list[float]:
    """The spectrum of a run."""
    return list(RunRecord.read(folder).config["gaussian_eigenvalues"])


def main() -> int:
    described = "Linear multi-rate VAEs against reverse water-filling."
    options = options_of(described, runs="runs/multirate_linear", docs=DOCS)
    code = sweep.main([str(sweep_file(options.runs)), f"--jobs={options.jobs}"])
    text, fits = table(options.runs)
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/multirate_linear.py --write", file=DOCS)
    return code or (0 if fits else 1)


if __name__ == "__main__":
    sys.exit(main())
