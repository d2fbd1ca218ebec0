"""The diagonal of the rate-distortion plane: a decoder that reads x, held at several rates, against H - R = D.

    OMP_NUM_THREADS=1 python benchmarks/diagonal.py [--sources ...] [--parts ...] [--epochs N] [--jobs N]

Fits a `made` decoder by `--objective target_rate` at each rate, the same one at beta = 1 where nobody asks for a rate
(`free`), and a plain `mlp` one over beta, under runs/diagonal (`--runs`), goes on where it was interrupted, and prints
a table; `--write` puts it into
docs/diagonal.md, and draws docs/diagonal.png. Exits with 1 where D + R of a `made` point is more than its source's
limit above H.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from known_answers.tables import ROOT, put_table
from matplotlib.figure import Figure

from analysis.style import COLUMN, GREY, INK
from vae_rd import sweep
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "diagonal.md"
PARTS = ("made", "free", "mlp")
BETAS = (0.001, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Case(NamedTuple):
    """One source.

    Attributes:
        flags: of all its runs.
        rates: which those with a `made` decoder are held at, nats.
        within: how far above H their D + R may be, nats.
    """

    flags: Mapping[str, Any]
    rates: Sequence[float]
    within: float


# Without the clip a run at such a learning rate lost its encoder (docs/diagonal.md).
MADE = {"decoder": "made", "hidden": [1024], "lr": 0.02, "grad_clip": 10.0}
HELD = MADE | {"objective": "target_rate", "rate_weight": 5.0}
CASES = {
    "sprites": Case({"data": "sprites", "latent_dim": 8}, (0, 8, 2, 6, 4), 2.0),
    "digits": Case({"data": "digits", "binarization": "threshold", "latent_dim": 8}, (0, 4), 1.0),
}


def grid_of(source: str, part: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What varies, and other flags."""
    return {
        "made": ({"target_rate": list(CASES[source].rates)}, HELD),
        "free": ({"beta": [1.0]}, MADE),
        "mlp": ({"beta": list(BETAS)}, {"decoder": "mlp"}),
    }[part]


def sweep_file(source: str, part: str, runs: Path, *, epochs: int) -> Path:
    """The sweep of one source and part."""
    folder = runs / source / part
    grid, own = grid_of(source, part)
    flags = CASES[source].flags | own
    fixed = flags | {"max_epochs": epochs, "val_every": 25, "wandb": "off", "run_dir": str(folder), "resume": "auto"}
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {name: {"values": values} for name, values in grid.items()}
        | {name: {"value": value} for name, value in fixed.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (file := folder / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def records(source: str, part: str, runs: Path) -> list[RunRecord]:
    """The finished runs of one sweep, by their rate."""
    found = [RunRecord.read(path.parent) for path in (runs / source / part).glob("*/record.json")]
    return sorted((record for record in found if record.status == "finished"), key=rate)


def rate(record: RunRecord) -> float:
    """R of the test split."""
    return float(record.metrics["test"]["rate"]["value"])


def distortion(record: RunRecord) -> float:
    """D of the test split."""
    return float(record.metrics["test"]["distortion"]["value"])


def excess(record: RunRecord) -> float:
    """D + R - H, which is 0 where both the code and the decoder are the best that there are."""
    return rate(record) + distortion(record) - float(record.data["entropy"]["test"]["value"])


def rows(source: str, part: str, runs: Path) -> Iterator[str]:
    """A row of the table for each run."""
    for record in records(source, part, runs):
        config, test = record.config, record.metrics["test"]
        aimed = f"R = {config['target_rate']:g}" if part == "made" else f"beta = {config['beta']:g}"
        information = test["mutual_information_lower"]["value"]
        numbers = (distortion(record), rate(record), information, rate(record) + distortion(record), excess(record))
        shown = " | ".join(f"{number:.2f}" for number in numbers)
        yield f"| {source} | {part} | {aimed} | {shown} | {record.seconds:.0f} |"


def table(sources: Sequence[str], runs: Path) -> str:
    """All rows."""
    lines = [
        "| source | decoder | aim | D | R | I | D + R | over H | seconds |",
        "|:---|:---|:---|---:|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *(r for s in sources for part in PARTS for r in rows(s, part, runs))])


def drawn(sources: Sequence[str], runs: Path) -> Figure:
    """D over R, a panel a source, with the diagonal D + R = H that ends at either limit; axes end at 3 H."""
    figure = Figure(figsize=(COLUMN * len(sources), COLUMN), layout="constrained")
    for panel, source in zip(figure.subplots(1, len(sources), squeeze=False)[0], sources, strict=True):
        for part, name, style in (
            ("mlp", "mlp, over beta", {"marker": "o", "color": GREY}),
            ("made", "made, R asked for", {"marker": "s", "color": INK}),
            ("free", "made, beta = 1", {"marker": "*", "ms": 11, "mec": INK, "mfc": "white", "ls": "", "zorder": 4}),
        ):
            if found := records(source, part, runs):
                panel.plot([rate(r) for r in found], [distortion(r) for r in found], label=name, **{"ms": 5, **style})
                entropy = float(found[0].data["entropy"]["test"]["value"])
        if panel.lines:
            panel.plot([0, entropy], [entropy, 0], "--", color=GREY, label="D + R = H")
            panel.set(xlim=(-0.03 * entropy, 3 * entropy), ylim=(-0.03 * entropy, 3 * entropy))
        panel.set(xlabel="rate R, nats", ylabel="distortion D, nats", title=source)
        panel.legend(frameon=False)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description="A decoder that reads x, held at several rates.")
    parser.add_argument("--sources", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/diagonal"))
    parser.add_argument("--epochs", type=int, default=600, help="a multiple of 25")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table and the figure into docs/")
    options = parser.parse_args()
    codes = [0]
    for source, part in [] if options.table else [(s, p) for s in options.sources for p in options.parts]:
        file = sweep_file(source, part, options.runs, epochs=options.epochs)
        codes.append(sweep.main([str(file), f"--jobs={options.jobs}"]))
    print(text := table(options.sources, options.runs))
    if options.write:
        put_table(text, command="python benchmarks/diagonal.py --write", file=DOCS)
        drawn(options.sources, options.runs).savefig(DOCS.with_suffix(".png"), dpi=200)
    far = [s for s in options.sources for r in records(s, "made", options.runs) if excess(r) > CASES[s].within]
    return max(codes) or int(bool(far))


if __name__ == "__main__":
    sys.exit(main())
