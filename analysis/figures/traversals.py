"""What each unit of z does to an image, a row for each in order of rate, with the rate beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.samples import Block, Row, draw_blocks, number, room_for
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import add_settings, group_runs
from analysis.rows.latents import load_units
from analysis.rows.media import load_pictures, thinned
from analysis.rows.runs import as_rows, of_split
from analysis.style import beta_words, characters, plain, unit_label
from analysis.venues import look, width_of
from analysis.view import View

KIND = "traversals"
MOST = 3  # runs, where nothing else is asked for
RIGHT = 0.62  # inches of the rates behind the images


Rates = Mapping[tuple[str, int], tuple[float, float]]  # By folder and unit, with errors.


class Moved(NamedTuple):
    """A unit of a run: its images, what it is called, and its rate with its error."""

    images: np.ndarray
    name: str
    rate: float
    stderr: float


def traversals(runs: pd.DataFrame, **view: Any) -> Figure:
    """E[x|z] of one example as a unit of z moves from 2.5 s.d. of q(z) below its mean to as many above.

    Rows are the units of the run's pictures, those of the largest rate first; behind each stands its rate, the mean of
    its KL from q(z|x) to m(z), where R falls into units. States of a z of finitely many have no rate of their own.

    Args:
        runs: from `load_runs`; pictures are read from the same folders.
        view: fields of `analysis.view.View`; `more` may have `most`, runs.

    Raises:
        InputError: where no run has pictures, or some are damaged.

    Warns:
        RunWarning: one line that names the runs left out, for want of pictures or of room.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`traversals`, for the table of figures."""
    found = _shown(runs, view)
    with look(view):
        left = room_for(unit.name for _, units in found for unit in units)
        width, words = width_of(view) - left - RIGHT, beta_words(runs["beta"].dropna())
        groups = group_runs(runs, by=view.group_by)
        blocks = []
        for run, units in found:
            label = plain(groups.labels[groups.place_of[run["folder"]]]) if groups.distinguished else ""
            title = "\n".join(filter(None, (textwrap.fill(label, characters(width - left)), _title(run, words))))
            rows = [Row(unit.images, unit.name, (number(unit.rate),)) for unit in units]
            blocks.append(Block(rows, title, (f"$R$ [{unit_label(run['units'])}]",), width))
        return draw_blocks(blocks, left=left, view=view)


def _title(run: dict[str, Any], words: dict[float, str]) -> str:
    beta = "no $\\beta$" if np.isnan(run["beta"]) else f"$\\beta$ = {words[run['beta']]}"
    return f"{beta}, $R$ = {number(run['rate'])}" if np.isfinite(run["rate"]) else f"{beta}, $R$ undefined"


def _shown(runs: pd.DataFrame, view: View) -> list[tuple[dict[str, Any], list[Moved]]]:
    """Runs in order of beta with their units in order of rate."""
    tiles = load_pictures(runs, KIND)
    chosen = of_split(runs, view.split).sort_values(["beta", "run"])
    chosen = thinned(chosen[chosen["folder"].isin(tiles)], view.more.get("most") or MOST)
    rows = as_rows(load_units(chosen, split=view.split))
    rates = {(row["folder"], row["unit"]): (float(row["rate"]), float(row["rate_stderr"])) for row in rows}
    found = []
    for run in as_rows(chosen):
        shown = tiles[run["folder"]]
        units = list(_units(run["folder"], shown.entry, shown.rows, rates))
        found.append((run, sorted(units, key=lambda unit: -unit.rate if np.isfinite(unit.rate) else 0.0)))
    return found


def _units(folder: str, entry: Mapping[str, Any], rows: np.ndarray, rates: Rates) -> Iterator[Moved]:
    """Each row of a picture: a unit that is moved, or states one after another."""
    for line, images in enumerate(rows):
        if "units" not in entry:
            yield Moved(images, f"state {line * len(images)}", np.nan, np.nan)
            continue
        unit = int(entry["units"][line])
        yield Moved(images, f"unit {unit}", *rates.get((folder, unit), (np.nan, np.nan)))


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The units that are shown, a row for each in the order of the figure."""
    names = {folder: name for name, part in data_sets(runs).items() for folder in part["folder"]}
    rows = [
        {name: run[name] for name in ("run", "folder", "beta", "seed", "units", "split")}
        | {"data": names[run["folder"]], "unit": unit.name, "unit_rate": unit.rate, "unit_rate_stderr": unit.stderr}
        for run, units in _shown(runs, view)
        for unit in units
    ]
    return {"": add_settings(pd.DataFrame(rows), runs)}
