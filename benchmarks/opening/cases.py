"""A generated input, and what became of it: right, refused in one line, or one of three faults."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from vae_rd.errors import InputError

Expected = Literal["right", "refused", "either"]
VERDICTS = ("right", "refused", "wrong", "traceback")


class Wrong(Exception):
    """What was accepted is not what the generator knows it to be."""


class Case(NamedTuple):
    """One input.

    Attributes:
        name: what it is, in words.
        expected: whether its meaning is plain, it has none, or either answer will do.
        run: writes it into the working directory, which is empty, hands it over and checks what is made of it; raises
            `InputError` where it is refused and `Wrong` where it is misunderstood.
    """

    name: str
    expected: Expected
    run: Callable[[], None]


class Outcome(NamedTuple):
    """What became of a case.

    Attributes:
        name: of the case.
        verdict: one of VERDICTS.
        said: the refusal or the fault, in a line.
        left_running: records that still say "running".
    """

    name: str
    verdict: str
    said: str
    left_running: int


def outcome_of(case: Case) -> Outcome:
    """Carry out a case in an empty folder of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        verdict, said = _answer(case)
        left = sum(status == "running" for status in statuses(Path()))
    if torch.get_default_dtype() != torch.float32:
        verdict, said = "wrong", f"the default precision stays {torch.get_default_dtype()}"
    return Outcome(case.name, verdict, said, left)


def _answer(case: Case) -> tuple[str, str]:
    try:
        case.run()
    except Wrong as wrong:
        return "wrong", str(wrong)
    except InputError as refusal:
        if "\n" in str(refusal):
            return "wrong", f"a refusal of several lines: {refusal!s}"
        return ("wrong", f"refused: {refusal}") if case.expected == "right" else ("refused", str(refusal))
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}; {traceback.format_exc().splitlines()[-3].strip()}"
    return ("wrong", "accepted") if case.expected == "refused" else ("right", "")


def statuses(folder: Path) -> list[str]:
    """Of all records below a folder."""
    return [json.loads(path.read_text())["status"] for path in folder.rglob("record.json")]


def ensure(is_so: object, what: str) -> None:
    """Raise `Wrong` where something is not as it should be."""
    if not is_so:
        raise Wrong(what)


def called(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> str:
    """What a command prints to its end.

    Raises:
        InputError: for exit code 2 with one line, and nothing written.
    """
    with captured() as (out, errors):
        code = main(list(argv))
    said = errors.getvalue()
    if code == 2:
        ensure(said.startswith("error: ") and said.count("\n") == 1, f"exit code 2 with {said!r}")
        ensure(not Path("runs").exists(), "refused, and something was written")
        raise InputError(said.removeprefix("error: ").rstrip("\n"))
    if code != 0:
        raise RuntimeError(f"exit code {code}: {said}")
    return out.getvalue()


@contextlib.contextmanager
def captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Both streams of the block, without what libraries log."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        yield out, errors


def environment() -> dict[str, str]:
    """Of commands in processes of their own."""
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
