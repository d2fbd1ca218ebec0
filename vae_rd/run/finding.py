"""Where runs are: run folders, folders of runs, and globs of either."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.run.files import ERROR_FILE, RECORD_FILE
from vae_rd.run.lock import holder_of, locked
from vae_rd.run.points import points_of, run_of_point
from vae_rd.run.record import RunRecord

Runs = str | Path | Sequence[str | Path]


def find_runs(runs: Runs) -> list[Path]:
    """The run folders meant by run folders, globs and folders of runs, each once, in the order given.

    After a run that holds many betas come its points, by beta.

    Raises:
        InputError: for an entry that leads to no record.json.
    """
    entries = [runs] if isinstance(runs, str | Path) else runs
    found: dict[Path, Path] = {}  # A link, and a path from elsewhere, lead to the same folder.
    for folder in (folder for entry in entries for folder in _find(entry)):
        found.setdefault(folder.resolve(), folder)
    return list(found.values())


def finished_of(named: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The runs to work on, and a line on those left out: what is named one by one must be finished, and is refused.

    Raises:
        InputError: for an entry that leads to no record.json, a damaged record, or a run that is to be finished first.
    """
    found = find_runs(named)
    records = {folder: RunRecord.read(folder) for folder in found}
    unfinished = [folder for folder in found if records[folder].status != "finished" and folder not in named]
    if len(unfinished) == len(found):
        fault = f"none of the {len(found)} runs is finished"
        raise InputError(f"{', '.join(map(str, named))}: {fault}; finish one with --resume auto")
    for folder in set(found).intersection(named):
        check_finished(records[folder], folder)
    said = ", ".join(f"{folder} ({records[folder].standing(folder)})" for folder in unfinished)
    return [f for f in found if f not in unfinished], [f"left out, not finished: {said}"] if unfinished else []


def hold_finished(folders: Sequence[Path], held: ExitStack) -> None:
    """Keep every other process from working on these runs, which must be finished, until `held` is closed."""
    for folder in {folder.resolve(): folder for folder in folders}.values():
        check_finished(RunRecord.read(folder), folder)  # No file is written where there is no run to work on.
        held.enter_context(locked(folder))


def check_finished(record: RunRecord, folder: Path) -> None:
    """Refuse a run that is not finished, saying how it stands with it."""
    if record.status != "finished":
        raise InputError(f"{folder}: this run {record.standing(folder)}; {_then(record, folder)}")


def _then(record: RunRecord, folder: Path) -> str:
    """What finishes it; a fit that has failed would fail again where nothing is changed."""
    if record.status == "running" and holder_of(folder):
        return "wait for its end"
    if record.status == "failed":
        return f"mend what its {ERROR_FILE} says, and go on with --resume auto or begin anew with --overwrite"
    return "finish it with --resume auto"


def _find(entry: str | Path) -> list[Path]:
    matches = [entry] if Path(entry).exists() else sorted(glob.glob(str(entry), recursive=True))  # noqa: PTH207
    found = [record.parent for match in matches for record in _records_in(Path(match))]
    folders = [folder for folder in found if not _is_within_run(folder)]
    if not folders:
        raise InputError(f"{entry}: no {RECORD_FILE} there; give run folders, folders of runs, or globs of them")
    return folders


def _is_within_run(folder: Path) -> bool:
    """Whether the record there is a copy: W&B keeps one below a run's folder, of the time when it was sent.

    A point of a run lies within it, and is none.
    """
    whole = folder.absolute()
    return any((above / RECORD_FILE).is_file() for above in (run_of_point(whole) or whole).parents)


def _records_in(path: Path) -> list[Path]:
    """The record of a run folder and those of its points, or all records below a folder of runs."""
    if path.name == RECORD_FILE:
        return [path]
    own = path / RECORD_FILE
    runs = [own] if own.is_file() else _without_points(path.rglob(RECORD_FILE))
    return [record for run in runs for record in (run, *(point / RECORD_FILE for point in points_of(run.parent)))]


def _without_points(records: Iterable[Path]) -> list[Path]:
    """Records below a folder of runs, without those of points, which their runs lead to."""
    return sorted(record for record in records if run_of_point(record.parent) is None)
