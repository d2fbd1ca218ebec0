"""A finished run in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.verdicts.collapse import collapse_words
from vae_rd.verdicts.information import shown_information
from vae_rd.verdicts.units import unit_lines


def summary_lines(record: RunRecord, folder: Path) -> list[str]:
    """D, R and the bounds on I of each split with standard errors, the verdict, the units, where all lies."""
    lines = split_lines(record, SPLITS)
    lines.append(collapse_words(record.verdicts["collapse"]))
    lines += unit_lines(record.metrics["test"])
    distortion = record.model["distortion"]
    if (weight := distortion["squared_error_weight"]) is not None:
        lines.append(f"D = C * squared error + constant with C = 1 / (2 scale^2) = {weight:g}")
    if (weight := distortion.get("absolute_error_weight")) is not None:
        lines.append(f"D = C * absolute error + constant with C = 1 / b = {weight:g}")
    return [*lines, f"record: {folder / 'record.json'}"]


def split_lines(record: RunRecord, splits: Sequence[str]) -> list[str]:
    """A table of D, R and the bounds on I: one line a split, under a heading."""
    heading = f"{'split':<6} {'n':>7} {'distortion':>18} {'rate':>18} {'D + R':>10} {'I lower':>16} {'I upper':>16}"
    return [f"{heading}  cap ln N", *(_split_line(split, record.metrics[split]) for split in splits)]


def _split_line(split: str, metrics: Json) -> str:
    distortion = metrics["distortion"]
    bounds = metrics["mutual_information_lower"], metrics["mutual_information_upper"]
    lower, upper = shown_information(*bounds, metrics["rate"])
    total = "-" if metrics["elbo"]["value"] is None else f"{-metrics['elbo']['value']:.3f}"
    return (
        f"{split:<6} {distortion['n']:>7} {with_error(distortion):>18} {with_error(metrics['rate']):>18} {total:>10} "
        f"{with_error(lower):>16} {with_error(upper):>16}  {lower['cap']:.3f}"
    )


def with_error(entry: Mapping[str, Any]) -> str:
    """A number of a record with its standard error.

    Example:
        >>> with_error({"value": 13.5, "stderr": 0.25, "n": 9})
        '13.500 ± 0.250'
        >>> with_error({"value": -0.0004, "stderr": None, "n": 9})
        '0.000'
    """
    if entry["value"] is None:
        return "-"
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.3f}"
    return f"{entry['value']:z.3f}{stderr}"
