"""How good the forecast of a linear VAE is for networks that are not: ten pairs of data and likelihood, five betas.

    VAE_RD_DATA=... OMP_NUM_THREADS=1 python benchmarks/forecast.py [--runs runs/forecast]     15 minutes of one core

An MLP with a hidden layer of 256 units and 16 latents is fitted for 1,000 steps to at most 3,000 training examples, at
multiples of the beta where a linear VAE of them collapses. R is that of the training split, which the forecast is of.
A second call does what is missing; the tables are printed at the end.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.experiment.build import data_set
from vae_rd.experiment.fitting import fit_model
from vae_rd.experiment.preparing import prepare
from vae_rd.experiment.tables import SOURCES
from vae_rd.functional.seeding import generator
from vae_rd.run.record import SPLITS, RunRecord
from vae_rd.theory.forecast import Forecast

FACTORS = (0.5, 0.7, 0.9, 1.1, 1.5)  # Of the beta where a linear VAE collapses.
COLLAPSED = 0.1  # Nats below which a run is (`vae_rd.verdicts.collapse`).
MOST: Mapping[str, int] = {"train": 3000, "val": 500, "test": 500}  # Examples.
NETWORK: Mapping[str, Any] = {"encoder": "mlp", "decoder": "mlp", "hidden": [256], "latent_dim": 16}
TRAINING: Mapping[str, Any] = {"max_steps": 1000, "max_epochs": 1000, "lr": 2e-3, "eval_samples": 2}
GREY: Mapping[str, Any] = {"likelihood": "gaussian", "likelihood_scale": 0.1}
BINARY: Mapping[str, Any] = {"likelihood": "bernoulli", "binarization": "static"}


@dataclass(frozen=True)
class Case:
    """A data set under a likelihood.

    Attributes:
        name: as the tables have it.
        flags: of the fit.
        source: the data, where no flag names them.
    """

    name: str
    flags: Mapping[str, Any]
    source: Callable[[], Source] | None = None

    def config(self, **more: Any) -> FitConfig:
        """The fit's, with further fields."""
        return FitConfig(**{**NETWORK, **TRAINING, **self.flags, "wandb": "off", **more})

    def data(self) -> DataSet:
        """At most MOST examples of each split; a population is whole."""
        source = SOURCES[self.config().data](self.config()) if self.source is None else self.source()
        if not isinstance(source, Source):
            return data_set(source, self.config(n_train=MOST["train"], n_test=MOST["test"]))
        if not source.population:
            source = replace(source, images={split: some(source.images[split], split) for split in SPLITS}, labels={})
        return data_set(source, self.config())


def some(images: Tensor, split: str) -> Tensor:
    return images[torch.randperm(len(images), generator=generator("cpu", 0, split))[: MOST[split]]]


def digits() -> Source:
    """Scikit-learn's 1,797 digits of 8 x 8 pixels and 17 levels, 1,437 / 180 / 180 of them."""
    images = torch.as_tensor(load_digits().images, dtype=torch.uint8)[:, None]
    shuffled = images[torch.randperm(len(images), generator=generator("cpu", 0, "digits"))]
    return Source("digits", dict(zip(SPLITS, shuffled.split([1437, 180, 180]), strict=True)), levels=17)


CASES = (
    Case("sprites, Bernoulli", {"data": "sprites"}),
    Case("Gaussian source, Gaussian", {"data": "gaussian", "likelihood": "gaussian", "likelihood_scale": 0.4}),
    Case("digits, Bernoulli", BINARY, digits),
    Case("digits, Gaussian", GREY, digits),
    Case("static MNIST, Bernoulli", {"data": "static_mnist"}),
    Case("MNIST, Gaussian", {"data": "mnist", **GREY}),
    Case("faces, Bernoulli", {"data": "cmu_faces", **BINARY}),
    Case("faces, Gaussian", {"data": "cmu_faces", **GREY}),
    Case("Omniglot, Bernoulli", {"data": "omniglot", **BINARY}),
    Case("Omniglot, Gaussian", {"data": "omniglot", **GREY}),
)


def measured(case: Case, runs: Path) -> tuple[Forecast, list[RunRecord]]:
    """The forecast, and the run at each multiple of the beta of the collapse; those that are finished are read."""
    data = case.data()
    forecast = prepare(case.config(), None, data).forecast
    assert forecast is not None, case.name
    an_epoch = data.card.steps_per_epoch(case.config().batch_size)
    found = []
    for factor in FACTORS:
        beta = float(f"{factor * forecast.collapse_beta:.4g}")
        name = f"{case.name.replace(', ', '-').replace(' ', '_')}-{factor}"
        every = max(1, 200 // an_epoch)  # About five validations.
        config = case.config(beta=beta, name=name, run_dir=str(runs), resume="auto", val_every=every)
        found.append(fit_model(config, data=data))
    return forecast, found


def rate_of(record: RunRecord) -> float:
    return float(record.metrics["train"]["rate"]["value"])


def crossing(records: list[RunRecord]) -> str:
    """The beta at which R falls below COLLAPSED, by ln R over ln beta between the two runs beside it."""
    points = [(math.log(r.model["slope"]), math.log(max(rate_of(r), 1e-6) / COLLAPSED)) for r in records]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y0 >= 0 > y1:
            return f"{math.exp(x0 + (x1 - x0) * y0 / (y0 - y1)):.3g}"
    return f"below {math.exp(points[0][0]):.3g}" if points[0][1] < 0 else f"above {math.exp(points[-1][0]):.3g}"


def rows(case: Case, forecast: Forecast, records: list[RunRecord]) -> tuple[str, str]:
    """The case's rows of the two tables."""
    spectrum = ", ".join(f"{value:.3g}" for value in forecast.eigenvalues[:4])
    pairs = [f"{forecast.rate(r.model['slope']):.2f} / {rate_of(r):.2f}" for r in records]
    wanted = forecast.beta_at(COLLAPSED)
    collapse = f"{forecast.collapse_beta:.3g} | {wanted:.3g} | {crossing(records)}"
    return f"| {case.name} | {' | '.join(pairs)} |", f"| {case.name} | {spectrum} | {collapse} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/forecast"))
    runs: Path = parser.parse_args().runs
    tables = [rows(case, *measured(case, runs)) for case in CASES]
    heads = " | ".join(f"{factor:g}" for factor in FACTORS)
    print(f"\n| R at beta / collapse: forecast / measured | {heads} |\n|:---|{'---:|' * len(FACTORS)}")
    print("\n".join(first for first, _ in tables))
    limit = f"R < {COLLAPSED:g}: forecast beta | measured beta"
    print(f"\n| data, likelihood | l_1 ... l_4 | collapse | {limit} |\n|:---|:---|---:|---:|---:|")
    print("\n".join(second for _, second in tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
