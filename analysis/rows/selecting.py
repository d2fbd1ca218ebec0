"""Which runs an expression such as "beta < 10 and data == 'mnist'" selects; it is read, never evaluated as code."""

from __future__ import annotations

import ast
import difflib
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from analysis.rows.runs import as_rows
from vae_rd.errors import InputError

FORM = "give comparisons joined by and, or, not, such as \"beta < 10 and prior in ['normal', 'maf']\""
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
Fields = Mapping[str, Any]


def select_runs(runs: pd.DataFrame, expression: str, *, split: str = "test") -> pd.DataFrame:
    """The rows, of all splits, of the runs for which an expression holds.

    Its names are columns of `load_runs` (metrics are those of `split`) and fields of the config; a comparison with
    what a run does not have, or of a number with a word, does not hold, whatever it is.

    Args:
        runs: from `load_runs`.
        expression: comparisons joined by and, or, not, in Python's notation; chains such as `1 <= beta < 10` too.
        split: whose metrics are meant.

    Raises:
        InputError: for an expression of another form, a name that no run has, and where no run is left.

    Example:
        >>> rows = {"folder": ["a", "b"], "split": "test", "beta": [1.0, 20.0], "config": ['{"prior": "maf"}', "{}"]}
        >>> select_runs(pd.DataFrame(rows), "beta < 10 or prior == 'maf'")["folder"].tolist()
        ['a']
    """
    tree, table = _parsed(expression), _fields(runs, split)
    known = set().union(*table.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            raise InputError(f"--select: no run has a field {node.id!r}; {_instead(node.id, known)}")
    chosen = {folder for folder, fields in table.items() if _holds(tree, fields)}
    if not chosen:
        raise InputError(f"--select: {expression!r} holds for none of {len(table)} runs; change it")
    return runs[runs["folder"].isin(chosen)].reset_index(drop=True)


def _parsed(expression: str) -> ast.expr:
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(f"--select: {expression!r} cannot be read; {FORM}") from None
    _check(tree)
    return tree


def _check(tree: ast.expr) -> None:
    """Refuse all but comparisons and what joins them."""
    match tree:
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _check(part)
        case ast.Compare() if all(type(op) in COMPARISONS for op in tree.ops):
            _check_sides(tree)
        case _:
            raise InputError(f"--select: {ast.unparse(tree)!r} is no comparison; {FORM}")


def _check_sides(tree: ast.Compare) -> None:
    for op, right in zip(tree.ops, tree.comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn) and not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise InputError(f"--select: {ast.unparse(right)!r} after in is no list; {FORM}")
    for side in (tree.left, *tree.comparators):
        if not isinstance(side, ast.Name):
            _constant(side)


def _constant(node: ast.expr) -> Any:
    """A number, word or list of them."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise InputError(f"--select: {ast.unparse(node)!r} is neither field nor value; {FORM}") from None


def _fields(runs: pd.DataFrame, split: str) -> dict[str, Fields]:
    """What each run has, by its folder: fields of its config, and the columns of its row of the split."""
    asked = runs[runs["split"] == split] if "split" in runs else runs
    rows = pd.concat([asked, runs]).drop_duplicates("folder")
    return {str(row["folder"]): json.loads(row["config"]) | _columns(row) for row in as_rows(rows)}


def _columns(row: Mapping[str, Any]) -> Fields:
    return {str(name): value for name, value in row.items() if name not in ("card", "config")}


def _holds(tree: ast.expr, fields: Fields) -> bool:
    if isinstance(tree, ast.BoolOp):
        some = all if isinstance(tree.op, ast.And) else any
        return some(_holds(part, fields) for part in tree.values)
    if isinstance(tree, ast.UnaryOp):
        return not _holds(tree.operand, fields)
    assert isinstance(tree, ast.Compare)  # `_check` has refused all else.
    values = [_value(side, fields) for side in (tree.left, *tree.comparators)]
    pairs = zip(values, tree.ops, values[1:], strict=False)
    return all(_compares(COMPARISONS[type(op)], left, right) for left, op, right in pairs)


def _value(node: ast.expr, fields: Fields) -> Any:
    return fields.get(node.id) if isinstance(node, ast.Name) else _constant(node)


def _compares(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """Whether it holds; what is missing is neither equal to anything nor unequal."""
    if any(value is None or value != value for value in (left, right)):  # NaN alone differs from itself.
        return False
    try:
        return bool(compare(left, right))
    except TypeError:
        return False


def _instead(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else "give a field of their configs or tables,"
    return f"{meant} or put a word into quotes"
