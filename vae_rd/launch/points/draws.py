"""The distributions of a W&B sweep file as quantile functions: a number in [0, 1) to a value.

A search then works in the unit cube whatever it searches, and a random draw is a uniform number. The distributions
and their keys are those of W&B's sweep configuration (docs.wandb.ai, "Sweep configuration options").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, TypeGuard

from vae_rd.errors import InputError

Quantile = Callable[[float], Any]
Spec = Mapping[str, Any]
EDGE = 1e-12  # Normal quantiles are infinite at 0.


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u


def _whole(spec: Spec, u: float) -> int:
    low, high = spec["min"], spec["max"]
    return min(low + math.floor((high - low + 1) * u), high)


def _normal(spec: Spec, u: float) -> float:
    return NormalDist(spec.get("mu", 0.0), spec.get("sigma", 1.0)).inv_cdf(min(max(u, EDGE), 1 - EDGE))


def _log_values(spec: Spec, u: float) -> float:
    return math.exp(_between(math.log(spec["min"]), math.log(spec["max"]), u))


_RANGED: Mapping[str, Callable[[Spec, float], Any]] = MappingProxyType(
    {
        "int_uniform": _whole,
        "uniform": lambda spec, u: _between(spec["min"], spec["max"], u),
        "log_uniform": lambda spec, u: math.exp(_between(spec["min"], spec["max"], u)),
        "log_uniform_values": _log_values,
        "inv_log_uniform": lambda spec, u: math.exp(-_between(spec["min"], spec["max"], u)),
        "inv_log_uniform_values": _log_values,  # log(1/X) is uniform where log X is.
    }
)
_SHAPED: Mapping[str, Callable[[Spec, float], Any]] = MappingProxyType(
    {"normal": _normal, "log_normal": lambda spec, u: math.exp(_normal(spec, u))}
)
_ROUNDED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal")
NAMES = (*_RANGED, *_SHAPED, *(f"q_{name}" for name in _ROUNDED))


def quantile_of(spec: Spec, *, where: str) -> Quantile:
    """The quantile function of a parameter that has `min` and `max`, or a `distribution`.

    Args:
        spec: one parameter of a sweep file.
        where: its place, for errors.

    Raises:
        InputError: for an unknown distribution, or keys that are missing or make no sense.

    Example:
        >>> lr = quantile_of({"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, where="lr")
        >>> round(lr(0.5), 10)
        0.001
        >>> [quantile_of({"min": 1, "max": 3}, where="seed")(u) for u in (0.0, 0.5, 0.99)]
        [1, 2, 3]
    """
    name = distribution_of(spec)
    if name not in NAMES:
        raise InputError(f"{where}: distribution {name} is none of {', '.join(NAMES)}")
    base = name.removeprefix("q_")
    _check_keys(spec, name, where=where)
    _check(spec, base, where=where)
    draw = {**_RANGED, **_SHAPED}[base]
    if name == base:
        return lambda u: draw(spec, u)
    step = spec.get("q", 1)
    if not is_number(step) or step <= 0:
        raise InputError(f"{where}: q is {step}; give the step that values are rounded to, above 0")
    return lambda u: round(draw(spec, u) / step) * step


def distribution_of(spec: Spec) -> Any:
    """The distribution that a parameter names, or that its ends stand for.

    Example:
        >>> distribution_of({"min": 1, "max": 3}), distribution_of({"min": 1.0, "max": 3})
        ('int_uniform', 'uniform')
    """
    whole = type(spec.get("min")) is int and type(spec.get("max")) is int
    return spec.get("distribution", "int_uniform" if whole else "uniform")


def draws_whole(spec: Spec) -> bool:
    """Whether every draw is a whole number.

    Example:
        >>> draws_whole({"min": 1, "max": 3}), draws_whole({"distribution": "q_uniform", "min": 1, "max": 3, "q": 0.5})
        (True, False)
    """
    name = distribution_of(spec)
    return name == "int_uniform" or (name.startswith("q_") and float(spec.get("q", 1)).is_integer())


def _check_keys(spec: Spec, name: str, *, where: str) -> None:
    """Refuse what the distribution does not read, as W&B's schema does."""
    base = name.removeprefix("q_")
    read = ("mu", "sigma") if base in _SHAPED else ("min", "max")
    for key in spec:
        if key not in ("distribution", *read, *(("q",) if name != base else ())):
            other = {"q": f"q_{name}" if name in _ROUNDED else "q_uniform", "mu": "normal", "sigma": "normal"}.get(key)
            instead = f", or give distribution: {other}" if other else ""
            does = f"distribution {name} reads {' and '.join(read)}, not {key}"
            raise InputError(f"{where}: {does}; leave it out{instead}")


def _check(spec: Spec, base: str, *, where: str) -> None:
    if base in _SHAPED:
        if not (is_number(spec.get("mu", 0.0)) and is_number(spec.get("sigma", 1.0)) and spec.get("sigma", 1.0) > 0):
            raise InputError(f"{where}: mu and sigma must be numbers, sigma above 0")
        return
    low, high = spec.get("min"), spec.get("max")
    if base in ("log_uniform", "inv_log_uniform") and is_number(low) and is_number(high):
        _check_exponents(base, low, high, where=where)
    if not (is_number(low) and is_number(high) and low < high):
        hint = "; YAML takes 1e-4 for text, write 1.0e-4" if isinstance(low, str) or isinstance(high, str) else ""
        raise InputError(f"{where}: min {low} and max {high} must be numbers, min below max{hint}")
    if base == "int_uniform" and not (type(low) is int and type(high) is int):
        raise InputError(f"{where}: min {low} and max {high} of int_uniform must be whole numbers, such as 1 and 3")
    if base.endswith("_values") and low <= 0:
        raise InputError(f"{where}: min {low} has no logarithm; give min above 0")


def _check_exponents(base: str, low: float, high: float, *, where: str) -> None:
    """Refuse the values themselves where their logarithms are asked for: as exponents these hardly differ."""
    if max(-low, high) > 700 or 0 < low < high <= 1:
        raise InputError(f"{where}: min {low} and max {high} of {base} are exponents of e; did you mean {base}_values?")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number, and not text or a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
