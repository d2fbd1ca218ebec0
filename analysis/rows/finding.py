"""Which run folders are meant, and which of them count: those that are finished, each once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.run.finding import Runs, find_runs
from vae_rd.run.record import RunRecord

Found = tuple[Path, RunRecord]


class RunWarning(UserWarning):
    """A run was left out, or its numbers contradict a bound."""


def finished_runs(runs: Runs) -> list[Found]:
    """The folder and the record of each finished run, once.

    Raises:
        InputError: when an entry leads to no record, a record is damaged, or no run is finished.

    Warns:
        RunWarning: one line that names the runs left out because they are not finished, one that names the copies.
    """
    found = [(folder, RunRecord.read(folder)) for folder in find_runs(runs)]
    if unfinished := [f"{r.name} ({r.standing(folder)})" for folder, r in found if r.status != "finished"]:
        warnings.warn(f"left out, not finished: {', '.join(unfinished)}", RunWarning, stacklevel=3)
    finished = [(folder, record) for folder, record in found if record.status == "finished"]
    if not finished:
        raise InputError("none of the runs is finished: nothing to show; finish one with --resume auto")
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
