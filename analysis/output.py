"""Files that appear whole or not at all: everything is rendered before anything is written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import provenance
from vae_rd.errors import InputError
from vae_rd.run.files import staged

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
UNSHOWN = ("card", "config", "made")  # Columns that only serve comparison.


def check_suffix(out: Path, suffixes: Sequence[str]) -> Path:
    """`out` itself, if its suffix names a format that can be written.

    Raises:
        InputError: otherwise, before any work is done.
    """
    if out.suffix.lower() not in suffixes:
        raise InputError(f"-o {out}: end the name in {', '.join(suffixes)}; the suffix picks the format")
    return out


def write_figure(
    figure: Figure, numbers: Mapping[str, pd.DataFrame], out: Path, *, runs: pd.DataFrame, argv: Sequence[str]
) -> list[Path]:
    """Write a figure, its numbers as CSV beside it, and as JSON how it was made; returns all paths.

    Args:
        figure: the figure, written in the format of its suffix, which holds the command too; its label is what its
            caption must say.
        numbers: tables by what their file names add to that of the figure.
        out: the figure's path.
        runs: from `load_runs`: all that it is of.
        argv: the command line, less the program's name.
    """
    import matplotlib as mpl  # No refusal has to wait for it.

    from analysis.style import STYLE

    suffix, buffer = out.suffix.lower(), io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=suffix[1:], metadata=_metadata(suffix, provenance.command_of(argv)))
    how = provenance.statement(runs, argv, out, caption=str(figure.get_label()))
    tables = {out.with_name(f"{out.stem}{end}.csv"): csv_bytes(table) for end, table in numbers.items()}
    return write_all({out: buffer.getvalue(), **tables, provenance.beside(out): how})


def _metadata(suffix: str, command: str) -> dict[str, str | None]:
    """What the file says of itself: the command, and no date, so that equal figures are equal files."""
    said: dict[str, dict[str, str | None]] = {
        ".pdf": {"CreationDate": None, "Subject": command},
        ".svg": {"Date": None, "Description": command},
        ".png": {"Description": command},
    }
    return said[suffix]


def csv_bytes(numbers: pd.DataFrame) -> bytes:
    """Rows as CSV with full precision, less `UNSHOWN`."""
    return numbers.drop(columns=[*UNSHOWN], errors="ignore").to_csv(index=False, lineterminator="\n").encode()


def write_all(contents: Mapping[Path, bytes]) -> list[Path]:
    """Write every file under a temporary name, then put all in place; returns the paths.

    Raises:
        InputError: when one of them cannot be written; none is then left half-written.
    """
    try:
        with ExitStack() as together:
            for path, content in contents.items():
                if path.is_dir():
                    raise InputError(f"-o {path}: a folder has that name; choose another")
                path.parent.mkdir(parents=True, exist_ok=True)
                together.enter_context(staged(path)).write_bytes(content)
    except OSError as error:
        blocked = Path(error.filename or path)  # a folder above it, or its temporary name, which says nothing
        where = error.filename2 or (blocked if blocked in path.parents else path)
        raise InputError(f"-o {where}: cannot be written ({error.strerror}); give another place") from None
    return list(contents)
