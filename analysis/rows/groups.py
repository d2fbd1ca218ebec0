"""What differs between runs besides aim and seed, found in their configs, and which runs have all of it in common.

A group is known by the shape of its marks. There are few shapes, so fields of few values come first, and what is left,
such as the learning rates of a search, is named as not shown: the table has a column for every field that differs.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.rows.aims import AIMS
from vae_rd.errors import InputError

MOST, MOST_ASKED = (
    6,
    12,
)  # groups that are told where nothing is said, and that marks tell apart where they are asked for


@dataclass(frozen=True)
class Groups:
    """Runs by what they have in common.

    Attributes:
        fields: those whose values the groups tell.
        undistinguished: those that differ too, with more values than there are shapes.
        labels: of each group, in order of its values.
        place_of: the folder of each run to the place of its group in `labels`.
        common: those of `fields` that every label names.
    """

    fields: tuple[str, ...]
    undistinguished: tuple[str, ...]
    labels: tuple[str, ...]
    place_of: Mapping[str, int]
    common: tuple[str, ...] = ()

    @property
    def distinguished(self) -> bool:
        """Whether there are groups to tell apart."""
        return len(self.labels) > 1

    @property
    def connected(self) -> bool:
        """Whether runs of one group differ in aim and seed alone, so that a line may join them."""
        return self.distinguished and not self.undistinguished

    @property
    def note(self) -> str:
        """What a legend must say of the fields that no mark shows; empty where there are none."""
        names = ", ".join(self.undistinguished).replace("_", " ")
        return (
            f"runs{' of one mark' * self.distinguished} differ in {names}: see the table"
            if self.undistinguished
            else ""
        )

    @property
    def untold(self) -> Groups:
        """The runs as one group, for a figure whose marks tell none apart."""
        return Groups((), (*self.fields, *self.undistinguished), ("",), dict.fromkeys(self.place_of, 0))

    def places(self, rows: pd.DataFrame) -> pd.Series:
        """The place of each row's group."""
        return rows["folder"].map(self.place_of)

    def ordered(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of one split by aim, group and seed; where more differs than groups tell, by aim and D + beta R."""
        by = [*AIMS, "objective"] if self.undistinguished else [*AIMS, "group", "seed"]
        ordered = rows.assign(group=self.places(rows)).sort_values(by, kind="stable", ignore_index=True)
        return ordered.drop(columns="group")


def group_runs(runs: pd.DataFrame, *, by: Sequence[str] = ()) -> Groups:
    """The groups of the runs: as many fields as `MOST` groups can tell, those of the fewest values first.

    Args:
        runs: from `load_runs`, of any number of data sets, which share their groups.
        by: the fields to tell them by, in place of these.

    Raises:
        InputError: for a field that no run has, and for more groups than marks tell apart.
    """
    found, fields = _settings(runs), varying(runs)
    shown = _asked(found, by) if by else _distinguished(found, fields)
    values = {str(folder): tuple(row) for folder, row in zip(found.index, found[shown].to_numpy(), strict=True)}
    groups = sorted(set(values.values()), key=lambda group: [_rank(value) for value in group])
    labels, common = _named(shown, groups)
    place_of = {folder: groups.index(group) for folder, group in values.items()}
    return Groups(tuple(shown), tuple(field for field in fields if field not in shown), labels, place_of, common)


def _named(fields: Sequence[str], groups: Sequence[tuple[object, ...]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What each group is called, and the fields that all are called by.

    One that a group does not have, such as the range of betas of a run at one, is left out of its name, unless what
    is left would be nothing or the name of another group.
    """
    told = [[(field, v) for field, v in zip(fields, group, strict=True) if isinstance(v, str)] for group in groups]
    labels = tuple(map(_label, told))
    if all(labels) and len(set(labels)) == len(labels):
        return labels, tuple(field for field in fields if all(field in dict(pairs) for pairs in told))
    return tuple(_label(list(zip(fields, group, strict=True))) for group in groups), tuple(fields)


def _label(settings: Sequence[tuple[str, object]]) -> str:
    return ", ".join(f"{field.replace('_', ' ')} {words(value)}" for field, value in settings)


def _distinguished(found: pd.DataFrame, fields: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    for field in sorted(fields, key=lambda name: found[name].nunique()):
        if len(found[[*chosen, field]].drop_duplicates()) <= MOST:
            chosen.append(field)
    return [field for field in fields if field in chosen]


def _asked(found: pd.DataFrame, by: Sequence[str]) -> list[str]:
    for field in by:
        if field not in found:
            near = difflib.get_close_matches(field, map(str, found.columns), n=1)
            hint = f"did you mean {near[0]}?" if near else "give fields of their configs, such as prior,decoder"
            raise InputError(f"--group_by: no run has a field {field!r}; {hint}")
    if (count := len(found[list(by)].drop_duplicates())) > MOST_ASKED:
        raise InputError(
            f"--group_by {','.join(by)}: {count} groups, marks tell {MOST_ASKED} apart; give fewer fields, or"
            " --select runs"
        )
    return list(dict.fromkeys(by))


def varying(runs: pd.DataFrame) -> list[str]:
    """The fields that take two values or more within one data set, in the order of the records' configs.

    A field that some records do not have, being older than it, differs only where those that have it do.
    """
    parts = [_settings(rows) for _, rows in runs.groupby("card", sort=False)]
    fields = dict.fromkeys(field for part in parts for field in part.columns)
    return [field for field in fields if any(part[field].nunique() > 1 for part in parts if field in part)]


def add_settings(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column for each field that varies between `runs`, unless there is one already.

    Args:
        rows: with the `folder` of their run.
        runs: from `load_runs`: all that are compared.
    """
    found = _settings(runs)
    new = [field for field in varying(runs) if field not in rows]
    return rows.assign(**{field: rows["folder"].map(found[field].map(_cell)) for field in new})


def settings_of(rows: pd.DataFrame) -> dict[str, list[str]]:
    """A column of `words` for each field that varies between the runs of `rows`, a row of which is a run."""
    found, folders = _settings(rows), rows["folder"]
    return {field: [words(value) for value in folders.map(found[field])] for field in varying(rows)}


def words(value: object) -> str:
    """A setting as a legend or a table writes it: JSON's words, numbers to six digits.

    Args:
        value: as JSON; NaN where a record does not have the field.

    Example:
        >>> words("[512, 256]"), words("0.0010000000001"), words('"conv"'), words("null"), words(float("nan"))
        ('[512, 256]', '0.001', 'conv', 'null', '?')
    """
    return _text(json.loads(value)) if isinstance(value, str) else "?"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return " ".join(map(_text, value.values()))
    if isinstance(value, str):
        return value
    return json.dumps(value) if value is None or isinstance(value, bool | int) else f"{value:g}"


def _settings(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per run folder, a column per field of its config, values as JSON, so that they compare and hash."""
    configs = runs.drop_duplicates("folder").set_index("folder")["config"].map(json.loads)
    found = [{name: json.dumps(value) for name, value in config.items()} for config in configs]
    return pd.DataFrame(found, index=configs.index).pipe(_without_digits)


def _without_digits(settings: pd.DataFrame) -> pd.DataFrame:
    """Networks from Python by their class alone, where no two of one class differ."""
    networks = [json.loads(value) for value in settings.get("networks", pd.Series(dtype=object)).dropna().unique()]
    own = [network for network in networks if isinstance(network, dict)]
    classes = Counter(network["class"] for network in own)
    alone = {json.dumps(network): json.dumps(network["class"]) for network in own if classes[network["class"]] == 1}
    return settings.replace({"networks": alone}) if alone else settings


def _cell(value: object) -> Any:
    """A setting as a number or text for CSV."""
    content = json.loads(value) if isinstance(value, str) else None
    return content if isinstance(content, int | float) else words(value)


def _rank(value: object) -> Sequence[Any]:
    """Numbers by size, then lists by length and entries, then words; null and what is not known come first."""
    return _order(json.loads(value)) if isinstance(value, str) else (0, words(value))


def _order(content: Any) -> Sequence[Any]:
    """Of what stands in a setting; entries of a list may be of several kinds."""
    if content is None:
        return (0, words("null"))
    if isinstance(content, list):
        return (2, len(content), [_order(entry) for entry in content])
    return (1, content) if isinstance(content, int | float) else (3, str(content))
