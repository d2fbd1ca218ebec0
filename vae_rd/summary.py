"""A finished run in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vae_rd.records import SPLITS, Json, RunRecord


def summary_lines(record: RunRecord, folder: Path) -> list[str]:
    """D, R and the bounds on I of each split with standard errors, the verdict, and where everything lies."""
    lines = split_lines(record, SPLITS)
    verdict = record.verdicts["collapse"]
    word = {True: "collapsed", False: "not collapsed", None: "undefined"}[verdict["collapsed"]]
    rate = "-" if verdict["rate"] is None else f"{verdict['rate']:.4g} nats"
    lines.append(f"{word}: test rate {rate}, {verdict['active_units']} of {verdict['latent_dim']} units active")
    if (weight := record.model["squared_error_weight"]) is not None:
        lines.append(f"D = C * squared error + constant with C = 1 / (2 scale^2) = {weight:g}")
    return [*lines, f"record: {folder / 'record.json'}"]


def split_lines(record: RunRecord, splits: Sequence[str]) -> list[str]:
    """A table of D, R and the bounds on I: one line a split, under a heading."""
    heading = f"{'split':<6} {'n':>7} {'distortion':>18} {'rate':>18} {'D + R':>10} {'I lower':>16} {'I upper':>16}"
    return [f"{heading}  cap ln N", *(_split_line(split, record.metrics[split]) for split in splits)]


def _split_line(split: str, metrics: Json) -> str:
    lower, distortion = metrics["mutual_information_lower"], metrics["distortion"]
    total = "-" if metrics["elbo"]["value"] is None else f"{-metrics['elbo']['value']:.3f}"
    return (
        f"{split:<6} {distortion['n']:>7} {_shown(distortion):>18} {_shown(metrics['rate']):>18} {total:>10} "
        f"{_shown(lower):>16} {_shown(metrics['mutual_information_upper']):>16}  {lower['cap']:.3f}"
    )


def _shown(entry: Json) -> str:
    if entry["value"] is None:
        return "-"
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.3f}"
    return f"{entry['value']:.3f}{stderr}"
