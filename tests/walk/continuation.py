"""Training that starts from another run, and sweeps of such runs."""

from __future__ import annotations

from walk.analysis import drawn
from walk.steps import Step, each, fitted, step
from walk.sweeps import file, of_words, planned

FIRST = fitted("--name=a")
ALONG, MANY = "--launcher=continuation", "--launcher=multirate"
RANGES = "--ranges=[[1, 2], [2, 4]]"

STEPS: list[Step] = [
    step(
        "its network is another one; give a run of the same flags of the model",
        fitted("--name=b", "--start_from=runs/a", "--latent_dim=3"),
        fitted("--name=b", "--start_from=runs/a"),
        before=FIRST,
    ),
    step(
        "give a run of the same flags of the data",
        fitted("--name=b", "--start_from=runs/a", "--n_train=16"),
        fitted("--name=b", "--start_from=runs/a"),
        before=FIRST,
    ),
    of_words(
        "--ways belongs to --launcher continuation; add it, or leave --ways out",
        ("--ways=up",),
        (ALONG, "--ways=up"),
        (),
    ),
    of_words(
        "--ranges belongs to --launcher multirate; add it, or leave --ranges out",
        (RANGES,),
        (MANY, RANGES),
        (),
    ),
    of_words(
        "give the least and the greatest beta of each, as [[0.01, 0.6]]",
        (MANY, "--ranges=[1, 2]"),
        (MANY, "--ranges=[[0.01, 0.6], [1, 4]]"),
    ),
    of_words(
        "beta 4 lies in none of --ranges; give wider ones, or leave it out",
        (MANY, "--ranges=[[1, 2]]"),
        (MANY, RANGES),
        ("--launcher=multirate",),
    ),
    step(
        "is of betas from 1 to 2; choose one of these",
        fitted("--name=b", "--start_from=runs/a", "--beta=4"),
        fitted("--name=b", "--start_from=runs/a", "--beta=2"),
        before=fitted("--name=a", "--objective=multirate", "--beta_range=[1, 2]"),
    ),
    step(
        "give method: grid, and beta values",
        planned(ALONG),
        planned(),
        before=file(parameters={"seed": {"values": [0, 1]}}),
    ),
    step(
        "give those of a sweep with --launcher continuation",
        drawn("hysteresis", "runs", "-o", "a.pdf"),
        each(fitted("--name=b", "--beta=4", "--start_from=runs/a"), drawn("hysteresis", "runs", "-o", "a.pdf")),
        before=FIRST,
    ),
]
