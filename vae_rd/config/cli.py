"""The command line in front of `FitConfig`: flags, config files and `--help`, with one-line errors and no torch.

Accepted forms: `--beta 4`, `--beta=4`, negative numbers, lists `"[512, 256]"`, booleans as `--overwrite`,
`--overwrite=True`, and null or None where a field has no value. `--config FILE` may be repeated; a later file wins over
an earlier one, and flags win over files wherever they stand.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_rd import __version__
from vae_rd.config.fields import FIELDS, FitConfig, choices, is_optional, to_yaml, value_type
from vae_rd.config.rules import validate
from vae_rd.config.versions import DEFAULTS_VERSION, EARLIER, FIRST_FIELDS
from vae_rd.errors import InputError

COMMANDS = ("help", "version", "print_config")

# OmegaConf knows no Literal before 2.4: to the schema a word is any text, and `_typed` looks it up.
_Schema = dataclasses.make_dataclass(
    "_Schema", [(name, str, field.default) for name, field in FIELDS.items() if choices(name)], bases=(FitConfig,)
)


@dataclass(frozen=True)
class Parsed:
    """A command line understood.

    Attributes:
        config: what its flags mean.
        message: text to print instead of running; None to run.
        spared: fields that an earlier run's own config.yaml states, of which none is refused for being unread.
    """

    config: FitConfig
    message: str | None = None
    spared: frozenset[str] = frozenset()


def parse(argv: Sequence[str]) -> Parsed:
    """Turn an argument vector into a valid config.

    Raises:
        InputError: for an unknown flag, a value of the wrong type or out of range, or an unreadable file.

    Example:
        >>> parse(["--beta=4", "--hidden", "[64, 32]"]).config.hidden
        [64, 32]
    """
    pairs = split(argv)
    if any(key == "help" for key, _ in pairs):
        return Parsed(FitConfig(), help_text())
    if any(key == "version" for key, _ in pairs):
        return Parsed(FitConfig(), f"vae_rd {__version__}")
    values, spared = _merged(pairs)
    config = from_mapping(values, where="command line")
    shown = to_yaml(config).rstrip() if any(key == "print_config" for key, _ in pairs) else None
    return Parsed(config, shown, frozenset(spared))


def given(argv: Sequence[str]) -> dict[str, Any]:
    """What an argument vector and its config files say, field by field, neither typed nor checked.

    Raises:
        InputError: for an unknown flag or an unreadable file.
    """
    return _merged(split(argv))[0]


def _merged(pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], set[str]]:
    """What files and flags say, and which of it is the word of an earlier run's own config.yaml."""
    merged: dict[str, Any] = {}
    of_a_run: set[str] = set()
    for path in (value for key, value in pairs if key == "config"):
        content = _read_config(path)
        of_a_run -= content.keys()
        if content.keys() >= FIRST_FIELDS:
            content = {"defaults_version": 1, **content}
            of_a_run |= content.keys()
        merged |= content
    flags = {k: v for k, v in pairs if k not in (*COMMANDS, "config") and not _left_by_agent(k)}
    return merged | flags, of_a_run - flags.keys()


def from_mapping(values: Mapping[str, Any], *, where: str) -> FitConfig:
    """A typed and validated FitConfig from flat values, as text or typed."""
    config = typed(values, where=where)
    validate(config)
    return config


def recorded(values: Mapping[str, Any], *, where: str) -> FitConfig:
    """The FitConfig of a run by its record, whichever version of the defaults it was made under.

    Raises:
        InputError: where the record is damaged.
    """
    return from_mapping({"defaults_version": 1, **values}, where=where)


def typed(values: Mapping[str, Any], *, where: str) -> FitConfig:
    """A FitConfig from flat values, each of its field's type; whether they go together is not looked at.

    Raises:
        InputError: for an unknown name or a value of the wrong type.
    """
    plain = {key: _plain(key, value, where=where) for key, value in values.items()}
    plain = {**EARLIER.get(_version(plain), {}), **plain}
    config = _typed(plain)
    if config is None:
        name = next(name for name, value in plain.items() if _typed({name: value}) is None)
        raise InputError(f"--{name} {plain[name]}: {_expected(name)}")
    return config


def _version(values: Mapping[str, Any]) -> int:
    """The version of the defaults that values ask for; one that is no version is refused with its type or range."""
    asked = _typed({"defaults_version": values.get("defaults_version", DEFAULTS_VERSION)})
    return DEFAULTS_VERSION if asked is None else asked.defaults_version


def split(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Pair flags with their text; a flag followed by another flag, or by nothing, means true."""
    pairs, tokens = [], list(argv)
    while tokens:
        token = tokens.pop(0)
        if token == "-h":
            token = "--help"
        if not token.startswith("--"):
            raise InputError(f"unexpected {token!r}: every value follows its flag, as in --beta 4")
        key, equals, value = token[2:].partition("=")
        if not equals and key not in COMMANDS:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else _implied(key)
        _known(key, where="command line")
        pairs.append((key, value))
    return pairs


def _implied(key: str) -> str:
    """What a flag without a value means: true, where that is a value at all."""
    if _left_by_agent(key) or (key in FIELDS and value_type(key) is bool):
        return "true"
    _known(key, where="command line")
    raise InputError(f"--{key}: {_expected(key) if key in FIELDS else 'name a YAML file'}")


def _known(key: str, *, where: str) -> None:
    if key in FIELDS or _left_by_agent(key) or (where == "command line" and key in (*COMMANDS, "config")):
        return
    near = difflib.get_close_matches(key, [*FIELDS, "config"], n=1)
    hint = f"did you mean --{near[0]}?" if near else "see --help"
    raise InputError(f"{where}: unknown {'flag --' if where == 'command line' else 'key '}{key}; {hint}")


def _left_by_agent(key: str) -> bool:
    """A run that a W&B agent requeues is started with every key it had logged; none of them is a flag."""
    logged = "/" in key or key in ("epoch", "step", "beta_effective", "collapsed")
    return "WANDB_SWEEP_ID" in os.environ and (logged or key.startswith("_")) and key not in FIELDS


def _read_config(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        content = "unreadable"
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: not a YAML file of flat `flag: value` lines")
    for key in content:
        _known(str(key), where=f"--config {path}")
    return content


def _plain(name: str, value: Any, *, where: str) -> Any:
    """What stands for a value: text of a list is read as YAML, text of a string is kept, a reference is refused."""
    _known(name, where=where)
    if isinstance(value, str) and value in ("null", "None") and is_optional(name):
        return None
    if value == "???" or "${" in str(value):
        raise InputError(f"--{name} {value}: {_expected(name)}; values refer to nothing outside themselves")
    if isinstance(value, str) and value_type(name) is list:
        with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError):
            return yaml.safe_load(value)
    return value


def _typed(values: Mapping[str, Any]) -> FitConfig | None:
    """Values as their fields' types, by OmegaConf; None where one of them is of another type, or not a field's word."""
    try:
        if any(choices(name) and value not in choices(name) for name, value in values.items()):
            return None
        merged = OmegaConf.merge(OmegaConf.structured(_Schema), dict(values))
        return FitConfig(**vars(OmegaConf.to_object(merged)))
    except (OmegaConfBaseException, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _expected(name: str) -> str:
    if words := choices(name):
        return f"choose one of {', '.join(words)}"
    kind = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list such as [512, 256]",
        str: "text",
    }
    return f"give {kind[value_type(name)]}{' or null' if is_optional(name) else ''}"


def help_text() -> str:
    """The text of `--help`: flags by group with default, choices and meaning."""
    lines = [
        "usage: python -m vae_rd.fit [--FLAG VALUE]... [--config FILE]... [--print_config] [--version] [--help]",
        "",
        "Fit a variational autoencoder at one beta; leave its rate, distortion and bounds in <run_dir>/<name>.",
    ]
    group = None
    for name, field in FIELDS.items():
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", f"{group}:"]
        lines += _help_entry(name, field.metadata["meaning"])
    return "\n".join(lines)


def _help_entry(name: str, meaning: str) -> list[str]:
    default = getattr(FitConfig(), name)
    shown = default if isinstance(default, str) else json.dumps(default)
    words = f" {{{','.join(choices(name))}}}" if choices(name) else ""
    text = textwrap.wrap(f"{meaning}{words} (default {shown})", 88, break_on_hyphens=False, break_long_words=False)
    return [f"  --{name:<18} {text[0]}", *(" " * 23 + line for line in text[1:])]
