"""Tables of one's own: each row an example, its columns of numbers a vector."""

from __future__ import annotations

import csv
import re
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from vae_rd.data.base import Source
from vae_rd.data.examples import SHOWN, Examples, examples_source, factors_or_note
from vae_rd.data.readers import first_line
from vae_rd.data.splits import split_named
from vae_rd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("label", "labels")  # Columns that are labels where none is named.
SPLIT = "split"  # A column of this name with nothing but names of splits divides the rows.


def table(
    path: Path,
    kind: Literal["csv", "parquet"],
    *,
    label: str | None = None,
    levels: int | None = None,
    data_seed: int = 0,
    population: bool = False,
) -> Source:
    """The rows of a CSV or parquet file as vectors of its columns of numbers.

    Columns of text are left out, and so is a first one without a name that numbers the rows,
    in any order. The label is the column
    that is named, else one called label or labels. A column called split with train, val and test divides the rows.

    Args:
        path: of the file: comma, semicolon or tab between values, also compressed; or parquet.
        kind: which of the two.
        label: the column of labels.
        levels: number of levels of whole numbers; None to tell from the values.
        data_seed: seed of what is split at random.
        population: whether the rows are all there are.

    Raises:
        InputError: for a file that is none, missing values, numbers with other words among them, no number at all, or
            too few rows.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "own.csv"
        ...     _ = file.write_text("a,b,label\\n" + "0.5,1.25,yes\\n2.5,-1,no\\n" * 15)
        ...     source = table(file, "csv")
        >>> source.images["train"].shape, source.params["factors"]
        (torch.Size([24, 1, 1, 2]), {'label': ['no', 'yes']})
    """
    found = of_frame(_read(path, kind), label=label, where=str(path))
    settings = {"file": path.absolute().name, "levels": levels, "data_seed": data_seed, "population": population}
    return examples_source(kind, {"": found}, where=str(path), **settings)  # type: ignore[arg-type]


def _read(path: Path, kind: Literal["csv", "parquet"]) -> pd.DataFrame:
    import pandas as pd  # Half a second that no other run should wait for.

    try:
        if kind == "parquet":
            return pd.read_parquet(path)
        head = pd.read_csv(path, nrows=0, sep="\0", engine="python", quoting=csv.QUOTE_NONE).columns[0]
        plain = re.sub('"[^"]*"', "", str(head))  # Names between quotation marks may hold any of them.
        frame = pd.read_csv(path, sep=max(",;\t", key=plain.count), low_memory=False)
    except ImportError:
        raise InputError("--data parquet needs pyarrow: pip install 'vae_rd[data]'") from None
    except Exception as error:  # pandas and pyarrow raise whatever a damaged file makes them stumble on.
        raise InputError(f"{path}: not a {kind} table ({first_line(error)}); give a whole one with a header") from None
    _check_header(frame, str(path))
    return frame


def of_frame(frame: pd.DataFrame, *, label: str | None, where: str) -> Examples:
    """The rows of a data frame as vectors, with their labels and splits.

    Args:
        frame: as pandas has read it.
        label: the column of labels; None for one called label or labels, if there is one.
        where: what messages begin with.

    Raises:
        InputError: as `table`.
    """
    if label is not None and label not in frame:
        columns = ", ".join(map(str, list(frame)[:SHOWN]))
        raise InputError(f"{where}: it has no column {label!r}; name one of {columns}")
    asked = label is not None
    label = label if asked else next((name for name in LABELS if name in frame), None)
    splits = _splits(frame)
    others = frame.drop(columns=[name for name in (label, SPLIT if splits else None) if name is not None])
    kept = [name for name in others if _is_number(others[name])]
    left_out = [name for name in others if name not in kept]
    _check_text(others[left_out], where)
    notes = [f"columns left out: {_listed(left_out)}"] if left_out else []
    index = [name for name in kept if _is_index(others[name])]
    for name in index:
        notes.append(f"{'the first column' if name == frame.columns[0] else name} left out, which counts the rows")
    kept = [name for name in kept if name not in index]
    if not kept:
        raise InputError(f"{where}: it has no column of numbers; give one or more beside the labels")
    _check_whole(others[kept], where)
    factors: dict[str, np.ndarray] = {}
    if label is not None:
        factors, said = _factor(frame[label], where, asked=asked)
        notes += said
    return Examples(_matrix(others[kept]), factors, notes, splits)


def _is_index(column: pd.Series) -> bool:
    """Whether it is what pandas or R names rows by, however these were shuffled since."""
    if re.fullmatch(r"__index_level_\d+__", str(column.name)):  # As pyarrow calls an index without a name.
        return True
    is_unnamed = re.fullmatch(r"Unnamed: 0(\.\d+)?", str(column.name)) is not None  # As pandas calls a first column.
    return is_unnamed and column.is_unique and bool((column.astype(np.float64) % 1 == 0).all())


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "biuf"


def _matrix(frame: pd.DataFrame) -> np.ndarray:
    """Columns of one type: bytes for bits, else the type that holds them all."""
    columns = [frame[name].to_numpy(dtype=None if frame[name].dtype.kind != "b" else np.uint8) for name in frame]
    plain = [c.astype(np.float64) if c.dtype == object else c for c in columns]  # Of pandas' own types with gaps.
    return np.stack(plain, axis=1)


def _splits(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows of each split, where a column says so of all rows."""
    if SPLIT not in frame:
        return {}
    named = np.array([split_named(str(word)) or "" for word in frame[SPLIT]])
    return {} if (named == "").any() else {str(split): np.flatnonzero(named == split) for split in np.unique(named)}


def _factor(column: pd.Series, where: str, *, asked: bool) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    if column.isna().any():
        raise InputError(
            f"{where}: {int(column.isna().sum())} labels of column {column.name} are missing; fill them in"
        )
    values = column.to_numpy()
    values = values.astype(str) if values.dtype == object or values.dtype.kind not in "biufSU" else values
    found, said = factors_or_note(values, len(column), where=f"{where}: column {column.name}", asked=asked)
    return {str(column.name): factor for factor in found.values()}, said


def _check_header(frame: pd.DataFrame, where: str) -> None:
    if all(_as_number(name) for name in frame):
        raise InputError(f"{where}: its first line is numbers, {_listed(list(frame))}; put the columns' names above it")


def _as_number(text: Hashable) -> bool:
    try:
        return isinstance(text, str) and float(text) is not None
    except ValueError:
        return False


def _check_text(left_out: pd.DataFrame, where: str) -> None:
    """Refuse what is mostly numbers, and would be left out for their commas or a few other words among them."""
    import pandas as pd

    for name in left_out:
        numbers = pd.to_numeric(left_out[name].astype(str), errors="coerce")
        strays = left_out[name][numbers.isna()]
        words = strays.dropna().astype(str)
        if len(words) and not pd.to_numeric(words.str.replace(",", "."), errors="coerce").isna().any():
            raise InputError(
                f"{where}: column {name} is numbers with commas, such as {words.iloc[0]!r}; write decimals after a "
                "point, and nothing between thousands, or drop the column"
            )
        if 0 < len(strays) < len(numbers) / 2:
            raise InputError(
                f"{where}: column {name} is numbers with {len(strays)} other entries, such as {strays.iloc[0]!r}; "
                "write numbers in their place, or drop the column or the rows"
            )


def _check_whole(numbers: pd.DataFrame, where: str) -> None:
    gaps = numbers.isna().sum()
    if gaps.any():
        said = ", ".join(f"{count} of {name}" for name, count in gaps[gaps > 0].head(SHOWN).items())
        raise InputError(f"{where}: missing values, {said}; fill them in, or drop those rows or columns")


def _listed(names: list[Hashable]) -> str:
    return ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
