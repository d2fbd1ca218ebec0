"""Grey images in bits per dimension: probabilities of levels beside the bound of dequantised Gaussian pixels.

    VAE_RD_DATA=... OMP_NUM_THREADS=1 python benchmarks/masses.py [--jobs N] [--epochs 3] [--write]

Fits small networks to 5,000 images of grey MNIST, and to `cmu_faces`, by three likelihoods of grey levels and by
`gaussian_pixel` with `--dequantize uniform`, under runs/masses (`--runs`), goes on where it was interrupted, and prints
a table; `--write` puts it into docs/masses.md. Exits with 1 if the bound of dequantised pixels is below D + R of the
Gaussian integrated over each level by more than 3 s.e.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import yaml
from known_answers.tables import ROOT, put_table

from vae_rd import sweep
from vae_rd.run.record import RunRecord
from vae_rd.units import per_nat

DOCS = ROOT / "docs" / "masses.md"
MASSES = ("gaussian_integrated", "beta_binomial", "logistic_mixture")
DEQUANTISED = {"likelihood": "gaussian_pixel", "dequantize": "uniform"}
DATA = {
    "cmu_faces": {"hidden": [64], "batch_size": 32},
    "mnist": {"n_train": 5000, "n_test": 2000, "hidden": [64], "information_examples": 500},
}
EPOCHS = {"mnist": 1, "cmu_faces": 10}  # Times `--epochs`: of the few faces an epoch is short.


def sweep_file(data: str, runs: Path, *, epochs: int, flags: dict[str, object], name: str) -> Path:
    """The sweep of one data set over some likelihoods."""
    words = flags.pop("likelihood")
    given = {"data": data, **DATA[data], "max_epochs": epochs * EPOCHS[data], **flags}
    given |= {"wandb": "off", "run_dir": str(runs / data), "resume": "auto"}
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {"likelihood": {"values": words}} | {key: {"value": value} for key, value in given.items()},
    }
    runs.mkdir(parents=True, exist_ok=True)
    (file := runs / f"{data}_{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def files(runs: Path, *, epochs: int) -> list[Path]:
    """All sweeps."""
    return [
        sweep_file(data, runs, epochs=epochs, flags=flags, name=name)
        for data in DATA
        for name, flags in (
            ("levels", {"likelihood": list(MASSES)}),
            ("dequantised", {**DEQUANTISED, "likelihood": [DEQUANTISED["likelihood"]]}),
        )
    ]


def row(record: RunRecord) -> tuple[str, float, float]:
    """A run's row of the table, its D + R in bits per dimension on the test split, and the standard error."""
    test, dims = record.metrics["test"], math.prod(record.data["shape"])
    unit = per_nat("bits_per_dim", dims=dims)
    is_dequantised = record.data["params"].get("dequantize") == "uniform"
    more = math.log2(record.data["levels"]) if is_dequantised else 0.0
    total, stderr = -test["elbo"]["value"] * unit + more, test["elbo"]["stderr"] * unit
    rate = test["rate"]["value"] * unit
    word = record.config["likelihood"] + (", dequantised" if is_dequantised else "")
    cells = [record.data["name"], word, f"{total - rate:.4f}", f"{rate:.4f}", f"{total:.4f} ± {stderr:.4f}"]
    return f"| {' | '.join(cells)} |", total, stderr


def table(runs: Path) -> tuple[str, bool]:
    """All rows, and whether the bound of dequantised pixels is above the integrated Gaussian's, as far as is known."""
    lines = ["| data | likelihood | D | R | D + R, bits per dim |", "|:---|:---|---:|---:|---:|"]
    fits = True
    for data in DATA:
        found = [RunRecord.read(path.parent) for path in (runs / data).glob("*/record.json")]
        rows = {record.config["likelihood"]: row(record) for record in found if record.status == "finished"}
        lines += [line for line, _, _ in sorted(rows.values(), key=lambda each: each[1])]
        if {"gaussian_pixel", "gaussian_integrated"} <= rows.keys():
            (_, bound, upper), (_, mass, lower) = rows["gaussian_pixel"], rows["gaussian_integrated"]
            fits &= bound - mass > -3 * math.hypot(upper, lower)
    return "\n".join(lines), fits


def main() -> int:
    parser = argparse.ArgumentParser(description="Grey images in bits per dimension, by likelihoods.")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/masses"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/masses.md")
    options = parser.parse_args()
    code = max(sweep.main([str(file), f"--jobs={options.jobs}"]) for file in files(options.runs, epochs=options.epochs))
    text, fits = table(options.runs)
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/masses.py --write", file=DOCS)
    return code or (0 if fits else 1)


if __name__ == "__main__":
    sys.exit(main())
