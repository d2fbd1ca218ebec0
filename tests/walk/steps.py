"""A step of the walk: what is refused, the words that say what to do, and each thing that they say, done."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from vae_rd import evaluate, fit
from vae_rd.errors import InputError

Call = Callable[[], object]

SMALL = ["--hidden=[4]", "--latent_dim=2", "--max_steps=1", "--batch_size=8", "--eval_samples=2", "--wandb=off"]
LEVELS = np.random.default_rng(0).integers(0, 256, (40, 4, 4)).astype(np.uint8)
BITS = LEVELS % 2
OWN = ["--data=npz", "--data_file=bits.npz"]  # Of which each world has one.


@dataclass(frozen=True)
class Step:
    """One message of refusal and its remedies.

    Attributes:
        says: words of the message, those of the remedy among them.
        refused: what meets it.
        remedies: what the message says to do, each in a world of its own.
        before: what makes that world, an empty working directory.
    """

    says: str
    refused: Call
    remedies: tuple[Call, ...]
    before: Call


def step(says: str, refused: Call, *remedies: Call, before: Call = lambda: None) -> Step:
    return Step(says, refused, remedies, before)


def each(*calls: Call) -> Call:
    """One after another; the last one's answer counts."""

    def made() -> object:
        return [call() for call in calls][-1]

    return made


def fitted(*flags: str) -> Call:
    """A fit of a step on the command line, of `bits.npz` where the flags name no other data."""
    return lambda: fit.main([*SMALL, *([] if "--data" in " ".join(flags) else OWN), *flags])


def evaluated(*words: str) -> Call:
    return lambda: evaluate.main(list(words))


def flags(words: str, says: str, *instead: str) -> Step:
    """A step of command lines alone, words between blanks."""
    return step(says, fitted(*words.split()), *(fitted(*line.split()) for line in instead))


def written(name: str, content: str | bytes) -> Call:
    def write() -> None:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def archive(name: str = "own.npz", **arrays: Any) -> Call:
    return lambda: np.savez(name, **arrays)


def without(module: str, call: Call) -> Call:
    """As if a module were not installed, whether it has been imported or not."""

    def made() -> object:
        before = {name: sys.modules[name] for name in (module,) if name in sys.modules}
        sys.modules[module] = None  # type: ignore[assignment]  # So that importing it fails.
        try:
            return call()
        finally:
            del sys.modules[module]
            sys.modules.update(before)

    return made


def limited(place: Any, name: str, value: object, call: Call) -> Call:
    """A call where a constant, or a function, is another one: a limit that is low, an answer of another machine."""

    def made() -> object:
        with patch.object(place, name, value):
            return call()

    return made


def changed_variable(change: Mapping[str, str | None]) -> Call:
    """The environment with these variables set, or, where None, without them; the walk restores it."""

    def change_it() -> None:
        for name, value in change.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    return change_it


def refusal_of(call: Call, said: Callable[[], tuple[str, str]]) -> str:
    """The line by which a call is refused.

    Args:
        call: of Python, which raises, or of a command, which returns 2.
        said: takes what was printed, on stdout and stderr.
    """
    said()
    try:
        code = call()
    except InputError as error:
        assert said()[1] == ""
        return str(error)
    out, errors = said()
    assert (code, out) == (2, ""), f"exit code {code}: {out}{errors}"
    *warnings, line = errors.splitlines()
    assert all(warning.startswith("warning: ") for warning in warnings), errors
    assert line.startswith("error: "), line
    return line.removeprefix("error: ")


def listing() -> dict[str, int | None]:
    """All that is in the working directory: files with the time of their last change."""
    return {str(path): None if path.is_dir() else path.lstat().st_mtime_ns for path in Path().rglob("*")}
