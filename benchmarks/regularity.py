"""Is a VAE's space of z regular and an autoencoder's not? Eight models of digits with two units, three seeds: a figure.

    OMP_NUM_THREADS=1 python benchmarks/regularity.py [--seeds 3] [--runs FOLDER] [--table] [--write]

Fits a plain autoencoder and VAEs at seven betas to 1,200 of scikit-learn's digits, 15 s of CPU time each, explores
the regularity of each, and goes on where it was interrupted; under runs/regularity (`--runs`). `--write` puts the table
into docs/regular.md and draws its figure. Standard errors are over seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from known_answers.tables import ROOT, put_table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Circle

from analysis.style import COLUMN, GREY, INK, PALE, STYLE, WARNING
from vae_rd import FitConfig, explore_run, fit_model
from vae_rd.run.record import Json

DOCS = ROOT / "docs" / "regular.md"
BETAS = (None, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # None: the autoencoder.
SHOWN = (None, 0.01, 1.0, 10.0)  # Above the curves.
FLAGS: dict[str, Any] = {"data": "digits", "binarization": "threshold", "n_train": 1200, "latent_dim": 2}
LENGTH: dict[str, Any] = {"batch_size": 64, "max_epochs": 150, "val_every": 10, "media_every": 0}
POINT: dict[str, Any] = {"posterior": "deterministic", "beta": 0.0}
SIDE, TILES, GAP = 16, (0, 2, 4, 6, 9, 11, 13, 15), 4  # Of an exploration's grid, what is shown, pixels between two.
REACH = 3.2  # Standard deviations of the codes that a panel shows.
PRIOR, MATCHED = "prior", "matched normal"


class Column(NamedTuple):
    """A number of each run: its head, where it stands in an exploration, and its decimals."""

    head: str
    of: Callable[[Json], float | None]
    digits: int = 2


def hole(law: str, kind: str, among: str) -> Callable[[Json], float | None]:
    return lambda n: n["holes"][law][kind][among]["value"]  # type: ignore[no-any-return]


def mmd(law: str) -> Callable[[Json], float | None]:
    return lambda n: n["overlap"][law]["mmd"]["value"]  # type: ignore[no-any-return]


def plain(name: str) -> Callable[[Json], float | None]:
    return lambda n: n[name]["value"]  # type: ignore[no-any-return]


COLUMNS = {
    "rate": Column("R", plain("rate")),
    "distortion": Column("D", plain("distortion"), 1),
    "width": Column("s.d. of z", plain("width")),
    "holes": Column("holes of m(z)", hole(PRIOR, "mean", "codes")),
    "holes_matched": Column("of the matched normal", hole(MATCHED, "mean", "codes")),
    "off": Column("x off the data, m(z)", hole(PRIOR, "draw", "data")),
    "off_matched": Column("matched normal", hole(MATCHED, "draw", "data")),
    "mmd": Column("MMD^2 to m(z)", mmd(PRIOR), 3),
    "mmd_matched": Column("to the matched normal", mmd(MATCHED), 4),
    "stretch": Column("stretch", plain("stretch")),
    "detour": Column("detour", plain("detour")),
    "longest_step": Column("longest step", plain("longest_step")),
}


def name_of(beta: float | None) -> str:
    """What a model is called."""
    return "AE" if beta is None else f"{beta:g}"


def folder_of(beta: float | None, seed: int, runs: Path) -> Path:
    """Where a run lies."""
    return runs / f"{'ae' if beta is None else f'beta{beta:g}'}-seed{seed}"


def measure(beta: float | None, seed: int, runs: Path) -> None:
    """Fit and explore a run, as far as that has not been done."""
    folder = folder_of(beta, seed, runs)
    place = {"name": folder.name, "run_dir": str(runs), "seed": seed, "wandb": "off", "resume": "auto"}
    fit_model(FitConfig(**FLAGS, **LENGTH, **place, **(POINT if beta is None else {"beta": beta})))
    if numbers_of(folder) is None:
        explore_run(folder, "regularity", seed=seed)


def numbers_of(folder: Path) -> Json | None:
    """What an exploration found of a run; None where there was none."""
    path = folder / "explore" / "regularity.json"
    numbers: Json | None = json.loads(path.read_text(encoding="utf-8"))["numbers"] if path.is_file() else None
    return numbers


def values_of(column: str, beta: float | None, seeds: int, runs: Path) -> list[float]:
    """A number of each seed that has it."""
    found = (numbers_of(folder_of(beta, seed, runs)) for seed in range(seeds))
    values = [COLUMNS[column].of(numbers) for numbers in found if numbers is not None]
    return [value for value in values if value is not None]


def cell(values: Sequence[float], digits: int) -> str:
    """The mean over seeds and its standard error."""
    if not values:
        return "-"
    error = f" ± {stdev(values) / len(values) ** 0.5:.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{error}"


def table(seeds: int, runs: Path) -> str:
    """A row for each model."""
    heads = ["beta", *(column.head for column in COLUMNS.values())]
    lines = [f"| {' | '.join(heads)} |", "|:---|" + "---:|" * len(COLUMNS)]
    for beta in BETAS:
        cells = [cell(values_of(name, beta, seeds, runs), column.digits) for name, column in COLUMNS.items()]
        lines.append(f"| {' | '.join([name_of(beta), *cells])} |")
    return "\n".join(lines)


def drawn(seeds: int, runs: Path) -> Figure:
    """Codes and what m(z) decodes to of four models, above four numbers of all."""
    figure = Figure(figsize=(2 * COLUMN, 1.72 * COLUMN), layout="constrained")
    axes = figure.subplots(3, 4, gridspec_kw={"height_ratios": (1, 0.95, 0.9)})
    for place, beta in enumerate(SHOWN):
        folder = folder_of(beta, 0, runs)
        draw_codes(folder, axes[0, place], title="autoencoder" if beta is None else f"VAE, $\\beta$ = {beta:g}")
        draw_grid(folder, axes[1, place])
    axes[0, 0].set_ylabel("codes, by digit")
    axes[1, 0].set_ylabel("$E[x|z]$ over $m(z)$")
    laws = ("$z$ of $m(z)$", "of the matched normal")
    panels = (
        (("holes", "holes_matched"), laws, "share of draws in holes", 0.05),
        (("mmd", "mmd_matched"), ("to $m(z)$", "to the matched normal"), "MMD$^2$ of codes", 0.0),
        (("stretch", "detour"), ("stretch per s.d.", "detour"), "steepness in $x$", None),
        (("distortion",), ("$D$",), "distortion (nats)", None),
    )
    for ax, (names, labels, title, nominal) in zip(axes[2], panels, strict=True):
        draw_numbers(names, seeds, runs, ax, labels=labels, nominal=nominal)
        ax.set_title(title, fontsize=7)
    return figure


def draw_codes(folder: Path, ax: Axes, *, title: str) -> None:
    with (folder / "explore" / "regularity.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["of"] == "q(z)"]
    z = np.array([[float(row["z0"]), float(row["z1"])] for row in rows])
    digit = np.array([int(row["labels/digit"]) for row in rows])
    reach = max(REACH, float(np.abs(z).max()) * 1.05)
    for radius in (1, 2):
        ax.add_patch(Circle((0, 0), radius, fill=False, color=INK, lw=0.8, zorder=3))
    ax.scatter(*z.T, c=digit, cmap="tab10", s=2.5, linewidths=0)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set_title(title, fontsize=7)


def draw_grid(folder: Path, ax: Axes) -> None:
    """Half of the rows and columns of the left half of an exploration's picture: z at even quantiles of m(z)."""
    page = imread(folder / "explore" / "regularity.png")
    pitch = -(-page.shape[0] // SIDE)  # An image and the gap to the next.
    rows = [page[pitch * place : pitch * (place + 1) - GAP] for place in TILES]
    tiles = [[row[:, pitch * place : pitch * (place + 1) - GAP] for place in TILES] for row in rows]
    apart = [[np.pad(tile, ((0, GAP), (0, GAP)), constant_values=1.0) for tile in row] for row in tiles]
    ax.imshow(np.block(apart), cmap="gray", interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def draw_numbers(
    names: Sequence[str], seeds: int, runs: Path, ax: Axes, *, labels: Sequence[str], nominal: float | None
) -> None:
    """Each seed a point, the mean a line over the VAEs; the second number hollow."""
    if nominal is not None:
        ax.axhline(nominal, color=GREY, lw=0.7, ls="--")
    for name, label, colour in zip(names, labels, (INK, WARNING), strict=False):
        found = [values_of(name, beta, seeds, runs) for beta in BETAS]
        x, y = zip(*((place, value) for place, values in enumerate(found) for value in values), strict=True)
        face = colour if name == names[0] else "white"
        ax.plot(x, y, "o", ms=2.8, color=colour, mfc=face, mew=0.8, label=label, clip_on=False)
        ax.plot(range(1, len(BETAS)), [fmean(values) for values in found[1:]], color=colour, lw=0.8)
    if len(names) > 1:
        ax.set_ylim(None, 1.3 * ax.dataLim.y1)
        ax.legend(loc="upper right", fontsize=6, handletextpad=0.1, borderaxespad=0.1)
    ax.axvspan(-0.5, 0.5, color=PALE, zorder=0)
    ax.set_xticks(range(len(BETAS)), [name_of(beta).replace("0.", ".") for beta in BETAS], fontsize=5.5)
    ax.set_xlim(-0.5, len(BETAS) - 0.5)
    if nominal != 0:
        ax.set_ylim(0, None)
    ax.set_xlabel("$\\beta$", labelpad=1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Regularity of two units of an autoencoder and of VAEs over beta.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/regularity"))
    parser.add_argument("--table", action="store_true", help="fit and explore nothing")
    parser.add_argument("--write", action="store_true", help="put the table and the figure into docs/")
    options = parser.parse_args()
    for seed in range(options.seeds * (not options.table)):
        for beta in BETAS:
            measure(beta, seed, options.runs)
    print(text := table(options.seeds, options.runs))
    if options.write:
        put_table(text, command="python benchmarks/regularity.py --write", file=DOCS)
        with mpl.rc_context(STYLE):
            drawn(options.seeds, options.runs).savefig(DOCS.with_suffix(".png"), dpi=200)


if __name__ == "__main__":
    main()
