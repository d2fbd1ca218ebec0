"""Fits that are made to end in a state: by a beta beyond the collapse, a bottleneck, weights that are held still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.experiment.fitting import fit_model
from vae_rd.model.vae import VAE

DIGITS: Mapping[str, Any] = {"data": "digits", "binarization": "threshold", "hidden": [64], "latent_dim": 8, "lr": 3e-3}
SPRITES: Mapping[str, Any] = {"data": "sprites", "hidden": [64], "latent_dim": 8, "lr": 3e-3}
LINEAR: Mapping[str, Any] = {
    "data": "gaussian",
    "gaussian_eigenvalues": [8.0, 3.0, 1.0],
    "encoder": "linear",
    "decoder": "linear",
    "likelihood": "gaussian",
    "likelihood_scale": 0.5,
    "latent_dim": 3,
    "max_epochs": 20,
    "n_test": 2000,
}

Held = Callable[[VAE], None]


def held_encoder(model: VAE) -> None:
    """Means ten times those of a fresh network, in unit variance: information, but not where a decoder asks for it."""
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    model.encoder.posterior.head.weight.mul_(10)  # type: ignore[union-attr, operator]
    model.encoder.posterior.head.bias.zero_()  # type: ignore[union-attr]


def deaf_decoder(model: VAE) -> None:
    """That encoder, and a decoder whose first layer multiplies z by 0 for good."""
    held_encoder(model)
    first = next(iter(model.decoder.parameters()))
    first.zero_().requires_grad_(False)


def water(level: float) -> float:
    """The beta at which the linear VAE of LINEAR has this level, beta s^2."""
    return level / float(LINEAR["likelihood_scale"]) ** 2


# State, flags, and what is done to the fresh network.
FITS: Sequence[tuple[str, Mapping[str, Any], Held | None]] = (
    *(("collapsed", {**DIGITS, "beta": beta, "max_epochs": 30}, None) for beta in (10.0, 30.0)),
    ("collapsed", {**SPRITES, "beta": 60.0, "max_epochs": 15}, None),
    ("collapsed", {**LINEAR, "beta": water(1.1 * 8)}, None),
    *(("partially_collapsed", {**LINEAR, "beta": water(level)}, None) for level in (1.1, 2.7, 3.3, 6.0)),
    *(("healthy", {**LINEAR, "beta": water(level)}, None) for level in (0.25, 0.5)),
    *(("healthy", {**DIGITS, "latent_dim": units, "beta": 1.0, "max_epochs": 60}, None) for units in (2, 4)),
    *(("no_information", {**DIGITS, "hidden": [1], "max_epochs": 15, "seed": seed}, None) for seed in (0, 1)),
    *(("no_information", {**SPRITES, "hidden": [1], "max_epochs": 6, "seed": seed}, None) for seed in (0, 1)),
    *(("over_dispersed", {**DIGITS, "beta": beta, "max_epochs": 60}, None) for beta in (1e-3, 1e-2)),
    ("over_dispersed", {**SPRITES, "beta": 1e-3, "max_epochs": 30}, None),
    *(("ignored", {**DIGITS, "max_epochs": 10, "seed": seed}, deaf_decoder) for seed in (0, 1)),
    *(("lagging", {**DIGITS, "max_epochs": 20, "seed": seed}, held_encoder) for seed in (0, 1)),
)


# No threshold or rule was set by these: other seeds, betas, widths and spectra.
FIVE: Mapping[str, Any] = {**LINEAR, "gaussian_eigenvalues": [12.0, 7.0, 4.0, 2.0, 0.5], "latent_dim": 4, "seed": 7}
HELD_OUT: Sequence[tuple[str, Mapping[str, Any], Held | None]] = (
    ("collapsed", {**DIGITS, "hidden": [96], "beta": 6.0, "max_epochs": 25, "seed": 7}, None),
    ("collapsed", {**FIVE, "beta": water(1.2 * 12)}, None),
    *(("partially_collapsed", {**FIVE, "beta": water(level)}, None) for level in (3.0, 5.5)),
    ("healthy", {**FIVE, "beta": water(0.3)}, None),
    ("healthy", {**DIGITS, "latent_dim": 3, "beta": 0.7, "max_epochs": 60, "seed": 7}, None),
    ("no_information", {**DIGITS, "hidden": [1], "latent_dim": 12, "max_epochs": 10, "seed": 7}, None),
    ("over_dispersed", {**DIGITS, "beta": 3e-3, "hidden": [96], "max_epochs": 50, "seed": 7}, None),
    ("ignored", {**DIGITS, "hidden": [96], "max_epochs": 8, "seed": 7}, deaf_decoder),
    ("lagging", {**DIGITS, "hidden": [96], "max_epochs": 15, "seed": 7}, held_encoder),
    ("faint", {**FIVE, "latent_dim": 1, "beta": water(0.9 * 12)}, None),
)


def fitted(runs: Path, fits: Sequence[tuple[str, Mapping[str, Any], Held | None]] = FITS) -> list[tuple[str, str, str]]:
    """Name, state and verdict of every fit; finished ones are read."""
    return [_case(number, *fit, runs=runs) for number, fit in enumerate(fits)]


def _case(number: int, state: str, flags: Mapping[str, Any], hold: Held | None, *, runs: Path) -> tuple[str, str, str]:
    name = f"{number:02d}-{flags['data']}-{state}"
    config = FitConfig(**flags, name=name, run_dir=str(runs), wandb="off", resume="auto", val_every=5)
    model = None
    if hold is not None:
        model = build.build_model(config, build.build_data(config).card)
        with torch.no_grad():
            hold(model)
    record = fit_model(config, model=model)
    return name, state, str(record.verdicts["collapse"]["state"])
