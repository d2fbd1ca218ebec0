"""A table of runs: one row a run, rounded as its standard errors allow, the best in bold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from analysis.figures.booktabs import booktabs
from analysis.figures.cells import Cells, Table
from analysis.figures.markdown import markdown
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs, settings_of
from analysis.rows.runs import Row, as_rows
from analysis.rows.scale import scale_note
from analysis.statistics.best import OF_BETA, RULE, add_best
from analysis.statistics.bounds import Entropy, add_bounds, entropies, information_interval, warn_impossible
from analysis.style import unit_label

ASKED = "R asked"  # after β, where rates were asked for
COLUMNS = ("β", "seed", "D", "R", "D + R", "H − D", "I", "cap", "active", "collapsed", "n")
OBJECTIVE = "D + β R"  # after D + R, where the runs differ in more than beta and seed
GAP = "gap"  # the last column, of data sets whose R(D) is known
UNKNOWN = "–"
FORMATS: Mapping[str, Callable[[Table], str]] = {".md": markdown, ".tex": booktabs}
FINEST = 6  # decimals; a standard error that vanishes there is not printed


def table(runs: pd.DataFrame, *, split: str = "test", suffix: str = ".md") -> str:
    """One table per data set, with what its numbers rest on, in Markdown or LaTeX.

    A field of the config that differs between the runs has a column, and so has D + beta R then. Rows are sorted by
    beta, by what differs, and by seed; where that takes more values than groups can have, by beta and D + beta R.

    Args:
        runs: from `load_runs`, of any number of data sets.
        split: whose metrics are shown.
        suffix: ".md", or ".tex" for LaTeX with booktabs.

    Raises:
        InputError: when no run has metrics on `split`.

    Warns:
        RunWarning: one line for each row that a known H or a lower bound on I rules out.
    """
    parts = [FORMATS[suffix](_one_data_set(rows, name, split)) for name, rows in data_sets(runs).items()]
    return "\n\n".join(parts) + "\n"


def table_numbers(runs: pd.DataFrame, *, split: str) -> pd.DataFrame:
    """The rows of `table`, unrounded, with every column of `add_bounds`, and one for each field that differs."""
    parts = [_rows(rows, group_runs(rows), split).assign(data=name) for name, rows in data_sets(runs).items()]
    return add_settings(pd.concat(parts, ignore_index=True), runs)


def _rows(runs: pd.DataFrame, groups: Groups, split: str) -> pd.DataFrame:
    rows = add_bounds(runs, split=split)
    return add_best(groups.ordered(rows[rows["split"] == split]))


def _one_data_set(runs: pd.DataFrame, name: str, split: str) -> Table:
    rows = _rows(runs, group_runs(runs), split)
    warn_impossible(rows)
    sizes = ", ".join(f"{row['split']} {count(row['n'])}" for row in as_rows(runs.drop_duplicates("split")))
    cells, of_sum, of_beta = table_cells(rows), list(rows["best_sum"]), list(rows["best_objective"])
    bold = {"D + R": of_sum} | ({OBJECTIVE: of_beta} if OBJECTIVE in cells else {})
    rule = RULE.format(OF_BETA if OBJECTIVE in cells else "") if any(map(any, bold.values())) else ""
    return Table(name, f"({sizes}), {table_basis(runs, rows, split=split)}", cells, bold, rule)


def table_basis(runs: pd.DataFrame, rows: pd.DataFrame, *, split: str) -> str:
    """What the numbers of a table rest on, in sentences.

    Args:
        runs: of one data set, from `load_runs`.
        rows: those of the table.
        split: whose metrics they are.
    """
    first = rows.iloc[0]
    said = [
        f"{split} split, {unit_label(first['units'])}; ± is one standard error.",
        _foundation(entropies(runs, split=split).get(split)),
    ]
    if note := scale_note(first.to_dict()):
        said.append(f"{note}.")
    if rows["gap"].notna().any():
        said.append("gap is D + β R above its least value on Shannon's R(D) at the run's scale (exact).")
    return " ".join(said)


def table_cells(rows: pd.DataFrame) -> dict[str, Sequence[str]]:
    """The columns of a table by their names, one text a row.

    Args:
        rows: of one data set and split, from `add_bounds`.
    """
    cells: dict[str, Sequence[str]] = dict(
        zip(COLUMNS, zip(*(_cells(row) for row in as_rows(rows)), strict=True), strict=True)
    )
    if rows["target_rate"].notna().any():
        cells = {"β": cells["β"], ASKED: [_shortest(rate) for rate in rows["target_rate"]]} | cells
    if differing := settings_of(rows):
        cells = _with_settings(cells, differing, _column(rows, "objective"))
    return cells if rows["gap"].isna().all() else cells | {GAP: _column(rows, "gap")}


def _column(rows: pd.DataFrame, name: str) -> Sequence[str]:
    return [measured(value, stderr) for value, stderr in rows[[name, f"{name}_stderr"]].to_numpy()]


def _with_settings(cells: Cells, settings: Cells, objective: Sequence[str]) -> dict[str, Sequence[str]]:
    """The columns with those of the settings after the seed, and of the objective after D + R."""
    found: dict[str, Sequence[str]] = {}
    for name, column in cells.items():
        found[name] = column
        found |= {"seed": settings, "D + R": {OBJECTIVE: objective}}.get(name, {})
    return found


def _foundation(entropy: Entropy | None) -> str:
    """What H - D rests on."""
    if entropy is None:
        return "H is not known."
    value = measured(entropy.value, entropy.stderr)
    if entropy.known:
        return f"H = {value} ({entropy.kind.replace('_', ' ')}, {entropy.source})."
    return f"H is not known; ≈ takes Ĥ = {value}, {entropy.source}, for it: an estimate, not a bound."


def _cells(row: Row) -> tuple[str, ...]:
    h_minus_d = measured(row["h_minus_d"], row["h_minus_d_stderr"])
    estimated = row["h_kind"] == "estimate" and h_minus_d != UNKNOWN
    return (
        _shortest(row["beta"]),
        str(row["seed"]),
        measured(row["distortion"], row["distortion_stderr"]),
        measured(row["rate"], row["rate_stderr"]),
        measured(-row["elbo"], row["elbo_stderr"]) + (" (impossible)" if row["impossible"] else ""),
        f"≈ {h_minus_d}" if estimated else h_minus_d,
        _information(row),
        rounded(row["mutual_information_lower_cap"], 0.0),
        f"{rounded(row['active_units'], 10.0)} / {row['latent_dim'] or UNKNOWN}",
        {True: "yes", False: "no"}.get(row["collapsed"], UNKNOWN),
        count(row["n"]),
    )


def _shortest(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:g}"


def _information(row: Row) -> str:
    """I itself where the split is its whole source, else the interval between its bounds."""
    (low, high), low_stderr = information_interval(row), row["mutual_information_lower_stderr"]
    if row["mutual_information_lower_kind"] != "bound":
        return measured(low, low_stderr)
    high_stderr = row["mutual_information_upper_stderr"]
    return f"[{rounded(low, low_stderr)}, {rounded(high, high_stderr)}]"


def count(n: int | None) -> str:
    """Of how many examples a number is, where that is known.

    Example:
        >>> count(64), count(None)
        ('64', '–')
    """
    return UNKNOWN if n is None else str(n)


def measured(value: float, stderr: float) -> str:
    """A value and its standard error, both rounded to two significant digits of the latter.

    Example:
        >>> measured(7.94748, 0.01234), measured(8.236421, 0.0), measured(float("nan"), 0.1)
        ('7.947 ± 0.012', '8.2364', '–')
    """
    if math.isnan(value) or _decimals(stderr) is None:
        return rounded(value, stderr)
    return f"{rounded(value, stderr)} ± {rounded(stderr, stderr)}"


def rounded(value: float, stderr: float) -> str:
    """A value alone, to two significant digits of its standard error; four decimals where that is 0 or unknown.

    Example:
        >>> rounded(-1234.5, 120.0), rounded(0.25, 0.0996)
        ('−1234', '0.25')
    """
    if math.isnan(value):
        return UNKNOWN
    decimals = _decimals(stderr)
    text = f"{value:.{4 if decimals is None else decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _decimals(stderr: float) -> int | None:
    """Decimals that show two significant digits of a standard error; None where there is nothing to show."""
    if math.isnan(stderr) or stderr < 0.5 * 10.0**-FINEST:
        return None
    leading = math.floor(math.log10(float(f"{stderr:.1e}")))
    return min(max(1 - leading, 0), FINEST)
