"""A finished run in a few lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vae_rd.run.points import points_of
from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.units import Unit, dequantised_levels, per_nat
from vae_rd.verdicts.collapse import collapse_lines
from vae_rd.verdicts.fit_words import fit_words
from vae_rd.verdicts.information import shown_information
from vae_rd.verdicts.modes import modes_lines
from vae_rd.verdicts.targets import target_lines
from vae_rd.verdicts.units import unit_lines

SAMPLES = ("precision", "recall", "density", "coverage", "frechet", "sharpness", "data_sharpness")
SAMPLES_HEADING = f"{'split':<6} {'n':>7}" + "".join(f" {name.replace('_', ' '):>18}" for name in SAMPLES)


def summary_lines(record: RunRecord, folder: Path, *, units: Unit = "nats") -> list[str]:
    """D, R and the bounds on I of each split with standard errors, the verdict, the units, where all lies."""
    lines = split_lines(record, SPLITS, units=units)
    collapsed = record.verdicts["collapse"]
    lines += modes_lines(record.verdicts["modes"]) if "modes" in record.verdicts else collapse_lines(collapsed)
    lines += target_lines(record.model, record.metrics["val"])
    if record.verdicts.get("fit"):
        lines.append(fit_words(record.verdicts["fit"]))
    lines += unit_lines(record.metrics["test"])
    distortion = record.model["distortion"]
    if (weight := distortion["squared_error_weight"]) is not None:
        lines.append(f"D = C * squared error + constant with C = 1 / (2 scale^2) = {weight:g}")
    if (weight := distortion.get("absolute_error_weight")) is not None:
        lines.append(f"D = C * absolute error + constant with C = 1 / b = {weight:g}")
    return [*lines, *_points_lines(folder, units=units), f"record: {folder / 'record.json'}"]


def _points_lines(folder: Path, *, units: Unit) -> list[str]:
    """The test split at a run's further betas, as far as they are measured there."""
    records = {point: RunRecord.read(point) for point in points_of(folder)}
    measured = {point: record for point, record in records.items() if "test" in record.metrics}
    return [f"{split_lines(record, ['test'], units=units)[-1]}  {point}" for point, record in measured.items()]


def split_lines(record: RunRecord, splits: Sequence[str], *, units: Unit = "nats") -> list[str]:
    """A table of D, R and the bounds on I: one line a split, or one of all that are one population, under a heading.

    Of a model without q(z|x), for which none of these is defined, how its samples compare with the split.

    In bits per dimension D of dequantised pixels is that of their levels, log2(levels) above the density's.
    """
    if "frechet" in record.metrics[splits[0]]:
        cells = {split: _samples_cells(record.metrics[split]) for split in splits}
        return [SAMPLES_HEADING, *_named(cells, record)]
    heading = f"{'split':<6} {'n':>7} {'distortion':>18} {'rate':>18} {'D + R':>10} {'I lower':>16} {'I upper':>16}"
    cap = "  cap ln N" if units == "nats" else f"  cap, all in {units.replace('_per_', '/')}"
    levels = dequantised_levels(record.data) if units == "bits_per_dim" else None
    shown = partial(_shown, per_nat=per_nat(units, dims=math.prod(record.data["shape"])))
    more = 0.0 if levels is None else math.log2(levels)
    cells = {split: _split_cells(record.metrics[split], shown, more=more) for split in splits}
    return [heading + cap, *_named(cells, record)]


def _named(cells: Mapping[str, str], record: RunRecord) -> list[str]:
    """A line for each split; those that were measured once, as they hold all there is, have one."""
    population, splits = record.data["population"], dict[str, list[str]]()
    for split, line in cells.items():
        splits.setdefault(line if population[split] else split, []).append(split)
    return [f"{of[0] if len(of) == 1 else 'all':<6} {cells[of[0]]}" for of in splits.values()]


def _samples_cells(metrics: Json) -> str:
    return f"{metrics['frechet']['n']:>7}" + "".join(f" {with_error(metrics[name]):>18}" for name in SAMPLES)


def _shown(entry: Mapping[str, Any], *, per_nat: float, sign: int = 1, more: float = 0.0) -> Json:
    """An entry in other units: its numbers times so much, and the value with a sign and something more."""
    value, stderr, cap = (entry.get(key) for key in ("value", "stderr", "cap"))
    return {
        "value": None if value is None else sign * value * per_nat + more,
        "stderr": None if stderr is None else stderr * per_nat,
        "cap": None if cap is None else cap * per_nat,
    }


def _split_cells(metrics: Json, shown: Callable[..., Json], *, more: float) -> str:
    bounds = metrics["mutual_information_lower"], metrics["mutual_information_upper"]
    lower, upper = (shown(bound) for bound in shown_information(*bounds, metrics["rate"]))
    distortion, rate = shown(metrics["distortion"], more=more), shown(metrics["rate"])
    total = with_error(shown(metrics["elbo"], sign=-1, more=more) | {"stderr": None})
    return (
        f"{metrics['distortion']['n']:>7} {with_error(distortion):>18} {with_error(rate):>18} {total:>10} "
        f"{with_error(lower):>16} {with_error(upper):>16}  {lower['cap']:.3f}{_of_what(metrics)}"
    )


def _of_what(metrics: Json) -> str:
    """What I is of, where it is not the source's: of how many examples, among how many, or known of the split alone."""
    lower = metrics["mutual_information_lower"]
    among = round(math.exp(lower["cap"]))
    if lower.get("kind") == "empirical" and lower["value"] is not None:
        return f"  I of these {among:,} examples"
    return f"  I of {lower['n']:,} among {among:,}" if among < metrics["distortion"]["n"] else ""


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
