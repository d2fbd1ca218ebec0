"""What a GAN, its samples, and an autoencoder's fitted prior cannot be asked for."""

from __future__ import annotations

import numpy as np

from vae_rd import FitConfig, fit_model

from helpers.own import own_vae
from walk.analysis import drawn as figure
from walk.evaluations import NAMED, POINT, checked
from walk.evaluations import drawn as images
from walk.steps import Call, Step, each, evaluated, fitted
from walk.steps import step as step_after

GREY = ("--data=npz", "--data_file=grey.npz")
BITS = ("--data=npz", "--data_file=own.npz")
GAN = ("--model=gan", "--eval_samples=null")
FITTED = fitted(*NAMED, *BITS, *GAN)
SMALL = {"data": "npz", "data_file": "own.npz", "hidden": [4], "max_steps": 1, "batch_size": 8, "wandb": "off"}


def from_python(*, own: bool) -> Call:
    return lambda: fit_model(FitConfig(model="gan", **SMALL), model=own_vae() if own else None)


def stored() -> None:
    """As many images as samples can be held against, and no more: each fit compares them with each other."""
    for file, levels in (("own.npz", 2), ("grey.npz", 256)):
        np.savez(file, images=np.random.default_rng(0).integers(0, levels, (400, 8, 8)).astype(np.uint8))


def step(says: str, refused: Call, *remedies: Call, before: Call = lambda: None) -> Step:
    return step_after(says, refused, *remedies, before=each(stored, before))


VAE = fitted(*NAMED, *BITS, "--overwrite")
MIXTURE = evaluated("runs/a", "--fit_marginal=mixture", "--components=2")
STEPS: list[Step] = [
    step(
        "--beta belongs to --model vae, not to --model gan; leave it out",
        fitted(*BITS, *GAN, "--beta=2"),
        fitted(*BITS, *GAN),
    ),
    step(
        "with --model gan choose bernoulli, gaussian, laplace or continuous_bernoulli",
        fitted(*GREY, "--likelihood=beta_binomial", *GAN),
        FITTED,
        fitted(*GREY, "--likelihood=gaussian", *GAN),
        fitted(*GREY, "--likelihood=laplace", *GAN),
        fitted(*GREY, "--dequantize=uniform", "--likelihood=continuous_bernoulli", *GAN),
    ),
    step(
        "nothing trains it with --model gan; leave it out", fitted(*BITS, *GAN, "--prior=mixture"), fitted(*BITS, *GAN)
    ),
    step(
        "choose another with --model gan",
        fitted(*BITS, *GAN, "--decoder=made"),
        fitted(*BITS, *GAN, "--decoder=conv", "--encoder=conv"),
    ),
    step(
        "leave out model=",
        from_python(own=True),
        from_python(own=False),
    ),
    step(
        "give data of 20 or more in each",
        fitted(*GAN),
        fitted(*BITS, *GAN),
    ),
    step(
        "choose --nll prior or --ais or --quality, or another run",
        checked("information"),
        checked("prior"),
        checked("ais"),
        checked("quality"),
        each(VAE, checked("information")),
        before=FITTED,
    ),
    step(
        "a prior fitted to q(z|x), and this run has none; leave it out",
        images("--marginal=mixture", "-o", "a.npz"),
        images("-o", "a.npz"),
        before=FITTED,
    ),
    step(
        "give --fit_marginal mixture first, then --marginal mixture with --ais",
        checked("ais"),
        each(MIXTURE, checked("ais", marginal="mixture")),
        before=fitted(*NAMED, *BITS, *POINT),
    ),
    step(
        "raise --examples, or choose another run",
        checked("quality", examples=10),
        checked("quality", examples=20),
        each(VAE, checked("quality")),
        before=fitted(*NAMED, *BITS),
    ),
    step(
        "draw samples, or choose other runs",
        figure("curves", "runs", "-o", "a.png"),
        figure("samples", "runs", "-o", "a.png"),
        each(VAE, figure("curves", "runs", "-o", "a.png")),
        before=FITTED,
    ),
]
