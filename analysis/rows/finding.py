"""Which run folders are meant, and which of them count: those that are finished, each once."""

from __future__ import annotations

import glob
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.record import RunRecord

Runs = str | Path | Sequence[str | Path]
Found = tuple[Path, RunRecord]


class RunWarning(UserWarning):
    """A run was left out, or its numbers contradict a bound."""


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


def finished_runs(runs: Runs) -> list[Found]:
    """The folder and the record of each finished run, once.

    Raises:
        InputError: when an entry leads to no record, a record is damaged, or no run is finished.

    Warns:
        RunWarning: one line that names the runs left out because they are not finished, one that names the copies.
    """
    found = [(folder, RunRecord.read(folder)) for folder in find_runs(runs)]
    if unfinished := [f"{record.name} ({record.status})" for _, record in found if record.status != "finished"]:
        warnings.warn(f"left out, not finished: {', '.join(unfinished)}", RunWarning, stacklevel=3)
    finished = [(folder, record) for folder, record in found if record.status == "finished"]
    if not finished:
        raise InputError("none of the runs is finished: nothing to show")
    return _without_copies(finished)


def _without_copies(found: Sequence[Found]) -> list[Found]:
    """Each run once: of a folder and its copies the one with the most estimates counts, the first of equals."""
    same: dict[str, list[Found]] = {}
    for folder, record in found:
        same.setdefault(_what_it_is(record), []).append((folder, record))
    kept = [max(copies, key=lambda copy: len(copy[1].estimates)) for copies in same.values()]
    pairs = [
        f"{folder} (a copy of {counts})"
        for (counts, _), copies in zip(kept, same.values(), strict=True)
        for folder, _ in copies
        if folder != counts
    ]
    if pairs:
        warnings.warn(f"left out, copies: {', '.join(pairs)}", RunWarning, stacklevel=4)
    return kept


def _what_it_is(record: RunRecord) -> str:
    """What a run and its copy have in common, and two fits have not: its weights, or the last digit of its numbers.

    A record without checksums, being older than these, has its config, data and metrics alone.
    """
    content = record.files or [record.config, record.data, record.metrics]
    return json.dumps([record.name, content], sort_keys=True)
