"""Which run folders are meant, and which of them count: those that are finished and can be read, each once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from analysis.rows.reading import AGAIN, Damaged
from analysis.sources.states import standing
from analysis.sources.wandb_runs import local_runs
from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.finding import Runs, find_runs
from vae_rd.run.record import SCHEMA_VERSION, RunRecord, Unreadable

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
Found = tuple[Path, RunRecord]
Folder = TypeVar("Folder", Path, str)


class RunWarning(UserWarning):
    """A run was left out, or its numbers contradict a bound."""


@dataclass(frozen=True)
class Records:
    """What lies in the folders that are meant.

    Attributes:
        finished: finished runs, copies among them.
        unfinished: the others.
        faults: why there is no reading a folder's record.
    """

    finished: Sequence[Found]
    unfinished: Sequence[Found]
    faults: dict[Path, Unreadable]


def find_records(runs: Runs) -> Records:
    """All records that are meant, the unreadable with what is wrong.

    Raises:
        InputError: when an entry leads to no record.
    """
    found: dict[Path, RunRecord] = {}
    faults: dict[Path, Unreadable] = {}
    for folder in find_runs(local_runs(runs)):
        try:
            found[folder] = RunRecord.attempt(folder, newer=True)
        except Unreadable as fault:
            faults[folder] = fault
    finished = [(folder, record) for folder, record in found.items() if record.status == "finished"]
    return Records(finished, [pair for pair in found.items() if pair[1].status != "finished"], faults)


def account_for(records: Records, *, shown: int) -> None:
    """Say which runs are left out, and refuse where none is left to show.

    Args:
        records: all that were found.
        shown: how many are shown.

    Raises:
        InputError: naming the records that cannot be read, or saying what to do with runs that are not finished.

    Warns:
        RunWarning: one line that names the runs left out as not finished, one the unreadable, one what is read in part.
    """
    if unfinished := [f"{r.name} ({standing(r, folder)})" for folder, r in records.unfinished]:
        warnings.warn(f"left out, not finished: {', '.join(unfinished)}", RunWarning, stacklevel=3)
    if not shown and records.faults:
        remedy = next(iter(records.faults.values())).remedy
        raise InputError(f"{_named(records.faults, file=RECORD_FILE)}; {remedy}")
    if not shown:
        raise InputError("none of the runs is finished: nothing to show; finish one with --resume auto")
    if records.faults:
        warnings.warn(f"left out, cannot be read: {_named(records.faults)}", RunWarning, stacklevel=3)
    newer = [(r.name, r.schema_version) for _, r in records.finished if r.schema_version != SCHEMA_VERSION]
    if newer:
        names = ", ".join(f"{name} ({version})" for name, version in newer)
        said = f"of a later schema_version than {SCHEMA_VERSION}, read as far as it is known here"
        warnings.warn(f"{said}: {names}; update vae_rd to read all", RunWarning, stacklevel=3)


def of_each(runs: pd.DataFrame, read: Callable[[Row], Iterable[Row]], *, what: str) -> list[Row]:
    """The rows that are read of each run, once; none of a run in which what is read is damaged.

    Args:
        runs: from `load_runs`.
        read: a row of a run to those of what it holds.
        what: is read, for the warning.

    Warns:
        RunWarning: one line that names the runs left out.
    """
    rows: list[Row] = []
    faults: dict[str, Damaged] = {}
    for run in cast(list[Row], runs.drop_duplicates("folder").to_dict("records")):
        try:
            rows += read(run)
        except Damaged as fault:
            faults[run["folder"]] = fault
    warn_of_parts(what, faults)
    return rows


def warn_of_parts(what: str, faults: Mapping[str, Damaged]) -> None:
    """One warning that names the runs of which a part is left out, as damaged; none where there are none."""
    if faults:
        warnings.warn(f"left out, {what}: {_named(faults)}; {AGAIN}", RunWarning, stacklevel=4)


def told_apart(runs: pd.DataFrame, folders: Collection[str]) -> list[str]:
    """What the runs of these folders are called, sorted: by name, and by folder too where another has the same name.

    Args:
        runs: all that there are, with `run` and `folder`, a row or more for each.
        folders: of those that are named.

    Example:
        >>> import pandas as pd
        >>> runs = pd.DataFrame({"run": ["mine", "mine", "cb"], "folder": ["runs/mine", "runs/mine2", "runs/cb"]})
        >>> told_apart(runs, ["runs/mine", "runs/cb"])
        ['cb', 'mine (runs/mine)']
    """
    each = runs.drop_duplicates("folder")
    full = each["run"] + " (" + each["folder"] + ")"
    names = full.where(each["run"].duplicated(keep=False), each["run"])
    return sorted(names[each["folder"].isin(folders)])


def _named(faults: Mapping[Folder, Exception], *, file: str = "") -> str:
    """Folders with what is wrong there, those of one fault together."""
    folders: dict[str, list[str]] = {}
    for folder, fault in faults.items():
        folders.setdefault(str(fault), []).append(str(Path(folder) / file))
    return "; ".join(f"{', '.join(places)}: {fault}" for fault, places in folders.items())


def without_copies(found: Iterable[Found]) -> list[Found]:
    """Each run once: of a folder and its copies the one with the most estimates counts, the first of equals.

    Warns:
        RunWarning: one line that names the copies.
    """
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
        warnings.warn(f"left out, copies: {', '.join(pairs)}", RunWarning, stacklevel=3)
    return kept


def _what_it_is(record: RunRecord) -> str:
    """What a run and its copy have in common, and two fits have not: its weights, or the last digit of its numbers.

    A record without checksums, being older than these, has its config, data and metrics alone.
    """
    content = record.files or [record.config, record.data, record.metrics]
    return json.dumps([record.name, content], sort_keys=True)
