"""Generated networks and sources from Python: right ones, whose D and R are recomputed by numpy, and wrong ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch import distributions as td

from opening.by_hand import bernoulli_nats, check_distortion, check_rate
from opening.cases import Case, captured, ensure
from opening.object_faults import FAULTS
from opening.own_parts import OwnDecoder, OwnEncoder
from vae_rd import VAE, DataSet, FitConfig, Source, StandardNormalPrior, UnlimitedSource, fit_model
from vae_rd.run.record import SPLITS

Array = np.ndarray
Rng = np.random.Generator
COUNT_TYPES = ("i4", "i8", "f4", ">u2")
BITS_TYPES = (*COUNT_TYPES, "u1", "?", "f2")
STEP: Mapping[str, Any] = {"max_steps": 1, "batch_size": 6, "lr": 0.05, "wandb": "off", "name": "mine"}


class Family(NamedTuple):
    """A distribution of torch over an image, and its density by numpy or scipy.

    Attributes:
        x: kinds of data that it is for.
        params: numbers that it takes per value.
        make: params [..., values] each, to a distribution of each value.
        nats: (x, params) -> -ln p, summed over values.
    """

    x: tuple[str, ...]
    params: int
    make: Callable[..., td.Distribution]
    nats: Callable[..., Array]


def summed(log_density: Callable[..., Array]) -> Callable[..., Array]:
    """-ln p summed over values."""
    return lambda x, *params: -log_density(x, *params).sum(-1)


NUMBERS = ("real", "grey", "dequantised")
FAMILIES: dict[str, Family] = {
    "Bernoulli of logits": Family(("bits",), 1, lambda a: td.Bernoulli(logits=a), bernoulli_nats),
    "Bernoulli of probabilities": Family(("bits",), 1, lambda a: td.Bernoulli(a.sigmoid()), bernoulli_nats),
    "Binomial of one": Family(("bits",), 1, lambda a: td.Binomial(1, logits=a), bernoulli_nats),
    "Normal": Family(NUMBERS, 1, lambda a: td.Normal(a, 0.5), summed(lambda x, a: stats.norm.logpdf(x, a, 0.5))),
    "Normal with its scale": Family(
        NUMBERS, 2, lambda a, b: td.Normal(a, b.exp()), summed(lambda x, a, b: stats.norm.logpdf(x, a, np.exp(b)))
    ),
    "Laplace": Family(
        NUMBERS, 2, lambda a, b: td.Laplace(a, b.exp()), summed(lambda x, a, b: stats.laplace.logpdf(x, a, np.exp(b)))
    ),
    "Student's t": Family(
        NUMBERS, 1, lambda a: td.StudentT(4.0, a, 0.7), summed(lambda x, a: stats.t.logpdf(x, 4, a, 0.7))
    ),
    "log-normal": Family(
        ("positive",),
        1,
        lambda a: td.LogNormal(a, 0.8),
        summed(lambda x, a: stats.lognorm.logpdf(x, 0.8, scale=np.exp(a))),
    ),
    "Gamma": Family(
        ("positive",),
        1,
        lambda a: td.Gamma(2.0, a.exp()),
        summed(lambda x, a: stats.gamma.logpdf(x, 2, scale=np.exp(-a))),
    ),
}


def cases(seed: int, count: int) -> Iterator[Case]:
    """Every third wrong, each in turn; all the others are fitted."""
    names, families = np.random.default_rng([seed, 3]).permutation(list(FAULTS)).tolist(), list(FAMILIES)
    for number in range(count):
        rng = np.random.default_rng([seed, 3, number])
        if number % 3 == 2:
            name = names[number // 3 % len(names)]
            yield Case(f"object: {name}", "refused", partial(_faulty, name, rng))
        else:
            yield _plain(rng, families[(number - number // 3) % len(families)])


def _faulty(name: str, rng: Rng) -> None:
    with captured():
        given = {"config": FitConfig(**STEP), **FAULTS[name](rng)}
        try:
            fit_model(given.pop("config"), **given)
        finally:
            ensure(not Path("runs").exists(), "refused, and something was written")


def _plain(rng: Rng, name: str) -> Case:
    family = FAMILIES[name]
    kind = str(rng.choice(family.x))
    hidden, dims, samples = (int(size) for size in rng.integers(1, [9, 4, 20]))
    activation = (nn.Tanh, nn.ReLU)[rng.integers(2)]
    shape = ((1, 3, 4), (3, 2, 2), (2, 1, 5), (1, 1, 7))[rng.integers(4)]
    data, how = _data(rng, kind, shape)

    def run() -> None:
        torch.manual_seed(int(rng.integers(2**31)))
        encoder = OwnEncoder(math.prod(shape), hidden, activation, dims)
        decoder = OwnDecoder(shape, hidden, activation, dims, family.params, family.make)
        config = FitConfig(**STEP, eval_samples=1 if "endless" in how else samples)  # Its val split is large.
        with captured():
            fit_model(config, model=VAE(encoder, decoder, StandardNormalPrior(dims), latent_dim=dims), data=data())
        _check(family, data(), encoder, decoder)

    return Case(f"object: {name} over {list(shape)} of {how}, {hidden} hidden, {dims} latent", "right", run)


def _data(rng: Rng, kind: str, shape: tuple[int, int, int]) -> tuple[Callable[[], DataSet], str]:
    """A data set of one's own, and in words how it is given."""
    n, is_endless, as_rows = int(rng.integers(12, 40)), rng.random() < 0.25, shape[:2] == (1, 1) and rng.random() < 0.7
    if is_endless and kind in ("bits", "real"):
        rows = _endless(kind, shape)
        support = "binary" if kind == "bits" else "real"
        return lambda: DataSet(UnlimitedSource("mine", support, rows), n_train=30, n_test=40), f"endless {kind}"
    levels = {"bits": 2, "grey": int(rng.integers(3, 300)), "dequantised": int(rng.integers(3, 300))}.get(kind)
    counted = "f8" if levels is None else str(rng.choice(BITS_TYPES if levels <= 2 else COUNT_TYPES))
    images = {split: _images(rng, kind, (n, *shape), levels).astype(counted) for split in SPLITS}
    is_population = kind == "bits" and rng.random() < 0.3
    given: dict[str, Any] = {split: array.reshape(n, -1) if as_rows else array for split, array in images.items()}
    if rng.random() < 0.5 and not counted.startswith(">"):
        given = {split: torch.tensor(array) for split, array in given.items()}
    if is_population:
        given = {"train": given["train"]}
    flags = {"dequantize": "uniform"} if kind == "dequantised" else {}

    def make() -> DataSet:
        data = DataSet(Source("mine", given, levels=levels, population=is_population), **flags)
        for split in SPLITS:
            stored = images["train" if is_population else split].astype("f4")
            ensure((data.pixels[split].numpy().astype("f4") == stored).all(), f"pixels of {split} are others")
        return data

    return make, f"{kind} {counted} L={levels}{' population' if is_population else ''}{' rows' if as_rows else ''}"


def _endless(kind: str, shape: tuple[int, int, int]) -> Callable[[int, torch.Generator], Tensor]:
    if kind == "bits":
        return lambda n, noise: torch.randint(2, (n, *shape), generator=noise, dtype=torch.uint8)
    return lambda n, noise: torch.randn(n, *shape, generator=noise)


def _images(rng: Rng, kind: str, shape: tuple[int, ...], levels: int | None) -> Array:
    if levels is not None:
        return rng.integers(0, levels, shape)
    real = rng.normal(size=shape)
    return np.exp(real) if kind == "positive" else real


def _check(family: Family, data: DataSet, encoder: OwnEncoder, decoder: OwnDecoder) -> None:
    """D and R of the test split in the record against those of the trained weights."""
    record = json.loads(Path("runs/mine/record.json").read_text())
    x = data.evaluation_chunk("test", 0).flatten(1).double().numpy()
    mean, variance = encoder.by_hand(x)
    check_rate(record, mean, variance)
    check_distortion(record, lambda z: family.nats(x, *decoder.by_hand(z)), mean, variance)
