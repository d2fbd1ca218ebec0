"""One training through several betas."""

from __future__ import annotations

from walk.runs import RUN, changed
from walk.steps import Step, each, fitted, flags, step

TWO = ("--trajectory=[1,3]", "--max_steps=4")
LONGER = ("--trajectory=[1,3]", "--max_steps=8", "--max_epochs=2")

STEPS: list[Step] = [
    flags(
        "--trajectory [1,3,2] --max_steps 8",
        "all the way up or down",
        "--trajectory [1,2,3] --max_steps 4",
        "--trajectory logspace(1,-1,3) --max_steps 4",
    ),
    flags(
        "--trajectory logspace(-1,1,3) --max_steps 2",
        "there are none for each of them",
        "--trajectory logspace(-1,1,3) --max_steps 4",
        "--trajectory [0.1,10] --max_steps 2",
    ),
    step(
        "each beta of --trajectory has its part of all steps",
        fitted("--name=a", *LONGER, "--resume=auto"),
        fitted("--name=a", *TWO, "--resume=auto"),
        fitted("--name=b", *LONGER),
        before=each(fitted("--name=a", *TWO), lambda: changed(status="interrupted")(RUN)),
    ),
]
