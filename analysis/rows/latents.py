"""What records say of single units of z and of the verdicts on a run, as tidy rows."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.rows.finding import of_each
from analysis.rows.reading import Damaged, Part, record_of
from analysis.rows.runs import Row
from analysis.rows.scale import Scale
from vae_rd.run.record import RunRecord

OLDER: dict[object, str] = {True: "collapsed", False: "not collapsed"}  # what records without a state know
UNITS = ("folder", "unit", "place", "rate", "rate_stderr")
VERDICTS = (
    *("folder", "state", "fit", "shuffle_rise", "shuffle_rise_stderr", "active_by_rate"),
    *("total_correlation", "total_correlation_stderr"),
)


def load_units(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """One row per run and unit of z, with `UNITS`: the number of the unit, its place by falling rate, and its rate.

    Runs whose R does not fall into units, as under a flow, have none.

    Args:
        runs: from `load_runs`, whose units the rates take.
        split: whose metrics are read.

    Warns:
        RunWarning: one line that names the runs where they are damaged.
    """
    rows = of_each(runs, lambda run: list(_units(run, split)), what="damaged rates of units")
    return pd.DataFrame(rows, columns=list(UNITS))


def _units(run: Row, split: str) -> Iterator[Row]:
    rates, errors = unit_rates(record_of(run["folder"]), Scale.of_row(run), split=split)
    order = sorted(range(len(rates)), key=lambda unit: -rates[unit])
    for place, unit in enumerate(order):
        measured = {"rate": rates[unit], "rate_stderr": errors[unit]}
        yield {"folder": run["folder"], "unit": unit, "place": place, **measured}


def unit_rates(record: RunRecord, scale: Scale, *, split: str) -> tuple[list[float], list[float]]:
    """The rate of each unit of z and its standard error, in order of the units; none where R does not fall into them.

    Raises:
        Damaged: where they are not as a run leaves them.
    """
    entry = _metrics(record, split).optional("rate_per_dim")
    rates = entry.numbers("value") if "value" in entry else []
    errors = entry.numbers("stderr") if "stderr" in entry else [float("nan")] * len(rates)
    if len(rates) != len(errors):
        raise Damaged("the lists of the units' rates differ in length")
    rates, errors = ([scale.per_nat * value for value in values] for values in (rates, errors))
    return rates, errors


def load_verdicts(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """One row per run, with `VERDICTS`; NaN and None where a record does not have it.

    `state` is that of the verdict on the latents, of an older record "collapsed" or "not collapsed"; `fit` that on
    training; `shuffle_rise` what D rises by under z of another x; `total_correlation` of z, from `--information`.

    Args:
        runs: from `load_runs`, whose units nats take.
        split: whose metrics and estimates are read.

    Warns:
        RunWarning: one line that names the runs where they are damaged.
    """
    rows = of_each(runs, lambda run: [_verdicts(run, split)], what="damaged verdicts")
    return pd.DataFrame(rows, columns=list(VERDICTS))


def _verdicts(run: Row, split: str) -> Row:
    record, per_nat = record_of(run["folder"]), Scale.of_row(run).per_nat
    verdicts, metrics = Part(record.verdicts, "verdicts"), _metrics(record, split)
    collapse = verdicts.optional("collapse")
    state = collapse.word("state") or OLDER.get(collapse.content.get("collapsed"))
    rise, correlation = metrics.optional("shuffle_rise"), _total_correlation(record, split)
    row = {"folder": run["folder"], "state": state, "fit": verdicts.optional("fit").word("verdict")}
    for name, entry in (("shuffle_rise", rise), ("total_correlation", correlation)):
        row |= {name: per_nat * entry.maybe("value"), f"{name}_stderr": per_nat * entry.maybe("stderr")}
    return row | {"active_by_rate": metrics.optional("active_units_by_rate").maybe("value")}


def _metrics(record: RunRecord, split: str) -> Part:
    return Part(record.metrics, "metrics").optional(split)


def _total_correlation(record: RunRecord, split: str) -> Part:
    """Of the last estimate of R in parts on the split; empty where there is none."""
    entries = [Part(entry, "estimate") for entry in record.estimates]
    found = [e for e in entries if e.text("kind") == "information" and e.text("split") == split and "own" in e]
    return found[-1].part("own").optional("total_correlation") if found else Part({}, "estimate")
