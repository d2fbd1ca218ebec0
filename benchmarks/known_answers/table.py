"""Rows of the table: an exact number, ours, how sure ours is, what was wanted, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ROUNDING = 1e-6  # What single precision makes of sums that are exactly 0, which no standard error knows of.
HEADING = "| quantity | exact | ours | s.e. | sigma off | wanted | |\n|:---|---:|---:|---:|---:|:---|:---|"


class Row(NamedTuple):
    """One quantity, ready to be printed; `holds` is the check behind `wanted`."""

    quantity: str
    exact: str
    ours: str
    stderr: str
    sigma: str
    wanted: str
    holds: bool

    def __str__(self) -> str:
        cells = [*self[:-1], "" if self.holds else "**missed**"]
        return f"| {' | '.join(cells)} |"


def close(
    quantity: str,
    exact: float,
    ours: float,
    stderr: float | None,
    *,
    within: float,
    slack: float = 0.0,
    digits: int = 4,
) -> Row:
    """Ours within a tolerance of the exact number, and `slack` standard errors on top."""
    wanted = f"within {within:.2g}" + (f" + {slack:g} s.e." if slack else "")
    return _row(quantity, exact, ours, stderr, wanted, abs(ours - exact) <= within + slack * (stderr or 0.0), digits)


def above(
    quantity: str,
    exact: float,
    ours: float,
    stderr: float | None,
    *,
    by: float | None,
    sigmas: float = 3.0,
    digits: int = 4,
) -> Row:
    """A bound from above: below the exact number by noise alone, and above it by at most `by`."""
    holds = ours >= exact - sigmas * (stderr or 0.0) and (by is None or ours <= exact + by)
    wanted = "from above" + ("" if by is None else f", by at most {by:.2g}")
    return _row(quantity, exact, ours, stderr, wanted, holds, digits)


def below(
    quantity: str,
    exact: float,
    ours: float,
    stderr: float | None,
    *,
    least: float | None,
    sigmas: float = 3.0,
    digits: int = 4,
) -> Row:
    """A bound from below: above the exact number by noise alone, and at least `least`."""
    holds = ours <= exact + sigmas * (stderr or 0.0) and (least is None or ours > least)
    wanted = "from below" + ("" if least is None else f", above {least:g}")
    return _row(quantity, exact, ours, stderr, wanted, holds, digits)


def bracket(
    quantity: str, exact: float, low: tuple[float, float], high: tuple[float, float], *, digits: int = 3
) -> Row:
    """The exact number between two bounds, each with its standard error, up to three of them and rounding."""
    holds = low[0] - 3 * low[1] - ROUNDING <= exact <= high[0] + 3 * high[1] + ROUNDING
    text = f"{low[0]:.{digits}f} .. {high[0]:.{digits}f}"
    errors = f"{low[1]:.1g}, {high[1]:.1g}"
    return Row(quantity, f"{exact:.{digits}f}", text, errors, "", "between, up to 3 s.e.", holds)


def limit(quantity: str, ours: float, *, most: float, digits: int = 4) -> Row:
    """A number that no theory gives, against the most that it may be."""
    return Row(quantity, "", f"{ours:.{digits}f}", "", "", f"at most {most:g}", ours <= most)


def problems(rows: Iterable[Row]) -> list[str]:
    """The rows that do not hold."""
    return [
        f"missed: {row.quantity}: {row.ours}, exact {row.exact}, wanted {row.wanted}" for row in rows if not row.holds
    ]


def _row(quantity: str, exact: float, ours: float, stderr: float | None, wanted: str, holds: bool, digits: int) -> Row:
    shown = (f"{exact:.{digits}f}", f"{ours:.{digits}f}")
    if not stderr:
        return Row(quantity, *shown, "", "", wanted, holds)
    return Row(quantity, *shown, f"{stderr:.2g}", f"{(ours - exact) / stderr:+.1f}", wanted, holds)
