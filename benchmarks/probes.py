"""What a classifier has of z along beta, on digits and MNIST: the table and the figure of docs/probes.md.

    VAE_RD_DATA=... OMP_NUM_THREADS=1 python benchmarks/probes.py [--data digits mnist] [--seeds 3] [--table] [--write]

Fits configs/digits_mlp.yaml and configs/mnist_mlp.yaml, both with one layer of 256 and larger batches, at seven betas
and as a plain autoencoder, seed by seed, probes every run (`python -m vae_rd.evaluate RUN --probe`), and goes on where
it was stopped. Numbers are means over seeds with their standard error over seeds; of one seed, that over examples and
draws of the labelled ones. `--write` puts the tables into docs/probes.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

from known_answers.tables import ROOT, put_table

from vae_rd import evaluate_run, fit_model
from vae_rd.config.cli import parse
from vae_rd.run.record import Json, RunRecord

BETAS = {"digits": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 30.0), "mnist": (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)}
SMALLER = {  # Than the configs: a minute or two a run on a laptop.
    "digits": ["--hidden=[256]", "--batch_size=128", "--max_epochs=60", "--val_every=10"],
    "mnist": ["--hidden=[256]", "--batch_size=500", "--val_every=5", "--information_examples=500"],
}
POINT = ["--posterior=deterministic", "--beta=0"]
FEATURES = {"pixels": "pixels", "pca": "PCA", "draw": "a draw of z", "mean": "E[z\\|x]"}


def runs_of(data: str, seed: int, folder: Path) -> Iterator[tuple[str, list[str], Path]]:
    """A word, the flags and the folder of each run of one seed."""
    for word, flags in (("AE", POINT), *((f"{beta:g}", [f"--beta={beta}"]) for beta in BETAS[data])):
        name = f"{data}-{word}-{seed}"
        common = [f"--seed={seed}", f"--run_dir={folder}", f"--name={name}", "--wandb=off", "--resume=auto"]
        yield (
            word,
            [f"--config={ROOT / 'configs' / f'{data}_mlp.yaml'}", *SMALLER[data], *flags, *common],
            folder / name,
        )


def entry_of(folder: Path) -> Json | None:
    """The run's probe; None where it has none."""
    if not (folder / "record.json").exists():
        return None
    return next((e for e in RunRecord.read(folder).estimates if e["kind"] == "probe"), None)


def cell(values: Sequence[Json], *, digits: int = 3) -> str:
    """The mean over seeds of one number, with its standard error."""
    found = [value["value"] for value in values if value["value"] is not None]
    if not found:
        return "-"
    error = stdev(found) / len(found) ** 0.5 if len(found) > 1 else values[0]["stderr"]
    return f"{fmean(found):.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def accuracies(entries: Sequence[Json], features: str, classifier: str) -> list[str]:
    """A cell for each number of labels, from the fewest."""
    rows = [[r for r in e["table"] if (r["features"], r["classifier"]) == (features, classifier)] for e in entries]
    return [cell([row["accuracy"] for row in same]) for same in zip(*rows, strict=True)]


def table(data: str, seeds: int, folder: Path) -> str:
    """Accuracy by run, features and labels of one data set."""
    first = next(entry for *_, path in runs_of(data, 0, folder) if (entry := entry_of(path)))
    sizes = sorted({row["labels"] for row in first["table"]})
    of = [f"{kind}, {size:,} labels" for kind in ("logistic", "neighbours") for size in sizes]
    lines = [f"| {data} | R | of | {' | '.join(of)} | -ln p(y), logistic, all | calibration error |"]
    lines.append("|:---|---:|:---|" + "---:|" * (len(of) + 2))
    for features in ("pixels", "pca"):
        lines.append(_line("", "", features, [first]))
    for word, _, path in runs_of(data, 0, folder):
        paths = [path.with_name(f"{data}-{word}-{seed}") for seed in range(seeds)]
        there = [p for p in paths if entry_of(p)]
        entries = [entry for p in there if (entry := entry_of(p))]
        if entries:
            rate = cell([RunRecord.read(p).metrics["test"]["rate"] for p in there], digits=2)
            name = f"{word} ({len(entries)} seed{'s' * (len(entries) > 1)})"
            lines += [_line(name, rate, "draw", entries), _line("", "", "mean", entries)]
    return "\n".join(lines)


def _line(name: str, rate: str, features: str, entries: Sequence[Json]) -> str:
    cells = [c for kind in ("logistic", "neighbours") for c in accuracies(entries, features, kind)]
    most = max(row["labels"] for row in entries[0]["table"])
    last = [
        next(r for r in e["table"] if (r["features"], r["classifier"], r["labels"]) == (features, "logistic", most))
        for e in entries
    ]
    cells += [cell([row[key] for row in last]) for key in ("nll", "calibration_error")]
    return f"| {name} | {rate} | {FEATURES[features]} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="What a classifier has of z along beta.")
    parser.add_argument("--data", nargs="+", choices=BETAS, default=list(BETAS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/probes"))
    parser.add_argument("--table", action="store_true", help="fit and probe nothing")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/probes.md")
    options = parser.parse_args()
    for data in options.data:
        for seed in range(options.seeds * (not options.table)):
            for _, flags, path in runs_of(data, seed, options.runs / data):
                fit_model(parse(flags).config)
                if entry_of(path) is None:
                    evaluate_run(path, "probe")
    text = "\n\n".join(table(data, options.seeds, options.runs / data) for data in options.data)
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/probes.py --write", file=ROOT / "docs" / "probes.md")


if __name__ == "__main__":
    main()
