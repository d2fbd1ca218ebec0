"""The command line in front of `FitConfig`: flags, config files and `--help`, with one-line errors and no torch.

Accepted forms: `--beta 4`, `--beta=4`, negative numbers, lists `"[512, 256]"`, booleans as `--overwrite`,
`--overwrite=True`, and null or None where a field has no value. `--config FILE` may be repeated; a later file wins over
an earlier one, and flags win over files wherever they stand. Of a flag given twice the last one holds, as everywhere,
so that a script's own flags may be followed by others; a key that a file has twice is refused.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vae_rd import __version__
from vae_rd.config.fields import FIELDS, FitConfig, choices, to_yaml, value_type
from vae_rd.config.help import help_text
from vae_rd.config.names import is_read
from vae_rd.config.rules import validate
from vae_rd.config.values import expanded, expected, typed_value
from vae_rd.config.versions import DEFAULTS_VERSION, EARLIER, FIRST_FIELDS, ONCE, RECORD_FILE
from vae_rd.config.yaml_text import read_yaml
from vae_rd.errors import InputError

COMMANDS = ("help", "version", "print_config")
# What runs log whose name is no flag's, and has no / either.
LOGGED = ("epoch", "step", "beta_effective", "score", "multiplier", "constraint", "share_paid", "collapsed")


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


@dataclass(frozen=True)
class Given:
    """What flags and config files say, neither typed nor checked.

    Attributes:
        values: field by field.
        of_a_run: fields whose value is the word of an earlier run's own config.yaml.
    """

    values: Mapping[str, Any]
    of_a_run: frozenset[str] = frozenset()

    def plus(self, flags: Mapping[str, str]) -> Given:
        """With further flags, which win; a `data: hf:PLACE` among them is also the data_file.

        One that chooses an objective wins over the word of a file whose objective does not read it.
        """
        above = {**_chosen_above(self.values, flags), **flags}
        said = with_place(above).keys()
        below = {name: value for name, value in self.values.items() if name not in said}
        return Given({**below, **above}, self.of_a_run - said)


def parse(argv: Sequence[str]) -> Parsed:
    """Turn an argument vector into a valid config.

    Raises:
        InputError: for an unknown flag, a value of the wrong type or out of range, or an unreadable file.

    Example:
        >>> parse(["--beta=4", "--hidden", "[64, 32]"]).config.hidden
        [64, 32]
    """
    asked = {key for key, _ in split(argv)}
    if "help" in asked:
        return Parsed(FitConfig(), help_text())
    if "version" in asked:
        return Parsed(FitConfig(), f"vae_rd {__version__}")
    parsed = understood(given(argv))
    return replace(parsed, message=to_yaml(parsed.config).rstrip()) if "print_config" in asked else parsed


def given(argv: Sequence[str]) -> Given:
    """What an argument vector and its config files say.

    Raises:
        InputError: for an unknown flag or an unreadable file.
    """
    pairs, files = split(argv), Given({})
    for path in (value for key, value in pairs if key == "config"):
        content = _read_config(path)
        if content.keys() >= FIRST_FIELDS:
            if Path(expanded(path, where="--config")).with_name(RECORD_FILE).is_file():  # Older ones state these.
                content = {name: value for name, value in content.items() if name not in ONCE}
            content = {"defaults_version": 1, **content}
            files = Given({**files.values, **content}, files.of_a_run | content.keys())
        else:
            files = files.plus(content)
    return files.plus({k: v for k, v in pairs if k not in (*COMMANDS, "config") and not _left_by_agent(k)})


def understood(said: Given) -> Parsed:
    """The config that flags and files mean; a sweep reads those of all its runs once.

    Raises:
        InputError: for a value of the wrong type or out of range.
    """
    return Parsed(from_mapping(said.values, where="command line"), spared=said.of_a_run)


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
    for name in values:
        _known(name, where=where)
    found = typed_values(values)
    earlier = EARLIER.get(found.get("defaults_version", DEFAULTS_VERSION), {})
    return FitConfig(**{**earlier, **_chosen_objective(found), **found})


def typed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat values of known names, each of its field's type.

    Raises:
        InputError: for a value of the wrong type.
    """
    return {name: typed_value(name, value) for name, value in with_place(values).items()}


def with_place(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values in which `data: hf:PLACE` is hf with PLACE as its data_file.

    Example:
        >>> with_place({"data": "hf:ylecun/mnist"})
        {'data': 'hf', 'data_file': 'ylecun/mnist'}
    """
    word, colon, place = str(values.get("data")).partition(":")
    is_place = word == "hf" and bool(colon) and values.get("data_file") is None
    return {**values, "data": word, "data_file": place} if is_place else values


def _chosen_objective(found: Mapping[str, Any]) -> dict[str, str]:
    """The objective that is chosen by a flag of its name, as `--target_rate 5` chooses one; it may be said as well.

    Of several the last of the table: beta, its first, is what many a config file has, and gives way.
    """
    named = [word for word in choices("objective") if found.get(word) is not None]
    return {"objective": named[-1]} if named else {}


def _chosen_above(below: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, str]:
    """The objective that flags choose by one of its name, where what is `below` states another that reads it not."""
    if "objective" in flags or "objective" not in below:
        return {}
    chosen = _chosen_objective({name: typed_value(name, flags[name]) for name in choices("objective") if name in flags})
    return {key: word for key, word in chosen.items() if not is_read(word, {**below, **flags})}


def split(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Pair flags with their text; a flag followed by another flag, or by nothing, means true."""
    pairs: list[tuple[str, str]] = []
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if token == "-h":
            token = "--help"
        if not token.startswith("--"):
            raise InputError(f"unexpected {token!r}: {_instead_of_a_word(pairs[-1][0] if pairs else '')}")
        key, equals, value = token[2:].partition("=")
        if equals and key in COMMANDS:
            raise InputError(f"--{key}: takes no value; leave ={value} out")
        if not equals and key not in COMMANDS:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else _implied(key)
        _known(key, where="command line")
        pairs.append((key, value))
    return pairs


def _instead_of_a_word(before: str) -> str:
    """How to write what stands by itself after this flag."""
    if before in FIELDS and value_type(before) is list:
        return f"a list is one word in quotes, as in --{before} '[512, 256]'"
    return "every value follows its flag, as in --beta 4"


def _implied(key: str) -> str:
    """What a flag without a value means: true, where that is a value at all."""
    if _left_by_agent(key) or (key in FIELDS and value_type(key) is bool):
        return "true"
    _known(key, where="command line")
    raise InputError(f"--{key}: {expected(key) if key in FIELDS else 'name a YAML file'}")


def _known(key: str, *, where: str) -> None:
    if key in FIELDS or _left_by_agent(key) or (where == "command line" and key in (*COMMANDS, "config")):
        return
    near = difflib.get_close_matches(key.lower(), [*FIELDS, "config"], n=1)
    hint = f"did you mean --{near[0]}?" if near else "see --help"
    raise InputError(f"{where}: unknown {'flag --' if where == 'command line' else 'key '}{key}; {hint}")


def _left_by_agent(key: str) -> bool:
    """A run that a W&B agent requeues is started with every key it had logged; none of them is a flag."""
    logged = "/" in key or key in LOGGED
    return "WANDB_SWEEP_ID" in os.environ and (logged or key.startswith("_")) and key not in FIELDS


def _read_config(path: str) -> dict[str, Any]:
    where, no_flags = f"--config {path}", "not a YAML file of flat `flag: value` lines"
    try:
        text = Path(expanded(path, where="--config")).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror}); name a YAML file") from None
    except ValueError:  # A path with a NUL, or bytes that are no text.
        raise InputError(f"{where}: {no_flags}") from None
    content = read_yaml(text, where=where, otherwise=no_flags)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{where}: {no_flags}")
    for key in content:
        _known(str(key), where=where)
    return content
