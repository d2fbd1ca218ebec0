"""What is written beneath axes of frontiers: by how much two of them differ, and what the intervals are of."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.layout import LINE_HEIGHT
from analysis.figures.table import rounded
from analysis.rows.runs import Row, as_rows
from analysis.statistics.differences import BD_RATE
from analysis.style import characters, number, small_letters, wrapped

MOST_PAIRS = 3  # whose difference is written; all are in the numbers
NOISE = 1e-9  # a standard error that is rounding alone
SEEDS, EXAMPLES = "seeds drawn again whole", "examples as normal noise of s.e. of D and R"
PAIRED, EXACT = ", the same of both", "published points taken as exact, their fronts as their own"


class Stated(NamedTuple):
    """What there is to say of one data set.

    Attributes:
        title: its name where there are several.
        unit: of R and D.
        differences: from `analysis.statistics.differences`.
        has_published: whether points of others are among what is compared.
    """

    title: str
    unit: str
    differences: pd.DataFrame
    has_published: bool


def write_beneath(figure: Figure, stated: Sequence[Stated], names: Mapping[str, str]) -> None:
    """Write the differences of all data sets, and what their intervals are of, under the axes, and make room for it.

    Args:
        figure: from `new_figure`.
        stated: of each data set.
        names: what each group is called.
    """
    lines = [line for one in stated for line in _lines(one, names)]
    if lines:
        figure.set_figheight(figure.get_figheight() + LINE_HEIGHT * (len(lines) + 1))
        sources = textwrap.wrap(f"95 %: {_sources(stated)}", characters(figure.get_figwidth()) - 4)
        text = "\n".join([*lines, *sources])
        figure.supxlabel(text, x=0.02, ha="left", fontsize=small_letters())


def _sources(stated: Sequence[Stated]) -> str:
    """What the intervals are of."""
    found = pd.concat([one.differences for one in stated])
    words = [
        *([SEEDS + PAIRED * bool(found["paired"].any())] if (found["stderr_seeds"] > NOISE).any() else []),
        *([EXAMPLES] if (found["stderr_examples"] > NOISE).any() else []),
        *([EXACT] if any(one.has_published for one in stated) else []),
    ]
    return ", ".join(words) or "no noise is known"


def _lines(stated: Stated, names: Mapping[str, str]) -> list[str]:
    found = []
    known = stated.differences.dropna(subset="value")
    for (one, other), rows in list(known.groupby(["group", "other"], sort=False))[:MOST_PAIRS]:
        of = f"{stated.title}: " if stated.title else ""
        found += wrapped(f"{of}{names[str(other)]} less {names[str(one)]}").splitlines()
        found += [_sentence(row, stated.unit) for row in as_rows(rows)]
    return found


def _sentence(row: Row, unit: str) -> str:
    value, low, high = (rounded(row[name], row["stderr"]) for name in ("value", "low", "high"))
    interval = "" if math.isnan(row["low"]) else f" [{low}, {high}]"
    start, end = number(row["over_low"]), number(row["over_high"])
    if row["difference"] == BD_RATE:
        return f"  {BD_RATE}: {value}{interval} %, PSNR {start} to {end} dB"
    axis = row["difference"][-1]
    return f"  ${row['difference'][0]}$ at equal ${axis}$: {value}{interval} {unit}, ${axis}$ {start} to {end}"
