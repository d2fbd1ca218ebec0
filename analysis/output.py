"""Files that appear whole or not at all: everything is rendered before anything is written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import provenance
from vae_rd.errors import InputError
from vae_rd.run.files import HISTORY_FILE, MEDIA, RECORD_FILE, staged

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
NUMBERS = (".csv", ".json")  # What lies beside a figure, and is replaced with it.
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
    figure: Figure,
    numbers: Mapping[str, pd.DataFrame],
    out: Path,
    *,
    runs: pd.DataFrame,
    argv: Sequence[str],
    inputs: Sequence[Path],
) -> list[Path]:
    """Write a figure, its numbers as CSV beside it, and as JSON how it was made; returns all paths.

    Args:
        figure: the figure, written in the format of its suffix, which holds the command too; its label is what its
            caption must say.
        numbers: tables by what their file names add to that of the figure.
        out: the figure's path.
        runs: from `load_runs`: all that it is of.
        argv: the command line, less the program's name.
        inputs: as for `write_all`.
    """
    import matplotlib as mpl  # No refusal has to wait for it.

    from analysis.style import STYLE

    suffix, buffer = out.suffix.lower(), io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=suffix[1:], metadata=_metadata(suffix, provenance.command_of(argv)))
    how = provenance.statement(runs, argv, out, caption=str(figure.get_label()))
    tables = {out.with_name(f"{out.stem}{end}.csv"): csv_bytes(table) for end, table in numbers.items()}
    contents = {out: buffer.getvalue(), **tables, provenance.beside(out): how}
    return write_all(contents, command=argv[0], inputs=inputs)


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


def write_all(contents: Mapping[Path, bytes], *, command: str, inputs: Sequence[Path]) -> list[Path]:
    """Write every file under a temporary name, then put all in place; returns the paths.

    A file that exists is replaced where its name was given, and beside it where it is of the figure of that name.

    Args:
        contents: by path, that of the name which was given first.
        command: which figure, table or report it is.
        inputs: run folders and files that were read, which are never replaced.

    Raises:
        InputError: when one of them must not be replaced or cannot be written; none is then left half-written.
    """
    out = next(iter(contents))
    try:
        for path in filter(Path.is_file, contents):
            if why := _kept(path, out, command, inputs):
                raise InputError(f"-o {out}: would write over {path}, {why}; choose another name")
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


def _kept(path: Path, out: Path, command: str, inputs: Sequence[Path]) -> str:
    """Why a file that exists must not be replaced by what is written with `out`; empty where it may be."""
    if any(_is_read(path.resolve(), one.resolve()) for one in inputs):
        return "which is read here"
    made, others = provenance.command_in(provenance.beside(out)), _of_that_name(out)
    if made is None:
        return "" if path == out else "which no figure of that name left there"
    return f"which belongs to {others[0]} ({made})" if made != command and others and path.suffix in NUMBERS else ""


def _is_read(path: Path, one: Path) -> bool:
    """Whether it is an input, a file or the folder of a run."""
    return path in (one, one / RECORD_FILE, one / HISTORY_FILE) or one / MEDIA in path.parents


def _of_that_name(out: Path) -> list[Path]:
    """Other figures and reports whose numbers lie where those of `out` do."""
    named = [out.with_suffix(suffix) for suffix in (*FIGURE_SUFFIXES, ".html")]
    return [path for path in named if path != out and path.is_file()]
