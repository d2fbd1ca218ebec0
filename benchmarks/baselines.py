"""GAN, autoencoder and VAEs of one decoder: time to train, samples, and the decoders' own curves by AIS.

    OMP_NUM_THREADS=1 python benchmarks/baselines.py [--runs FOLDER] [--table] [--write]

Fits six models of one decoder to thresholded `digits` (Bernoulli, 8 latent units), fits a mixture to the codes of the
autoencoder, scores samples against the data, and follows each decoder's curve by AIS for 50 examples at 500 and at
1,000 temperatures; it goes on where it was interrupted, under runs/baselines (`--runs`). `--write` puts the table into
docs/gan.md and draws its figure.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from known_answers.tables import ROOT, put_table
from matplotlib.figure import Figure

from analysis.style import COLUMN, GREY, INK, STYLE, beta_colours
from vae_rd import FitConfig, evaluate_run, fit_model
from vae_rd.run.record import Json, RunRecord

DOCS = ROOT / "docs" / "gan.md"
SHARED: dict[str, Any] = {"data": "digits", "binarization": "threshold", "hidden": [256], "latent_dim": 8}
BETAS = {f"vae-beta{beta:g}": beta for beta in (0.3, 1.0, 3.0, 10.0)}
MODELS: dict[str, dict[str, Any]] = {
    "gan": {"model": "gan", "val_every": 5},
    "autoencoder": {"posterior": "deterministic", "beta": 0.0, "val_every": 5},
    **{name: {"beta": beta, "val_every": 5} for name, beta in BETAS.items()},
}
MARGINAL = {"autoencoder": "mixture"}  # Whose z has no prior of its own.
TEMPERATURES = (500, 1000)
EXAMPLES = 50
LABELS = {"gan": "GAN", "autoencoder": "AE, mixture fitted to its codes"} | {
    name: f"VAE, $\\beta$ = {beta:g}" for name, beta in BETAS.items()
}
COLOURS: dict[str, Any] = {"gan": INK, "autoencoder": INK} | {
    name: beta_colours(BETAS.values())[beta] for name, beta in BETAS.items()
}
STYLES = {"gan": "--", "autoencoder": ":"}
HEAD = (
    "| model | CPU s to train | R | NLL, 500 temperatures | change at 1,000 | BDMC gap | precision | recall | coverage "
    "| Frechet | sharpness | modes |"
)


def fitted(name: str, runs: Path) -> Path:
    """The folder of a model, fitted; beside it the CPU seconds that took, of all its threads."""
    place = {"name": name, "run_dir": str(runs), "wandb": "off", "resume": "auto"}
    began = time.process_time()
    if not (seconds := runs / f"{name}-seconds.json").is_file():
        fit_model(FitConfig(**SHARED, **MODELS[name], **place))
        seconds.write_text(json.dumps(time.process_time() - began))
    return runs / name


def entry(folder: Path, kind: str, **asked: object) -> Json | None:
    """What the record has of an estimate; None where it has none yet."""
    found = (e for e in RunRecord.read(folder).estimates if e["kind"] == kind)
    return next((e for e in found if all(e.get(key) == value for key, value in asked.items())), None)


def measure(name: str, folder: Path, kind: str, **settings: Any) -> None:
    """An estimate, z from the fitted prior where the model has none, unless it is there."""
    under = {"marginal": MARGINAL[name]} if name in MARGINAL else {}
    if entry(folder, kind, **{k: v for k, v in settings.items() if k == "temperatures"}) is None:
        evaluate_run(folder, kind, **under, **settings)


def line(name: str, folder: Path, runs: Path) -> str:
    """A row of the table."""
    record, seconds = RunRecord.read(folder), json.loads((runs / f"{name}-seconds.json").read_text())
    first, second = (entry(folder, "ais", temperatures=t) for t in TEMPERATURES)
    gap, quality = entry(folder, "bdmc", temperatures=TEMPERATURES[0]), entry(folder, "quality")
    scores = quality["table"][0] if quality else {}
    change = {"value": second["value"] - first["value"], "stderr": None} if first and second else None
    shares = [cell(scores.get(s), 2) for s in ("precision", "recall", "coverage")]
    cells = [cell(record.metrics["test"]["rate"], 2), cell(first, 2), cell(change, 2), cell(gap, 2), *shares]
    cells += [cell(scores.get(s), 2) for s in ("frechet", "sharpness")]
    return f"| {name} | {seconds:.0f} | {' | '.join(cells)} | {quality['modes']['state'] if quality else '-'} |"


def cell(value: Json | None, digits: int) -> str:
    """A number with its standard error."""
    if value is None or value["value"] is None:
        return "-"
    error = "" if value["stderr"] is None else f" ± {value['stderr']:.{digits}f}"
    return f"{value['value']:.{digits}f}{error}"


def drawn(runs: Path) -> Figure:
    """D over R of each decoder under its own z, by AIS: from b = 1/30, top left, to where R is twice that at b = 1."""
    figure = Figure(figsize=(COLUMN * 1.5, COLUMN * 1.1), layout="constrained")
    ax, curves = figure.subplots(), {name: curve_of(runs / name) for name in MODELS}
    known = {name: curve for name, curve in curves.items() if curve is not None}
    for name, curve in known.items():
        at_one = int(np.argmin(np.abs(np.array(curve["b"]) - 1)))
        line: dict[str, Any] = {"color": COLOURS[name], "linestyle": STYLES.get(name, "-"), "linewidth": 1.1}
        errors = {"xerr": curve["rate_stderr"], "yerr": curve["distortion_stderr"], "elinewidth": 0.5}
        ax.errorbar(curve["rate"], curve["distortion"], **errors, **line, label=LABELS.get(name, name))
        ax.plot(curve["rate"][at_one], curve["distortion"][at_one], "o", color=COLOURS[name], markersize=4)
    ax.plot([], [], "o", color=GREY, markersize=4, label="where the slope is -1: D + R = NLL")
    ax.set(xlabel="rate R (nats)", ylabel="distortion D (nats)", xlim=(0, 30), ylim=(0, 45))
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def curve_of(folder: Path) -> Json | None:
    """The curve of the most temperatures that there is."""
    found = [entry(folder, "ais", temperatures=t) for t in TEMPERATURES] if folder.is_dir() else []
    return next((e["curve"] for e in reversed(found) if e is not None), None)


def main() -> None:
    parser = argparse.ArgumentParser(description="GAN, autoencoder and VAEs of one decoder.")
    parser.add_argument("--runs", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--table", action="store_true", help="fit and measure nothing")
    parser.add_argument("--write", action="store_true", help="put the table and the figure into docs/")
    options = parser.parse_args()
    if not options.table:
        folders = {name: fitted(name, options.runs) for name in MODELS}
        for name, word in MARGINAL.items():
            if entry(folders[name], f"marginal_{word}") is None:
                evaluate_run(folders[name], f"marginal_{word}")
        for name, folder in folders.items():
            measure(name, folder, "quality")
        for temperatures in TEMPERATURES:
            for name, folder in folders.items():
                measure(name, folder, "ais", examples=EXAMPLES, temperatures=temperatures)
    rows = [line(name, options.runs / name, options.runs) for name in MODELS if (options.runs / name).is_dir()]
    print(table := "\n".join([HEAD, "|:---|" + "---:|" * 10 + ":---|", *rows]))
    if options.write:
        put_table(table, command="python benchmarks/baselines.py --write", file=DOCS)
        with mpl.rc_context(STYLE):
            drawn(options.runs).savefig(DOCS.with_suffix(".png"), dpi=200)


if __name__ == "__main__":
    main()
