"""One flag's value: from the text of a command line, from YAML or from JSON to the type of its field.

Whoever writes values down chooses how: a W&B agent sends null as `None`, true as `True` and, of what came as JSON,
whole numbers as `8.0`. A value is taken in any form whose meaning is plain, and refused in the others.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from vae_rd.config.fields import FitConfig, choices, is_optional, value_type
from vae_rd.config.options import logspaced
from vae_rd.config.yaml_text import read_yaml
from vae_rd.errors import InputError

PATHS = ("data_dir", "data_file", "start_from", "run_dir")
EXACT = 2**53  # From it on a float stands for several whole numbers.
SWITCHES: Mapping[Any, bool] = MappingProxyType(
    {"true": True, "yes": True, "on": True, "y": True, "1": True, "1.0": True}
    | {"false": False, "no": False, "off": False, "n": False, "0": False, "0.0": False}
)
KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list such as [512, 256]",
    str: "text",
}


def typed_value(name: str, value: Any) -> Any:
    """A value as its field's type.

    Args:
        name: of the field.
        value: as text, or as YAML, JSON or Python has it.

    Raises:
        InputError: where it is none of that field, or refers to something outside itself.

    Example:
        >>> typed_value("latent_dim", "8.0"), typed_value("hidden", "[64, 1e2]"), typed_value("grad_clip", "None")
        (8, [64, 100], None)
    """
    if value == "???" or "${" in str(value):
        raise InputError(f"--{name} {value}: {expected(name)}; values refer to nothing outside themselves")
    if is_optional(name) and (value is None or value in ("null", "None")):
        return None
    plain = _from_yaml(value) if isinstance(value, str) and value_type(name) is list else value
    try:
        return _word(name, plain) if choices(name) else _READERS[value_type(name)](name, plain)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise InputError(f"--{name} {plain}: {expected(name)}{_hint(name, plain)}") from None


def expected(name: str) -> str:
    """What a field takes, in a few words that begin with what to do."""
    if words := choices(name):
        return f"choose one of {', '.join(words)}"
    return f"give {KINDS[value_type(name)]}{' or null' if is_optional(name) else ''}"


def expanded(path: str, *, where: str) -> str:
    """A path whose leading ~ is a home folder, which a shell leaves alone in quotes and after `=`.

    Raises:
        InputError: for the home of a user who is not there.
    """
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise InputError(f"{where} {path}: there is no such home folder here; write the path out") from None


@functools.lru_cache(maxsize=1000)
def _from_yaml(text: str) -> Any:
    """What text means as YAML; itself where it is none."""
    try:
        return read_yaml(text, where="", otherwise="")
    except InputError:
        return text


def _hint(name: str, value: Any) -> str:
    """Why YAML has another value than the one that was written."""
    if value_type(name) is not str or not isinstance(value, int | float):
        return ""
    if isinstance(value, bool):
        return "; YAML reads on, off, yes and no as true or false: write it in quotes"
    return "" if choices(name) else "; write it in quotes"


def _word(name: str, value: Any) -> str:
    """One of the field's words; a whole number that is one, such as the precision 32, may come as a number."""
    word = value if value in choices(name) else str(_whole(name, value))
    if word not in choices(name):
        raise ValueError
    return str(word)


def _switch(_: str, value: Any) -> bool:
    if (switch := SWITCHES.get(str(value).lower())) is None:
        raise ValueError
    return switch


def _is_number(value: Any) -> bool:
    """Whether a number may be made of it; numpy's are numbers as well."""
    return isinstance(value, str | Real) and not isinstance(value, bool)


def _whole(_: str, value: Any) -> int:
    if not _is_number(value):
        raise TypeError
    if isinstance(value, str | Integral):
        with contextlib.suppress(ValueError):
            return int(value)
    number = float(value)
    if not number.is_integer() or abs(number) >= EXACT:
        raise ValueError
    return int(number)


def _number(_: str, value: Any) -> float:
    if not _is_number(value):
        raise TypeError
    return float(value) + 0.0  # There is one zero: -0.0 would give a run another name.


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    text = os.fspath(value)
    return expanded(text, where=f"--{name}") if name in PATHS else text


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) and _element_type(name) is float:
        value = logspaced(value) or value
    if not isinstance(value, list | tuple):
        raise TypeError
    return [_READERS[_element_type(name)](name, element) for element in value]


@functools.cache
def _element_type(name: str) -> type:
    hint = get_type_hints(FitConfig)[name]
    return int if hint == list[int] or list[int] in get_args(hint) else float


_READERS: Mapping[type, Callable[[str, Any], Any]] = MappingProxyType(
    {bool: _switch, int: _whole, float: _number, str: _text, list: _list}
)
