"""How legends call groups: by their names, by their values alone, or by letters that the caption explains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from analysis.marks.groups import POINT_SIZE, group_label, group_line, group_mark, legend_values
from analysis.rows.aims import AIMS
from analysis.rows.groups import Groups
from analysis.style import GREY

GROUP = "group\t"  # what the gid of an entry for a group begins with
LETTERS = "groups: "  # before the first of them
# What a legend says, the longest first: its head (0: whole, 1: brief, 2: none), and how it calls groups.
FORMS = (
    (0, "name"),
    (1, "name"),
    (1, "value"),
    (2, "name"),
    (2, "value"),
    (1, "letter"),
    (2, "letter"),
)
BY_VALUE = 2  # the place of the first that calls them by their values


def letter(place: int) -> str:
    """The letter of the group of a place."""
    return ascii_lowercase[place]


def named(entry: Line2D, place: int, groups: Groups) -> Line2D:
    """A legend's entry for the group of a place, called by its name until `call` says otherwise."""
    label = groups.labels[place]
    name = group_label(legend_values(groups)[place])
    prefix = f"{groups.fields[0].replace('_', ' ')} " if len(groups.fields) == 1 and place else ""
    entry.set(label=name, gid=GROUP + "\t".join((letter(place), name, name.removeprefix(prefix), label)))
    return entry


def group_keys(groups: Groups, rows: pd.DataFrame | None = None, *, connected: bool) -> list[Artist]:
    """A legend entry for each group, where there are groups to tell apart: its values, under `group_head`.

    Args:
        groups: of all runs of the figure.
        rows: of the runs whose groups are wanted; None for all.
        connected: whether `group_lines` are drawn.
    """
    found = dict.fromkeys(range(len(groups.labels)), True) if rows is None else _aims(groups, rows)
    drawn = connected and groups.connected
    return [
        named(
            Line2D([], [], **group_mark(n, GREY, size=POINT_SIZE) | (group_line(n) if line and drawn else {})),
            n,
            groups,
        )
        for n, line in (found.items() if groups.distinguished else ())
    ]


def _aims(groups: Groups, rows: pd.DataFrame) -> dict[int, bool]:
    """The places of the groups of some rows, and whether their runs have several aims, which a line joins."""
    return {
        int(place): len(part[AIMS].dropna(how="all").drop_duplicates()) > 1
        for place, part in rows.groupby(groups.places(rows))
    }


def call(entries: Iterable[Artist], how: str) -> None:
    """Give entries for groups their names, their values (the first says of what), or letters."""
    first = LETTERS
    for entry in entries:
        if known := _known(entry):
            short, name, value, _ = known
            entry.set_label({"name": name, "value": value, "letter": first + short}[how])
            first = ""


def letter_of(entry: Artist) -> str:
    """The letter of the group that an entry is for; its own label where it is for something else."""
    return known[0] if (known := _known(entry)) else str(entry.get_label())


def explained(entries: Sequence[Artist]) -> list[str]:
    """What the caption says of groups that have letters, a line each."""
    return [f"{known[0]}: {known[3]}" for entry in entries if (known := _known(entry))]


def letters_of(groups: Groups, labels: Iterable[str]) -> dict[str, str]:
    """The letter of each of these groups."""
    return {label: letter(groups.labels.index(label)) for label in labels}


def _known(entry: Artist) -> list[str]:
    gid = str(entry.get_gid() or "") if isinstance(entry, Artist) else ""  # Bars are a container of artists.
    return gid.removeprefix(GROUP).split("\t", 3) if gid.startswith(GROUP) else []
