"""Ten VAEs that others trained, on the rate-distortion plane: a table, beside what their authors logged.

    VAE_RD_DATA=... OMP_NUM_THREADS=1 python benchmarks/strangers.py [--runs FOLDER] [--data dsprites mnist] [--write]

Reads `foreign/disentangling_vae_*.npz` and `rd_curves/` of the folder that VAE_RD_DATA names, loads the weights into
the plain modules of docs/disentangling_vae.py, and measures them by `vae_rd.rate_distortion`: on all 46,080 points of
the dSprites grid, whose H is counted, and on MNIST's test images at 32 x 32, cut at one half. Leaves a record each
under `--runs`, beside logged.csv, what the authors logged, and strangers.png, the plane of both. `--write` puts the
tables and the figure into docs.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from known_answers.tables import ROOT, put_table
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

from vae_rd import FitConfig, rate_distortion
from vae_rd.experiment.build import build_data
from vae_rd.foreign.adapters import load_weights

sys.path.insert(0, str(ROOT / "docs"))
from disentangling_vae import Decoder, Encoder

DOCS, FIGURE = ROOT / "docs" / "strangers.md", "strangers.png"
LOSSES = {"VAE": 1.0, "betaH": 4.0, "betaB": None, "btcvae": None, "factor": None}  # with beta where it weighs all of R
SIZES = {"dsprites": 64, "mnist": 32}
NAMES = {"dsprites": "dSprites grid", "mnist": "MNIST at 32 x 32, cut at .5"}


def loaded(root: Path, loss: str, data: str) -> tuple[Encoder, Decoder]:
    """The two modules with a checkpoint's weights."""
    path = root / "foreign" / f"disentangling_vae_{loss}_{data}.npz"
    encode, decode = Encoder(SIZES[data]), Decoder(SIZES[data])
    return load_weights(encode, path, prefix="encoder."), load_weights(decode, path, prefix="decoder.")


def batches(data: str) -> Iterator[Tensor]:
    """The test split: dSprites as it is, MNIST in grey at 32 x 32."""
    source = build_data(FitConfig(data=data))
    for chunk in range(source.chunks("test")):
        x = source.evaluation_chunk("test", chunk)
        yield F.interpolate(x, size=(32, 32), mode="bilinear") if data == "mnist" else x


def logged(root: Path, data: str) -> dict[str, tuple[float, float]]:
    """D and R of the last epoch of training by loss, as the authors logged them."""
    with (root / "rd_curves" / "disentangling_vae_train_rd.csv").open() as file:
        rows = {row["folder"]: row for row in csv.DictReader(file)}
    own = {loss: rows[f"{loss}_{data}"] for loss in LOSSES}
    return {loss: (float(row["distortion_nats"]), float(row["rate_nats"])) for loss, row in own.items()}


def draw(root: Path, runs: Path, *, data: list[str]) -> Path:
    """The plane of the records, and what was logged of dSprites; a loss of grey MNIST is no D of cut images."""
    beside = []
    if "dsprites" in data:
        points = [f"{d},{r}" for d, r in logged(root, "dsprites").values()]
        (runs / "logged.csv").write_text("\n".join(["distortion,rate", *points, ""]))
        said = f"data={NAMES['dsprites']},likelihood=Bernoulli,name=the authors' log"
        beside = ["--foreign", f"logged.csv:rate=rate,distortion=distortion,{said}"]
    shown = [f"{loss}_{name}" for name in data for loss in LOSSES]
    subprocess.run([sys.executable, "-m", "analysis", "plane", *shown, *beside, "-o", FIGURE], check=True, cwd=runs)
    return runs / FIGURE


def measure(root: Path, loss: str, data: str, runs: Path) -> str:
    """A row of the table; leaves the record."""
    encode, decode = loaded(root, loss, data)
    whole = data == "dsprites"
    result = rate_distortion(
        batches(data) if whole else ((x > 0.5).float() for x in batches(data)),
        encoder=lambda x: Independent(Normal(*encode(x)), 1),
        decoder=lambda z: Independent(Bernoulli(logits=decode(z)), 3),
        population=whole,
        samples=2 if whole else 1,
        beta=LOSSES[loss],
        data=NAMES[data],
    )
    result.save(runs / f"{loss}_{data}", name=loss, overwrite=True)
    d, r = result["distortion"], result["rate"]
    low, high = (result[f"mutual_information_{side}"] for side in ("lower", "upper"))
    cells = [loss, number(d), number(r), number(low), number(high), str(result["active_units"]["value"])]
    theirs = " / ".join(f"{value:.2f}" for value in logged(root, data)[loss])
    if whole:
        below = result.card.entropy["test"].value - d["value"]
        holds = below - 3 * (d["stderr"] + low["stderr"]) <= low["value"] <= r["value"]
        cells += [f"{below:.2f}", "yes" if holds else "no"]
    else:
        cells += [" / ".join(f"{value:.2f}" for value in on_grey(encode, decode))]
    return f"| {' | '.join([*cells, theirs, result.verdicts['collapse']['state'].replace('_', ' ')])} |"


@torch.no_grad()
def on_grey(encode: Encoder, decode: Decoder) -> tuple[float, float, float]:
    """Of grey images: the mean cross-entropy of pixels, R, and the least that any decoder could have."""
    torch.manual_seed(0)
    sums, n = np.zeros(3), 0
    for x in batches("mnist"):
        mu, sigma = encode(x)
        loss = F.binary_cross_entropy_with_logits(decode(mu + sigma * torch.randn_like(mu)), x, reduction="sum")
        rate = torch.distributions.kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum()
        floor = F.binary_cross_entropy(x, x, reduction="sum")
        sums, n = sums + np.array([loss.item(), rate.item(), floor.item()]), n + len(x)
    d, r, floor = sums / n
    return float(d), float(r), float(floor)


def number(entry: Any) -> str:
    """A value and its standard error."""
    error = "" if entry["stderr"] is None else f" ± {entry['stderr']:.2f}"
    return "-" if entry["value"] is None else f"{entry['value']:.2f}{error}"


COMMON = ("R", "I lower", "I upper", "active of 10")
HEADS = {
    "dsprites": ("trained by", "D", *COMMON, "H - D", "H - D <= I <= R", "logged D / R", "verdict"),
    "mnist": ("trained by", "D, cut at .5", *COMMON, "grey: loss / R / least loss", "logged D / R", "verdict"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/strangers"))
    parser.add_argument("--data", nargs="+", choices=[*SIZES], default=[*SIZES])
    parser.add_argument("--write", action="store_true", help="put the tables and the figure into docs")
    options = parser.parse_args()
    root = Path(os.environ["VAE_RD_DATA"])
    parts = []
    for data in options.data:
        rows = []
        for loss in LOSSES:
            rows.append(measure(root, loss, data, options.runs))
            print(rows[-1], flush=True)
        rule = "|:---|" + "---:|" * (len(HEADS[data]) - 2) + ":---|"
        parts.append("\n".join([f"| {' | '.join(HEADS[data])} |", rule, *rows]))
    text = "\n\n".join(parts)
    print(text)
    figure = draw(root, options.runs, data=options.data)
    if options.write:
        shutil.copy(figure, DOCS.with_name(FIGURE))
        put_table(text, command="python benchmarks/strangers.py --write", file=DOCS)


if __name__ == "__main__":
    main()
