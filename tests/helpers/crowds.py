"""Runs whose figures are hard to lay out: many, of long names, of one beta, at one point."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.statistics.hysteresis import DOWN, UP
from vae_rd.run.record import SPLITS

from helpers.fake_records import mnist_card, mnist_sweep, sprites_card, sprites_point, sprites_sweep, write_run
from helpers.full_runs import completed

PICTURED = 14  # runs of a crowd that have pictures: more than any figure shows


def random_betas(n, seed=0):
    """As a random search draws them: log-uniform, six digits."""
    draws = np.random.default_rng(seed).uniform(math.log(0.01), math.log(20), n)
    return sorted(float(f"{beta:.6g}") for beta in np.exp(draws))


def long_groups(root):
    for beta in random_betas(5):
        for lr in (0.00123456, 0.0234567):
            for likelihood in ("gaussian_shared", "gaussian_pixel"):
                mnist_sweep(root, betas=[beta], nll=True, lr=lr, likelihood=likelihood, excess=1e3 * lr)


def searched(root):
    """Ten trials in which ten fields differ, none of which shapes can tell."""
    for i in range(10):
        whole = dict.fromkeys(("latent_dim", "batch_size", "max_steps", "eval_samples", "patience"), 100 + i)
        other = {"lr": 1e-3 * (1 + i), "weight_decay": 1e-4 * (1 + i), "hidden": [10 + i], "grad_clip": 1.0 + i}
        mnist_sweep(root, betas=[1.0], excess=i / 3, **whole, **other)


def own_files(root, *, sets):
    """As many data sets, whose files have long names, and nothing else in common that tells them apart."""
    for i in range(sets):
        file = {"file": f"measurements_of_the_second_campaign_{i}_cleaned_final.npz", "sha256_pixels": f"{i:02x}" * 32}
        card = sprites_card() | {"name": "npz", "content": f"{i:02x}" * 32, "params": file}
        write_run(root / str(i), card=card, beta=1.0, points=dict.fromkeys(SPLITS, sprites_point(1.0)))


def dequantised(root):
    unknown = {"value": None, "stderr": None, "kind": None, "measure": "differential", "source": None}
    facts = {
        "entropy": dict.fromkeys(SPLITS, unknown),
        "pixel_scale": "(k + u) / 65536",
        "params": {"dequantize": "uniform"},
        "name": "npz",
    }
    for beta in random_betas(3):
        point = replace(sprites_point(beta), kind="bound")
        write_run(root, card=mnist_card() | facts, beta=beta, points=dict.fromkeys(SPLITS, point))


def one_beta(root):
    sprites_sweep(root, betas=[1.0], seeds=range(8))


def equal_points(root):
    for seed in range(4):
        points = dict.fromkeys(SPLITS, sprites_point(1.0))
        write_run(root, card=sprites_card(), beta=1.0, seed=seed, points=points)


def of_size(n: int) -> Callable[[Path], object]:
    return lambda root: sprites_sweep(root, betas=random_betas(n))


SIZES = (1, 2, 5, 14, 60, 200)
CROWDS: dict[str, Callable[[Path], object]] = {
    **{f"{n} runs": of_size(n) for n in SIZES},
    "long names": long_groups,
    "ten fields": searched,
    "dequantised": dequantised,
    "five data sets": lambda root: own_files(root, sets=5),
    "one beta": one_beta,
    "equal points": equal_points,
}


def taken_by(figure: str, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs as a figure takes them: for `hysteresis` of two ways along beta, which none of a crowd is of."""
    if figure != "hysteresis":
        return runs
    ways = [(DOWN, UP)[place % 2] for place in range(len(runs))]
    told = [json.dumps(json.loads(text) | {"direction": way}) for text, way in zip(runs["config"], ways, strict=True)]
    return runs.assign(config=told, start=[f"before {run}" for run in runs["run"]])


def crowd(name: str, root: Path) -> Path:
    """The runs of a crowd below a folder, with all that any figure shows."""
    CROWDS[name](root)
    for place, path in enumerate(sorted(root.rglob("record.json"))):
        completed(path.parent, place, pictures=place < PICTURED)
    return root
