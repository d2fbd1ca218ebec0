"""Run folders that have all that any figure shows: pictures, latents, probes, verdicts and a forecast."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from vae_rd.explore.media.files import write_latents, write_pictures
from vae_rd.run.record import RunRecord, estimate
from vae_rd.verdicts.states import STATES

H, N = math.log(3), 500
ACCURACY = {"draw": 0.5, "mean": 0.6, "pixels": 0.9, "pca": 0.7}
SIZE, POINTS = (3, 2), 400
TAIL = {"kind": "exponential", "to_go": 2.0, "stderr": 0.1, "level": 20.0, "shape": 9.0, "first": 19, "last": 39}
VERDICTS = {
    "overfitting": {"verdict": "overfitting", "overfitting": {"best_epoch": 21}},
    "spikes": {
        "verdict": "KL unstable",
        "spikes": [
            {"epoch": 25, "quantity": "val/rate", "height": 5.0, "excess": 2.0},
            {"epoch": 30, "quantity": "train/objective", "height": 9.0, "excess": 3.0},
        ],
    },
    "tail": {
        "verdict": "still falling",
        "measured": "D + beta R",
        "falling": {"approaches": [TAIL, {**TAIL, "kind": "power law", "shape": 1.0}]},
    },
    "converged": {"verdict": "converged"},
}


def with_media(folder: Path, *, epoch: int = 27, shade: float = 1.0, seed: int = 0) -> Path:
    """A run with three columns of x, and of itself all of one shade, and latents whose unit 3 varies most."""
    import torch

    from vae_rd.explore.media.pictures import Picture, Shown

    noise = np.random.default_rng(seed)
    x = noise.integers(0, 2, (3, *SIZE)).astype(float)
    shown = Shown(torch.arange(3), torch.as_tensor(x)[:, None], {})
    facts = {"of": "E[x|z]"}
    kinds = {
        "reconstructions": Picture("reconstructions", np.concatenate([x, np.full((3, *SIZE), shade)]), 3, facts),
        "samples": Picture("samples", np.full((5, *SIZE), shade), 3, facts),
        "traversals": Picture("traversals", np.full((6, *SIZE), shade), 3, {**facts, "units": [3, 0]}),
    }
    write_pictures(folder, kinds.values(), shown, epoch=epoch)
    z = noise.standard_normal((POINTS, 16)) * np.where(np.arange(16) == 3, 5.0, 1.0)
    arrays = {"z": z, "prior": noise.standard_normal((POINTS, 16)), "labels/shape": np.arange(POINTS) % 3}
    write_latents(folder, arrays)
    return folder


def probed(folder: Path, *, factor: str = "shape", sizes=(10, 100, 400), higher: float = 0.0, seed: int = 0) -> Path:
    """A run with a probe, better by 0.1 at more labels, and by `higher`."""
    rows = [
        {"features": name, "dims": 256 if name == "pixels" else 16, "classifier": kind, "labels": size, "draws": 1}
        | {"accuracy": estimate(accuracy + 0.1 * place - 0.2 + higher - 0.05 * (kind == "neighbours"), 0.02, N)}
        | {"nll": estimate(0.7, 0.01, N), "calibration_error": estimate(0.04, None, N), "strength": 0.3}
        for name, accuracy in ACCURACY.items()
        for kind in ("logistic", "neighbours")
        for place, size in enumerate(sizes)
    ]
    entry = {"kind": "probe", "split": "test", **estimate(0.5, 0.02, N), "seed": seed, "bound": None, "source": "..."}
    own = {"factor": factor, "classes": 3, "label_entropy": H, "latent_dim": 16, "table": rows}
    record = RunRecord.read(folder)
    record.estimates.append(entry | own)
    record.write(folder)
    return folder


def completed(folder: Path, place: int, *, pictures: bool = True) -> Path:
    """A run with whatever a figure may show: each state of z and each verdict on training in turn, by its place."""
    content = json.loads((folder / "record.json").read_text())
    content["model"]["forecast"] = {"collapse_beta": 3.0}
    for metrics in content["metrics"].values():
        rate = metrics["rate"]["value"]
        metrics["shuffle_rise"] = estimate(3 * rate, 0.1, 400)
        metrics["active_units_by_rate"] = estimate(min(4, int(rate)), None, 400)
    content["verdicts"]["collapse"]["state"] = list(STATES)[place % len(STATES)]
    content["verdicts"]["fit"] = list(VERDICTS.values())[place % len(VERDICTS)]
    (folder / "record.json").write_text(json.dumps(content))
    if pictures:
        with_media(folder, shade=(place % 8) / 8, seed=place)
    return probed(folder, higher=0.02 * (place % 5))
