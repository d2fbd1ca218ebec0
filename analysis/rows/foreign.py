"""`--foreign FILE:rate=COLUMN,distortion=COLUMN,...`: points that others published, in the units of the runs at hand.

A CSV file has its columns by name; a JSON file of CompressAI has them as the lists of its `results`. Points share a
plane with runs only where data and likelihood are said to be theirs, since a D of other data, or of another likelihood,
is another quantity. A squared error is a D in nats at a stated Gaussian scale s alone,

    D = n MSE / (2 s^2) + (n / 2) ln(2 pi s^2),        MSE = 10^(-PSNR / 10) for values in 0..1,

so that it is comparable with runs of `--likelihood gaussian --likelihood_scale s` and of no others.
"""

from __future__ import annotations

import csv
import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.rows.finding import RunWarning
from analysis.rows.runs import Row, as_rows
from analysis.rows.scale import Scale
from vae_rd.errors import InputError

WORDS = (
    "beta", "rate", "distortion", "mse", "psnr", "units", "name", "data", "binarization", "likelihood", "scale", "only"
)  # fmt: skip
UNITS = ("nats", "bits", "bits_per_dim", "bpp")
COLUMNS = ("name", "card", "beta", "rate", "distortion", "psnr", "units", "source")
_FORM = "write FILE:rate=COLUMN,distortion=COLUMN,data=NAME,likelihood=WORD and, if so, beta=COLUMN,units=bits,name=..."


class Foreign(NamedTuple):
    """One `--foreign`: its file, what was said of it, and the option as it was given."""

    path: Path
    said: Mapping[str, str]
    option: str

    def refused(self, fault: str, remedy: str) -> InputError:
        """What refuses it."""
        return InputError(f"--foreign {self.option}: {fault}; {remedy}")


class SquaredError(NamedTuple):
    """What the D of a Gaussian of a fixed scale says of the mean squared error.

    Attributes:
        dims: n.
        variance: s^2.
        shown: from nats to the units of D.
    """

    dims: int
    variance: float
    shown: Scale

    @property
    def constant(self) -> float:
        """The D of no error, in nats."""
        return 0.5 * self.dims * math.log(2 * math.pi * self.variance)

    def distortion(self, error: float) -> float:
        """D of a mean squared error."""
        return float(self.shown.shown("distortion", self.dims * error / (2 * self.variance) + self.constant))

    def psnr(self, distortion: np.ndarray) -> np.ndarray:
        """-10 log10 of the mean squared error that a D comes from; NaN where that is none.

        Example:
            >>> of = SquaredError(784, 0.01, Scale(1.0, 0.0))
            >>> of.psnr(np.array([of.distortion(0.001), -1e9]))
            array([30., nan])
        """
        nats = (np.asarray(distortion) - self.shown.shift) / self.shown.per_nat
        error = (nats - self.constant) * 2 * self.variance / self.dims
        return np.asarray(-10 * np.log10(np.where(error > 0, error, math.nan)))


def squared_error(rows: pd.DataFrame) -> SquaredError | None:
    """That of runs of one data set; None unless all have one and the same Gaussian scale."""
    scales = set(rows["likelihood_scale"])
    if len(scales) != 1 or math.isnan(scale := scales.pop()):
        return None
    row = as_rows(rows.head(1))[0]
    return SquaredError(row["dims"], scale**2, Scale.of_row(row))


def load_foreign(options: Sequence[str], runs: pd.DataFrame) -> pd.DataFrame:
    """One row a point and data set of the runs that it belongs to, with `COLUMNS`; `psnr` where D is a squared error.

    Args:
        options: as on the command line.
        runs: from `load_runs`, whose units the numbers take.

    Raises:
        InputError: for a file that has no such columns, and where data or likelihood differ from those of the runs or
            are not said.

    Warns:
        RunWarning: one line a file that names the rows with R or D alone.
    """
    return pd.DataFrame([row for option in options for row in _rows(parsed(option), runs)], columns=list(COLUMNS))


def parsed(option: str) -> Foreign:
    """What an option says.

    Raises:
        InputError: for one that is not of its form.
    """
    begin = re.search(rf":(?=(?:{'|'.join(WORDS)})=)", option)
    file, words = (option[: begin.start()], option[begin.end() :]) if begin else (option, "")
    said = dict(part.partition("=")[::2] for part in words.split(","))
    one = [word for word in ("distortion", "mse", "psnr") if word in said]
    if not file or set(said) - set(WORDS) or "rate" not in said or len(one) != 1 or not all(said.values()):
        raise InputError(f"--foreign {option}: not of its form; {_FORM}")
    if said.get("units", "nats") not in UNITS:
        raise InputError(f"--foreign {option}: {said['units']} is no unit; say units=nats, bits, bits_per_dim or bpp")
    return Foreign(Path(file), said, option)


def _rows(foreign: Foreign, runs: pd.DataFrame) -> list[Row]:
    points = _points(foreign)
    return [
        {**point, "card": row["card"], "units": row["units"]} | _measured(foreign, point, row)
        for row in _matching(foreign, runs)
        for point in points
    ]


def _points(foreign: Foreign) -> list[Row]:
    """The points of a file as they stand there; a row without R or without D is none.

    Warns:
        RunWarning: one line that names the rows that have one of the two.
    """
    said = foreign.said
    columns = {key: said[key] for key in ("beta", "rate", "distortion", "mse", "psnr") if key in said}
    column, _, value = said.get("only", "").partition(":")
    words = {"name": said.get("name", foreign.path.stem), "source": foreign.path.name}
    try:
        chosen = {place: row for place, row in _table(foreign.path).items() if not column or row[column] == value}
        cells = {place: {key: row[name] for key, name in columns.items()} for place, row in chosen.items()}
    except OSError as error:
        raise foreign.refused(f"cannot be read ({error.strerror})", "give a CSV file or one of CompressAI") from None
    except KeyError as error:
        raise foreign.refused(f"no column {error.args[0]!r} there", "name one that the file has") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise foreign.refused(f"no table of columns ({error})", "give a CSV file or one of CompressAI") from None
    read = {
        place: {key: _number(foreign, place, key, cell) for key, cell in row.items()} for place, row in cells.items()
    }
    found = [words | row for row in _complete(foreign, read)]
    if not found:
        raise foreign.refused("no point there", "see its rows, and what only= says")
    return found


def _number(foreign: Foreign, place: str, key: str, cell: object) -> float:
    """What stands in a cell, NaN for nothing; infinite is the PSNR of no error alone."""
    with suppress(ValueError):
        number = float(str(cell)) if cell is not None and str(cell).strip() else math.nan
        if key == "psnr" or not math.isinf(number):
            return number
    raise foreign.refused(f"{place}, column {foreign.said[key]}: {cell!r} is no number", "name columns of numbers")


def _complete(foreign: Foreign, read: Mapping[str, Row]) -> Iterator[Row]:
    """The rows that have both R and D; those of one of the two are named."""
    half: list[str] = []
    for place, row in read.items():
        missing = [foreign.said[key] for key, number in row.items() if key != "beta" and math.isnan(number)]
        if not missing:
            yield row
        elif len(missing) == 1:
            half.append(f"{place} without {missing[0]}")
    if half:
        warnings.warn(f"left out of {foreign.path}: {', '.join(half)}", RunWarning, stacklevel=2)


def _table(path: Path) -> dict[str, Row]:
    """The rows of a file by their place in it."""
    if path.suffix.lower() == ".json":
        results = json.loads(path.read_text(encoding="utf-8-sig"))["results"]
        lists = {name: column for name, column in results.items() if isinstance(column, list)}
        rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        return {f"point {place}": row for place, row in enumerate(rows, start=1)}
    with path.open(encoding="utf-8-sig", newline="") as stream:  # Spreadsheets may begin a file with a mark.
        reader = csv.DictReader(stream)
        return {f"line {reader.line_num}": row for row in reader}


def _matching(foreign: Foreign, runs: pd.DataFrame) -> list[Row]:
    """A row of each data set that the points are of.

    Raises:
        InputError: saying what differs, or is not said.
    """
    firsts = as_rows(runs.drop_duplicates("card"))
    said = foreign.said
    names = sorted({str(row["data"]) for row in firsts})
    if "data" not in said:
        raise foreign.refused("of which data is not said", f"say data=NAME; the runs are of {', '.join(names)}")
    found = [row for row in firsts if row["data"] == said["data"]]
    if not found:
        raise foreign.refused(f"of {said['data']}, the runs of {', '.join(names)}", "compare with runs of its data")
    for row in found:
        _check(foreign, row, runs[runs["card"] == row["card"]])
    return found


def _check(foreign: Foreign, row: Row, own: pd.DataFrame) -> None:
    """Refuse points whose preprocessing or likelihood is not that of the runs of the data set."""
    said, families = foreign.said, sorted(set(own["likelihood"].dropna()))
    binarization = json.loads(row["card"])["params"].get("binarization")
    if binarization and said.get("binarization") != binarization:
        what = f"binarization is {said['binarization']}" if "binarization" in said else "binarization is not said"
        raise foreign.refused(f"{what}, the runs' is {binarization}", f"compare points of binarization={binarization}")
    if "likelihood" not in said:
        raise foreign.refused("of which likelihood D is, is not said", f"say likelihood=WORD, as {', '.join(families)}")
    if said["likelihood"] not in families:
        theirs, ours = said["likelihood"], ", ".join(families) or "none that is known"
        raise foreign.refused(f"D is of {theirs}, the runs' of {ours}", f"compare with runs of --likelihood {theirs}")
    if "distortion" not in said:
        _check_scale(foreign, own)


def _check_scale(foreign: Foreign, own: pd.DataFrame) -> None:
    scales = sorted(set(own["likelihood_scale"].dropna()))
    stated = _scale(foreign)
    if stated is None or scales != [stated]:
        fault = f"a squared error is no D in nats; the runs' Gaussian scales are {scales or 'not fixed'}"
        remedy = "say likelihood=gaussian,scale=S, and compare with runs of --likelihood gaussian --likelihood_scale S"
        raise foreign.refused(fault, remedy)


def _scale(foreign: Foreign) -> float | None:
    try:
        scale = float(foreign.said["scale"])
    except (KeyError, ValueError):
        return None
    return scale if foreign.said.get("likelihood") == "gaussian" and scale > 0 else None


def _measured(foreign: Foreign, point: Row, row: Row) -> Row:
    """R and D in the units of the runs, by way of nats."""
    scale, dims = Scale.of_row(row), row["dims"]
    pixels = math.prod(json.loads(row["card"])["shape"][1:])
    nats = {"nats": 1.0, "bits": math.log(2), "bits_per_dim": dims * math.log(2), "bpp": pixels * math.log(2)}
    unit = nats[foreign.said.get("units", "nats")]
    place = {"beta": point.get("beta", math.nan), "rate": scale.shown("rate", unit * point["rate"])}
    if "distortion" in point:
        return place | {"distortion": scale.shown("distortion", unit * point["distortion"]), "psnr": math.nan}
    error = float(point["mse"] if "mse" in point else 10 ** (-point["psnr"] / 10))
    of = SquaredError(dims, (_scale(foreign) or math.nan) ** 2, scale)
    return place | {"distortion": of.distortion(error), "psnr": -10 * math.log10(error) if error > 0 else math.nan}
