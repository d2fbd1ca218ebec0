"""How a figure or report was made, in a JSON beside it: its command, runs and versions; and how to make it again."""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vae_rd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("vae_rd", "matplotlib", "numpy", "pandas")
OF_REPORT = ("vae_rd", "plotly", "numpy", "pandas")
PROGRAM = "python -m analysis"
NAMED = 3  # runs of one kind of difference
Json = dict[str, Any]


class Made(NamedTuple):
    """What such a file says.

    Attributes:
        argv: the command line, less the program's name.
        place: the folder in which it was given.
        checksums: of the records, by the folder as it was given.
    """

    argv: list[str]
    place: Path
    checksums: Mapping[str, str]


def command_of(argv: Sequence[str]) -> str:
    """A command line as it is typed.

    Example:
        >>> command_of(["plane", "runs", "--select", "beta < 10"])
        "python -m analysis plane runs --select 'beta < 10'"
    """
    return f"{PROGRAM} {shlex.join(argv)}"


def beside(out: Path) -> Path:
    """The JSON file's path."""
    return out.with_suffix(".json")


def statement(
    runs: pd.DataFrame, argv: Sequence[str], out: Path, *, packages: Sequence[str] = PACKAGES, caption: str = ""
) -> bytes:
    """The content of the file: `command`, `argv`, `made_in` (relative to the file), `caption`, `versions` and `runs`.

    Args:
        runs: from `load_runs`: all that the figure is of.
        argv: the command line.
        out: the figure's path.
        packages: whose versions what was made depends on.
        caption: what the figure says by a letter alone, line by line.
    """
    first = runs.drop_duplicates("folder")
    content = {
        "command": command_of(argv),
        "argv": list(argv),
        "made_in": os.path.relpath(Path.cwd(), out.absolute().parent),
        "caption": caption.splitlines(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "runs": [
            {"folder": folder, "name": name, **json.loads(made)}
            for folder, name, made in first[["folder", "run", "made"]].itertuples(index=False)
        ],
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def command_in(path: Path) -> str | None:
    """Which command such a file is of, as in "plane"; None where there is no file, or another."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["argv"][0]) if "made_in" in content else None
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


def read(path: Path) -> Made:
    """What the file of a figure says.

    Raises:
        InputError: when it cannot be read, or is none of those that lie beside figures.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        argv, place = [str(word) for word in content["argv"]], path.parent / content["made_in"]
        checksums = {run["folder"]: run["record_sha256"] for run in content["runs"]}
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the .json beside a figure or report"
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"{path}: no account of a figure; give the .json that lies beside one") from None
    if argv[:1] == ["redo"] or not place.is_dir():
        raise InputError(
            f"{path}: it was made in {place}, which is no folder; carry out its command where the runs are"
        )
    return Made(argv, place, checksums)


def differences(before: Made, now: Made) -> str:
    """How the runs of a figure differ from those it was first made of; empty where they are the same.

    Example:
        >>> old, new = {"runs/a": "1", "runs/b": "2"}, {"runs/a": "3", "runs/c": "4"}
        >>> differences(Made([], Path(), old), Made([], Path(), new))
        'not the runs it was made of: changed runs/a; gone runs/b; new runs/c'
    """
    kinds = {
        "changed": [f for f, found in before.checksums.items() if now.checksums.get(f, found) != found],
        "gone": [f for f in before.checksums if f not in now.checksums],
        "new": [f for f in now.checksums if f not in before.checksums],
    }
    said = "; ".join(_listed(kinds))
    return f"not the runs it was made of: {said}" if said else ""


def _listed(kinds: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for word, folders in kinds.items():
        if folders:
            more = f" and {len(folders) - NAMED} more" if len(folders) > NAMED else ""
            yield f"{word} {', '.join(folders[:NAMED])}{more}"
