"""Where runs are: run folders, folders of runs, and globs of either."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE

Runs = str | Path | Sequence[str | Path]


def find_runs(runs: Runs) -> list[Path]:
    """The run folders meant by run folders, globs and folders of runs, each once, in the order given.

    Raises:
        InputError: for an entry that leads to no record.json.
    """
    entries = [runs] if isinstance(runs, str | Path) else runs
    found: dict[Path, Path] = {}  # A link, and a path from elsewhere, lead to the same folder.
    for folder in (folder for entry in entries for folder in _find(entry)):
        found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _find(entry: str | Path) -> list[Path]:
    matches = [entry] if Path(entry).exists() else sorted(glob.glob(str(entry), recursive=True))  # noqa: PTH207
    found = [record.parent for match in matches for record in _records_in(Path(match))]
    folders = [folder for folder in found if not _is_within_run(folder)]
    if not folders:
        raise InputError(f"{entry}: no {RECORD_FILE} there; give run folders, folders of runs, or globs of them")
    return folders


def _is_within_run(folder: Path) -> bool:
    """Whether the record there is a copy: W&B keeps one below a run's folder, of the time when it was sent."""
    return any((above / RECORD_FILE).is_file() for above in folder.absolute().parents)


def _records_in(path: Path) -> list[Path]:
    """The record of a run folder, or all records below a folder of runs."""
    own = path if path.name == RECORD_FILE else path / RECORD_FILE
    return [own] if own.is_file() else sorted(path.rglob(RECORD_FILE))
