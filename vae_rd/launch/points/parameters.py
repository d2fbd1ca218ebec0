"""The parameters of a sweep file: which values a flag may take, and with which probability."""

from __future__ import annotations

import bisect
import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_rd.config.cli import typed
from vae_rd.config.fields import FIELDS
from vae_rd.errors import InputError
from vae_rd.launch.points.draws import Quantile, quantile_of

PARAMETER_KEYS = ("value", "values", "probabilities", "distribution", "min", "max", "mu", "sigma", "q")
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
    if name not in FIELDS:
        near = difflib.get_close_matches(str(name), FIELDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see python -m vae_rd.fit --help"
        raise InputError(f"{where}: is no flag; {hint}")
    if not isinstance(spec, Mapping):
        raise InputError(f"{where}: give value, values, or min and max")
    check_keys(spec, PARAMETER_KEYS, where=where)
    parameter = _choices(name, spec, where=where) or _range(name, spec, method=method, where=where)
    if name in NOT_SWEPT and not parameter.is_constant:
        raise InputError(f"{where}: is the same for all runs of a sweep; give it one value")
    if name == "name":
        raise InputError(f"{where}: each run of a sweep gets a name of its own; leave it out")
    for value in parameter.extremes:
        _check_value(name, value, where=where)
    return parameter


def _choices(name: str, spec: Mapping[str, Any], *, where: str) -> Parameter | None:
    for form, (keys, distributions) in FORMS.items():
        if form in spec:
            check_keys(spec, keys, where=f"{where}: beside {form}")
            if spec.get("distribution", distributions[0]) not in distributions:
                raise InputError(f"{where}: distribution {spec['distribution']} has no {form}; leave one of them out")
    if "value" in spec:
        return Parameter(name, (spec["value"],))
    if "values" not in spec:
        return None
    values, weights = spec["values"], spec.get("probabilities")
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: values is empty; give one or more, such as [1, 4]")
    if weights is None:
        return Parameter(name, tuple(values))
    numbers = isinstance(weights, list) and all(isinstance(w, int | float) and w >= 0 for w in weights)
    if not numbers or len(weights) != len(values) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
        raise InputError(f"{where}: probabilities {weights}: give one for each of the {len(values)} values, 1 in sum")
    return Parameter(name, tuple(values), tuple(weights))


def _range(name: str, spec: Mapping[str, Any], *, method: str, where: str) -> Parameter:
    quantile = quantile_of(spec, where=where)
    if method != "grid":
        return Parameter(name, quantile=quantile)
    if type(quantile(0.0)) is not int or "q" in spec:
        raise InputError(f"{where}: a grid takes values, or whole numbers from min to max")
    if spec["max"] - spec["min"] >= MOST_CHOICES:
        raise InputError(f"{where}: from {spec['min']} to {spec['max']} is more than a grid can hold; give fewer")
    return Parameter(name, tuple(range(spec["min"], spec["max"] + 1)))


def _check_value(name: str, value: Any, *, where: str) -> None:
    try:
        typed({name: value}, where="")
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def check_keys(section: Mapping[Any, Any], known: Sequence[str], *, where: str) -> None:
    """Refuse a key that nobody reads.

    Raises:
        InputError: naming it, and what it may have been meant for.
    """
    for key in section:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise InputError(f"{where}: unknown key {key}; " + (f"did you mean {near[0]}?" if near else "remove it"))
