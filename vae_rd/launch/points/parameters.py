"""The parameters of a sweep file: which values a flag may take, and with which probability."""

from __future__ import annotations

import bisect
import difflib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_rd.config.cli import typed_values
from vae_rd.config.fields import FIELDS, value_type
from vae_rd.errors import InputError
from vae_rd.launch.points.command import GOES_ON
from vae_rd.launch.points.draws import Quantile, distribution_of, draws_whole, is_number, quantile_of

PARAMETER_KEYS = ("value", "values", "probabilities", "distribution", "min", "max", "mu", "sigma", "q", "a", "b")
# The ways to give choices: what may stand beside them, and what W&B calls the distribution.
FORMS = {
    "value": (("value", "distribution"), ("constant",)),
    "values": (("values", "probabilities", "distribution"), ("categorical", "categorical_w_probabilities")),
}
MOST_CHOICES = 100_000
NOT_SWEPT = ("run_dir", "name", "resume", "overwrite")


@dataclass(frozen=True)
class Parameter:
    """One parameter: choices, each with its probability, or a distribution by its quantile function."""

    name: str
    choices: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] = ()
    quantile: Quantile | None = None

    @property
    def is_constant(self) -> bool:
        """Whether every run has the same value."""
        return len(self.choices) == 1

    def at(self, u: float) -> Any:
        """The value that a uniform number u in [0, 1) stands for.

        Example:
            >>> [Parameter("beta", (1, 4), (0.25, 0.75)).at(u) for u in (0.0, 0.2, 0.3, 0.9)]
            [1, 1, 4, 4]
        """
        return self.choices[self.choice(u)] if self.quantile is None else self.quantile(u)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Every choice, or the two ends of a distribution."""
        return self.choices if self.quantile is None else (self.quantile(0.0), self.quantile(math.nextafter(1.0, 0.0)))

    def choice(self, u: float) -> int:
        """The place among the choices that u stands for."""
        if not self.probabilities:
            return int(u * len(self.choices))
        return min(bisect.bisect_right([*itertools.accumulate(self.probabilities)], u), len(self.choices) - 1)


def parameter_of(name: Any, spec: Any, *, method: str, where: str) -> Parameter:
    """One parameter of a sweep file.

    Args:
        name: a flag.
        spec: what the file says of it.
        method: of the sweep.
        where: its place, for errors.

    Raises:
        InputError: where it is no flag, or its values are none of that flag.
    """
    _check_name(name, spec, where=where)
    if not isinstance(spec, Mapping):
        raise InputError(f"{where}: give value, values, or min and max")
    check_keys(spec, PARAMETER_KEYS, where=where)
    parameter = _choices(name, spec, method=method, where=where) or _range(name, spec, method=method, where=where)
    if name in NOT_SWEPT and not parameter.is_constant:
        raise InputError(f"{where}: is the same for all runs of a sweep; give it one value")
    if name == "overwrite":
        raise InputError(f"{where}: {GOES_ON}")
    if name == "name":
        raise InputError(f"{where}: each run of a sweep gets a name of its own; leave it out")
    _check_values(parameter, method=method, where=where)
    return parameter


def _check_name(name: Any, spec: Any, *, where: str) -> None:
    if isinstance(spec, Mapping) and "parameters" in spec and isinstance(spec["parameters"], Mapping):
        inner = ", ".join(_flags_within(spec["parameters"]))
        raise InputError(f"{where}: flags do not nest; write {inner} beside the others, right under parameters")
    if name not in FIELDS:
        near = difflib.get_close_matches(str(name).rpartition(".")[2], FIELDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see python -m vae_rd.fit --help"
        raise InputError(f"{where}: is no flag; {hint}")


def _flags_within(parameters: Mapping[Any, Any]) -> Iterator[str]:
    """The names of nested parameters, however deep."""
    for name, spec in parameters.items():
        inner = spec.get("parameters") if isinstance(spec, Mapping) else None
        yield from _flags_within(inner) if isinstance(inner, Mapping) else (f"{name}",)


def _choices(name: str, spec: Mapping[str, Any], *, method: str, where: str) -> Parameter | None:
    for form, (keys, distributions) in FORMS.items():
        if form in spec:
            check_keys(spec, keys, where=f"{where}: beside {form}")
            if spec.get("distribution", distributions[0]) not in distributions:
                raise InputError(f"{where}: distribution {spec['distribution']} has no {form}; leave one of them out")
        elif spec.get("distribution") in distributions:
            raise InputError(
                f"{where}: distribution {spec['distribution']} needs {form}; add {form}, or leave distribution out"
            )
    if "value" in spec:
        return Parameter(name, (spec["value"],))
    if "values" not in spec:
        return None
    values = spec["values"]
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: values is {values or 'empty'}; give a list of one or more, such as [1, 4]")
    return Parameter(name, tuple(values), _probabilities(spec, method=method, where=where))


def _probabilities(spec: Mapping[str, Any], *, method: str, where: str) -> tuple[float, ...]:
    weights, count = spec.get("probabilities"), len(spec["values"])
    if weights is None and spec.get("distribution") != "categorical_w_probabilities":
        return ()
    if method == "grid":
        raise InputError(f"{where}: a grid takes every value once, with any probabilities; leave out all but values")
    numbers = tuple(w for w in weights if is_number(w) and w >= 0) if isinstance(weights, list) else ()
    if len(numbers) != count or [*numbers] != weights or not math.isclose(sum(numbers), 1, abs_tol=1e-6):
        raise InputError(f"{where}: probabilities {weights}: give one for each of the {count} values, 1 in sum")
    return numbers


def _range(name: str, spec: Mapping[str, Any], *, method: str, where: str) -> Parameter:
    quantile = quantile_of(spec, where=where)
    if value_type(name) not in (int, float):
        raise InputError(f"{where}: a distribution is of numbers; give values, a list of what the flag may be")
    if value_type(name) is int and not draws_whole(spec):
        drawn, whole = distribution_of(spec), "whole numbers as min and max, or q_uniform with q: 1"
        raise InputError(f"{where}: takes whole numbers, and distribution {drawn} has others; give {whole}")
    if value_type(name) is float and method != "grid" and draws_whole(spec) and "distribution" not in spec:
        instead = f"give one of them as {spec['max']}.0, or distribution: int_uniform"
        raise InputError(f"{where}: W&B, of whole numbers, draws none but those; {instead}")
    if method != "grid":
        return Parameter(name, quantile=quantile)
    if type(quantile(0.0)) is not int or "q" in spec:
        raise InputError(f"{where}: a grid takes values, or whole numbers from min to max")
    if spec["max"] - spec["min"] >= MOST_CHOICES:
        raise InputError(f"{where}: from {spec['min']} to {spec['max']} is more than a grid can hold; give fewer")
    return Parameter(name, tuple(range(spec["min"], spec["max"] + 1)))


def _check_values(parameter: Parameter, *, method: str, where: str) -> None:
    """Refuse what is no value of the flag, and one that is there twice; of a grid the two runs are compared."""
    found: set[str] = set()
    for value in parameter.extremes:
        typed = _typed(parameter.name, value, where=where)
        if f"{typed}" in found and method != "grid" and parameter.quantile is None:
            raise InputError(
                f"{where}: values has {value} twice; leave one of them out, probabilities say what is drawn more often"
            )
        found.add(f"{typed}")


def _typed(name: str, value: Any, *, where: str) -> Mapping[str, Any]:
    """What a value says, flag by flag: `data: hf:PLACE` is a data_file as well."""
    try:
        return typed_values({name: value})
    except InputError as error:
        hint = "; values is a list of such lists" if value_type(name) is list else ""
        raise InputError(f"{where}: {error}{hint}") from None


def check_keys(section: Mapping[Any, Any], known: Sequence[str], *, where: str) -> None:
    """Refuse a key that nobody reads.

    Raises:
        InputError: naming it, and what it may have been meant for.
    """
    for key in section:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise InputError(f"{where}: unknown key {key}; " + (f"did you mean {near[0]}?" if near else "remove it"))
