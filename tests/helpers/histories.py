"""Histories made up so that the verdict on them is known, with the noise of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

EPOCHS = 40
Rows = list[dict[str, float]]


def rows_from(val: Sequence[float], train: Sequence[float], rates: Sequence[float], *, lr: Sequence[float]) -> Rows:
    """Rows of beta = 1 without standard errors, as those of a history.csv from before it had them."""
    return [
        {"epoch": epoch, "step": 10 * (epoch + 1), "annealing": 0, "beta_effective": 1.0, "lr": lr[epoch]}
        | {"val/objective": v, "val/rate": r, "val/distortion": v - r, "val/elbo": -v}
        | {"train/objective": t, "train/rate": r, "train/distortion": t - r, "train/elbo": -t}
        for epoch, (v, t, r) in enumerate(zip(val, train, rates, strict=True))
    ]


def made(
    kind: str, *, seed: int, epochs: int = EPOCHS, noise: float = 0.05, size: float = 1.0, decayed: bool = False
) -> Rows:
    """A history of one kind: an exponential fall of 20 nats to 50, time constant epochs / 12, and what the kind adds.

    - "settled": nothing;
    - "slow": a time constant of epochs / 2 in its place, `size` times 20 nats;
    - "overfitted": from epochs / 3 on validation rises by `size` nats while training falls on by 3;
    - "worsened": the same rise in training as in validation;
    - "spiked": three epochs of the second half stand out by 10 `size` nats, in R and so in the objective.

    Args:
        kind: of these.
        seed: of its noise and of where spikes are.
        epochs: how many.
        noise: standard deviation of each value about its course, nats.
        size: of what the kind adds.
        decayed: whether the learning rate, and the noise with it, goes to 0 along half a cosine.
    """
    rng = np.random.default_rng(seed)
    place = np.arange(epochs)
    lr = 1e-3 * (0.5 + 0.5 * np.cos(math.pi * (place + 1) / epochs)) if decayed else np.full(epochs, 1e-3)
    jitter = noise * rng.normal(size=(3, epochs)) * (lr / 1e-3)
    fall = 20 * size * np.exp(-2 * place / epochs) if kind == "slow" else 20 * np.exp(-12 * place / epochs)
    after = np.clip((place - epochs / 3) / (epochs - epochs / 3), 0, None)
    rise = size * after if kind in ("overfitted", "worsened") else 0 * after
    train = 49.5 + fall + (-3 * after if kind == "overfitted" else rise)
    spikes = np.zeros(epochs)
    if kind == "spiked":
        spikes[rng.choice(np.arange(epochs // 2, epochs - 4, 4), 3, replace=False)] = 10 * size
    val, rate = 50 + fall + rise + spikes + jitter[0], 10 - fall / 4 + spikes + 0.3 * jitter[2]
    return rows_from(val.tolist(), (train + spikes + jitter[1]).tolist(), rate.tolist(), lr=lr.tolist())
