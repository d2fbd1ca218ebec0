"""Runs of many betas: what they take, and what is asked of them."""

from __future__ import annotations

import vae_rd

from walk.networks import fits
from walk.steps import Call, Step, each, evaluated, fitted, flags, step

MANY = ("--objective=multirate", "--name=a")
FITTED = fitted(*MANY)
OF_ONE = fitted("--name=b")
GRID = ("--data=gaussian", "--n_train=16", "--n_test=16")


def loaded(**at: float) -> Call:
    return lambda: vae_rd.load("runs/a", **at)


STEPS: list[Step] = [
    flags(
        "--objective multirate --beta_range [10,1]",
        "give the least beta, above 0, and the greatest, such as [0.01, 10]",
        "--objective multirate --beta_range [0.01,10]",
    ),
    flags(
        "--objective multirate --beta 20",
        "choose one that is, or a wider range",
        "--objective multirate --beta 2",
        "--objective multirate --beta 20 --beta_range [0.01,30]",
    ),
    flags(
        "--objective multirate --decoder made",
        "ln beta does not reach --decoder made; choose linear, mlp, conv or resnet",
        *(f"--objective multirate --decoder {word}" for word in ("linear", "mlp", "conv", "resnet")),
    ),
    flags(
        "--objective multirate --posterior full",
        "--posterior full; choose diagonal",
        "--objective multirate --posterior diagonal",
    ),
    flags(
        "--objective multirate --prior vamp", "made of q(z|x); choose another", "--objective multirate --prior mixture"
    ),
    flags(
        f"--objective multirate {' '.join(GRID)} --likelihood gaussian_shared",
        "choose gaussian or gaussian_pixel",
        f"--objective multirate {' '.join(GRID)} --likelihood gaussian",
        f"--objective multirate {' '.join(GRID)} --likelihood gaussian_pixel",
    ),
    flags(
        "--objective multirate --gradient score_function --samples 2",
        "this one has one for each example; leave it out",
        "--objective multirate --samples 2",
    ),
    step(
        "takes the networks of the flags alone; choose another objective for one given from Python",
        fits(objective="multirate"),
        fits(objective="beta"),
    ),
    step("is of betas from 0.01 to 10; choose one of these", loaded(beta=20.0), loaded(beta=4.0), before=FITTED),
    step(
        "--betas: runs/b is at no beta but its own; choose a run of --objective multirate",
        evaluated("runs/b", "--betas=[2]"),
        evaluated("runs/a", "--betas=[2]"),
        before=each(FITTED, OF_ONE),
    ),
    step(
        'give betas above 0 as "[0.1, 1]" or "logspace(-2, 1, 20)"',
        evaluated("runs/a", "--betas=0.1 1"),
        evaluated("runs/a", "--betas=[0.1, 1]"),
        evaluated("runs/a", "--betas=logspace(-2, 1, 2)"),
        before=FITTED,
    ),
    step("give a number above 0", evaluated("runs/a", "--target_rate=0"), evaluated("runs/a"), before=FITTED),
    step(
        "choose one of these, or fit over a wider --beta_range",
        evaluated("runs/a", "--target_rate=1000"),
        fitted(*MANY, "--overwrite", "--beta_range=[0.001, 10]"),
        before=FITTED,
    ),
    step(
        "give other estimates in a second command",
        evaluated("runs/a", "--betas=[2]", "--ais"),
        each(
            evaluated("runs/a", "--betas=[2]"), evaluated("runs/a/betas/2", "--ais", "--examples=2", "--temperatures=2")
        ),
        before=FITTED,
    ),
]
