"""At which rate can one calculate with codes? Attribute vectors and analogies along beta: tables and a figure.

    OMP_NUM_THREADS=1 python benchmarks/algebra.py [--seeds 3] [--runs FOLDER] [--table] [--write]

Of sprites (factors known, judged by the nearest of all images), of binarised digits (label and thickness, judged by a
classifier and a formula) and, where VAE_RD_DATA has them, of cmu_faces (one seed), fits seven betas and a plain
autoencoder and asks `evaluate --algebra` of each. Runs of sprites are those of benchmarks/disentanglement.py. What is
done under runs/algebra (`--runs`) and runs/disentanglement (`--sprites`) is not done again. `--write` puts the tables
into docs/algebra.md and draws docs/algebra.png.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import matplotlib as mpl
from disentanglement import folder_of
from known_answers.tables import ROOT, put_table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import COLUMN, GREY, INK, STYLE
from vae_rd import FitConfig, evaluate_run, fit_model
from vae_rd.run.record import Json, RunRecord

DOCS = ROOT / "docs" / "algebra.md"
COMMAND = "python benchmarks/algebra.py --write"
BETAS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
POINT = {"beta": 0.0, "posterior": "deterministic"}
FACES = {
    "data": "cmu_faces",
    "dequantize": "uniform",
    "likelihood": "gaussian_optimal",
    "hidden": [256],
    "batch_size": 32,
    "lr": 1e-3,
    "max_epochs": 60,
    "val_every": 10,
}
FLAGS: Mapping[str, Mapping[str, Any]] = {
    "sprites": {"val_every": 10},
    "digits": {"data": "digits", "binarization": "threshold", "val_every": 10},
    "cmu_faces": FACES,
}
SPACES = {"mean": "E[z\\|x]", "draw": "a draw", "pca": "PCA", "pixels": "pixels"}
COLUMNS = {
    ("edit", "right"): "z + v: right",
    ("edit", "changed"): "changed",
    ("edit", "kept"): "kept",
    ("edit", "chance"): "chance",
    ("analogy", "right"): "analogy: right",
    ("analogy", "bits"): "bit for bit",
    ("analogy", "chance"): "chance",
}
LOOKS = {"mean": ("o", INK), "draw": ("s", "#0072b2")}  # Okabe-Ito blue.


class Found(NamedTuple):
    """What was measured of one aim: its name, R of each seed, and each seed's table."""

    name: str
    rates: list[float | None]
    tables: list[list[Json]]


def entry_of(folder: Path) -> Json | None:
    """A run's entry; None where it has none yet."""
    if not (folder / "record.json").is_file():
        return None
    return next((e for e in RunRecord.read(folder).estimates if e["kind"] == "algebra"), None)


def measure(folder: Path, flags: Mapping[str, Any]) -> None:
    """Fit a run and ask it, as far as that has not been done."""
    place = {"name": folder.name, "run_dir": str(folder.parent), "wandb": "off", "resume": "auto"}
    fit_model(FitConfig(**flags, **place))
    if entry_of(folder) is None:
        evaluate_run(folder, "algebra")


def folders_of(data: str, options: argparse.Namespace) -> Iterator[tuple[str, list[tuple[Path, dict[str, Any]]]]]:
    """For each aim its name, and the folders and flags of its seeds."""
    seeds = range(options.seeds if data != "cmu_faces" else 1)
    for beta in BETAS:
        place = options.sprites if data == "sprites" else options.runs / data
        flags = FLAGS[data] | {"beta": beta}
        yield f"beta {beta:g}", [(folder_of(beta, seed, place), flags | {"seed": seed}) for seed in seeds]
    point = FLAGS[data] | POINT
    yield "autoencoder", [(options.runs / data / f"autoencoder-seed{s}", point | {"seed": s}) for s in seeds]


def found_of(data: str, options: argparse.Namespace) -> list[Found]:
    """All aims of which there is a run that was asked."""
    found = []
    for name, runs in folders_of(data, options):
        asked = [folder for folder, _ in runs if entry_of(folder) is not None]
        rates = [RunRecord.read(folder).metrics["test"]["rate"]["value"] for folder in asked]
        if asked:
            found.append(Found(name, rates, [entry_of(folder)["table"] for folder in asked]))
    return found


def cell(values: Sequence[Json | None]) -> str:
    """The mean over seeds and its error: over seeds, of one its own."""
    known = [value["value"] for value in values if value is not None and value["value"] is not None]
    if not known:
        return ""
    error = stdev(known) / len(known) ** 0.5 if len(known) > 1 else values[0]["stderr"]
    return f"{fmean(known):.3f} ± {error:.3f}"


def row_of(table: Sequence[Json], space: str) -> Json | None:
    """A space's row of an entry's table."""
    return next((row for row in table if row["features"] == space), None)


def lines(found: Sequence[Found]) -> Iterator[str]:
    """Two rows for each aim, of the mean and of a draw; of an autoencoder these are one; then PCA and pixels."""
    for one in found:
        rate = "undefined" if None in one.rates else f"{fmean(one.rates):.2f}"
        for head, space in (([one.name, rate], "mean"), (["", ""], "draw")):
            if head[0] or rate != "undefined":
                yield line(head, space, one.tables)
    for space in ("pca", "pixels"):
        yield line(["", ""], space, found[0].tables[:1])


def line(head: list[str], space: str, tables: Sequence[Sequence[Json]]) -> str:
    """A row of the first table."""
    rows = [row for table in tables if (row := row_of(table, space)) is not None]
    cells = [cell([row[kind][name] for row in rows]) for kind, name in COLUMNS]
    return f"| {' | '.join([*head, SPACES[space], *cells, cell([row['decoded'] for row in rows])])} |"


def by_attribute(found: Sequence[Found]) -> Iterator[str]:
    """Edits and analogies that are right, of E[z|x], for each attribute."""
    names = list(found[0].tables[0][0]["edit"]["by_attribute"])
    yield f"| of E[z\\|x], right | {' | '.join(f'{name}: z + v | analogy' for name in names)} |"
    yield "|:---|" + "---:|" * (2 * len(names))
    parts = [(one.name, "mean", one.tables) for one in found]
    for name, space, tables in [*parts, *((SPACES[s], s, found[0].tables[:1]) for s in ("pca", "pixels"))]:
        rows = [row for table in tables if (row := row_of(table, space)) is not None]
        cells = [cell([r[kind]["by_attribute"][k] for r in rows]) for k in names for kind in ("edit", "analogy")]
        yield f"| {name} | {' | '.join(cells)} |"


def text_of(data: str, found: Sequence[Found], said: Mapping[str, Json]) -> str:
    """The tables of one data set, under what they are of."""
    table, seeds = found[0].tables[0], sorted({len(one.tables) for one in found})
    n = {kind: table[0][kind]["right"]["n"] for kind in ("edit", "analogy")}
    judges = "; ".join(
        f"{name} by {one['by']} ({one['accuracy']['value']:.3f} right, a guess {one['guess']:.3f})"
        for name, one in said.items()
    )
    head = f"**{data}**: {n['edit']:,} sums z + v and {n['analogy']:,} analogies a run, seeds of a model: "
    columns = ["model", "R", "of", *COLUMNS.values(), "decoded"]
    return "\n".join(
        [
            f"{head}{' to '.join(map(str, {seeds[0]: 0, seeds[-1]: 0}))}. Judged: {judges}.",
            "",
            f"| {' | '.join(columns)} |",
            "|:---|---:|:---|" + "---:|" * (len(columns) - 3),
            *lines(found),
            "",
            *by_attribute(found),
        ]
    )


def drawn(all_found: Mapping[str, Sequence[Found]]) -> Figure:
    """Shares that are right over R: a row for each kind of sum, a column for each data set."""
    figure = Figure(figsize=(COLUMN * 2, COLUMN * 0.95), layout="constrained")
    axes = figure.subplots(2, len(all_found), sharex="col", squeeze=False)
    words = {"edit": "attribute vectors", "analogy": "analogies"}
    for column, (data, found) in zip(axes.T, all_found.items(), strict=True):
        for ax, kind in zip(column, words, strict=True):
            panel(found, kind, ax=ax)
        column[0].set_title(data, fontsize=STYLE["legend.fontsize"], loc="left")
        column[1].set_xlabel("rate $R$ [nats]")
    for ax, word in zip(axes[:, 0], words.values(), strict=True):
        ax.set_ylabel(f"{word}: right")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def panel(found: Sequence[Found], kind: str, *, ax: Axes) -> None:
    """Points of each seed, lines through their means, and levels of what has no rate."""
    rated = [one for one in found if None not in one.rates]
    for space, (marker, colour) in LOOKS.items():
        shares = [[row_of(table, space)[kind]["right"]["value"] for table in one.tables] for one in rated]
        rates = [rate for one in rated for rate in one.rates]
        ax.plot(rates, [*chain(*shares)], marker, color=colour, ms=2.5, mew=0.6, mfc="white", zorder=3, clip_on=False)
        means = ([fmean(one.rates) for one in rated], [fmean(values) for values in shares])
        ax.plot(*means, color=colour, lw=0.8, label=SPACES[space].replace("\\", ""))
    point = [row_of(table, "mean") for one in found if one not in rated for table in one.tables]
    levels = {"autoencoder, no rate": point, "PCA": [row_of(found[0].tables[0], "pca")]}
    levels["pixels"] = [row_of(found[0].tables[0], "pixels")]
    for (name, rows), style in zip(levels.items(), ("-", "--", ":"), strict=True):
        if rows:
            ax.axhline(fmean(row[kind]["right"]["value"] for row in rows), color=GREY, ls=style, lw=0.8, label=name)
    ax.set(xlim=(0, None), ylim=(0, None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Attribute vectors and analogies along beta.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/algebra"))
    parser.add_argument("--sprites", type=Path, default=Path("runs/disentanglement"))
    parser.add_argument("--data", nargs="*", choices=[*FLAGS], default=[*FLAGS], help="these alone")
    parser.add_argument("--table", action="store_true", help="fit and ask nothing")
    parser.add_argument("--write", action="store_true", help="put tables and figure into docs/")
    options = parser.parse_args()
    faces = Path(os.environ.get("VAE_RD_DATA", "data")) / "cmu_faces"
    asked = [data for data in options.data if data != "cmu_faces" or faces.is_dir()]
    for data in asked if not options.table else []:
        for run in [run for _, runs in folders_of(data, options) for run in runs]:
            measure(*run)
    found = {data: some for data in asked if (some := found_of(data, options))}
    said = {data: entry_of(next(folders_of(data, options))[1][0][0])["judged"] for data in found}
    print(text := "\n\n".join(text_of(data, some, said[data]) for data, some in found.items()))
    if options.write:
        put_table(text, command=COMMAND, file=DOCS)
        with mpl.rc_context(STYLE):
            drawn(found).savefig(DOCS.with_suffix(".png"), dpi=200)


if __name__ == "__main__":
    main()
