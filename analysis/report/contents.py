"""What a report holds, as JSON: for each data set the rows of the table, what stands in its plane, and its runs."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.figures.table import OBJECTIVE, table_basis, table_cells
from analysis.latex import head, latex
from analysis.output import UNSHOWN
from analysis.report.details import damaged_details, run_details
from analysis.report.frontiers import frontier_curves
from analysis.report.pictures import share_of
from analysis.report.shapes import plane_shapes
from analysis.rows.data_sets import data_sets
from analysis.rows.finding import RunWarning, warn_of_parts
from analysis.rows.groups import Groups, add_settings, group_runs, varying
from analysis.rows.histories import load_histories
from analysis.rows.reading import Damaged
from analysis.rows.runs import Row, as_rows
from analysis.statistics.bounds import add_bounds, entropies, placeable, warn_impossible
from analysis.statistics.lines import plane_lines, warn_left_out
from analysis.style import beta_places, beta_words, unit_label
from vae_rd.errors import InputError

Json = dict[str, Any]
# Which number a column of the table is sorted by; the others go by their text.
SORTED_BY = {
    "β": "beta",
    "R asked": "target_rate",
    "D": "distortion",
    "R": "rate",
    OBJECTIVE: "objective",
    "H − D": "h_minus_d",
    "I": "mutual_information_lower",
    "cap": "mutual_information_lower_cap",
    "active": "active_units",
    "gap": "gap",
}


def contents(runs: pd.DataFrame, *, split: str, command: str, group_by: Sequence[str] = ()) -> Json:
    """All that a report shows: numbers unrounded, in the units of the runs; what is undefined is null.

    Args:
        runs: from `load_runs`; each data set has a plane and a table of its own.
        split: whose metrics are shown.
        command: that makes the report.
        group_by: fields of the config that make the groups; empty: what differs between the runs.

    Raises:
        InputError: for runs without D on `split`.

    Warns:
        RunWarning: one line for each run left out for want of D and for each point that cannot be right; one that
            names the runs whose curves, and one those whose details, cannot be read.
    """
    groups, places = group_runs(runs, by=group_by), beta_places(runs["beta"])
    words, share = beta_words(places), share_of(runs["folder"].nunique())
    found = data_sets(runs)
    return {
        "command": command,
        "split": split,
        "unit": unit_label(runs["units"].iloc[0]),
        "groups": list(groups.labels) if groups.distinguished else [],
        "note": groups.note,
        "scale": [{"place": place, "beta": words[beta]} for beta, place in places.items()],
        "dataSets": [
            _data_set(rows, name, runs, groups, places, split=split, share=share) for name, rows in found.items()
        ],
    }


def _data_set(
    own: pd.DataFrame,
    name: str,
    runs: pd.DataFrame,
    groups: Groups,
    places: Mapping[float, float],
    *,
    split: str,
    share: int,
) -> Json:
    bounded = add_bounds(own, split=split)
    placed = placeable(bounded, split=split)
    warn_impossible(bounded)
    rows = groups.ordered(placed[placed["split"] == split])
    warn_left_out(rows, split=split)
    known = {of: h for of, h in entropies(own, split=split).items() if of == split}
    cells = table_cells(rows)
    details = _details(own, list(rows["folder"]), split=split, share=share)
    numbers = add_settings(rows.assign(data=name, verdict=[run["verdict"] for run in details]), runs)
    return {
        "name": name,
        "basis": table_basis(own, rows, split=split),
        "cells": {column: list(texts) for column, texts in cells.items()},
        "latex": {head(column): [latex(text) for text in texts] for column, texts in cells.items()},
        "sortedBy": SORTED_BY,
        "fields": [field for field in ("seed", *varying(own), "verdict") if numbers[field].nunique() > 1],
        "numbers": columns_of(numbers.drop(columns=[*UNSHOWN])),
        "group": [int(place) for place in groups.places(rows)],
        "place": [places.get(beta) for beta in rows["beta"]],
        "shapes": plane_shapes(plane_lines(placed, known, split=split), rows, known.get(split)),
        "runs": details,
        "frontiers": frontier_curves(own, groups, split=split),
    }


def _details(own: pd.DataFrame, folders: Sequence[str], *, split: str, share: int) -> list[Json]:
    """Those of each run, in the order of their folders."""
    of_run: dict[str, list[Row]] = defaultdict(list)
    for row in as_rows(own):
        of_run[row["folder"]].append(row)
    histories, faults, found = _histories(own), dict[str, Damaged](), []
    for folder in folders:
        try:
            found.append(run_details(of_run[folder], histories.get(folder), split=split, share=share))
        except Damaged as fault:
            faults[folder] = fault
            found.append(damaged_details(of_run[folder], histories.get(folder), split=split, share=share))
    warn_of_parts("damaged details", faults)
    return found


def _histories(own: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The histories that can be read, by folder."""
    try:
        return {str(folder): part for folder, part in load_histories(own).groupby("folder", sort=False)}
    except InputError as error:  # There is none; all else is.
        warnings.warn(f"without curves: {error}", RunWarning, stacklevel=2)
        return {}


def columns_of(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """A frame as lists by column, ready for JSON.

    Example:
        >>> columns_of(pd.DataFrame({"beta": [1.0, math.nan], "run": ["a", None]}))
        {'beta': [1.0, None], 'run': ['a', None]}
    """
    return {str(name): [_value(cell) for cell in frame[name].tolist()] for name in frame}


def _value(cell: object) -> object:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
