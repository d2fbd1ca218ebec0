"""The `command` of a sweep file: how W&B's agents start a run, and the flags that every run gets by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from vae_rd.config.cli import COMMANDS, given, split
from vae_rd.errors import InputError

COMMAND = ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
GOES_ON = "a sweep goes on with what is there; leave it out, and remove the folder of a run that is to begin anew"
# The other forms in which W&B writes parameters, and what is wrong with each.
MACROS: Mapping[str, str] = MappingProxyType(
    {
        "${args_no_hyphens}": "writes beta=4, which is no flag",
        "${args_no_equals}": "writes --beta and 4 apart, where some values would be flags",
        "${args_no_boolean_flags}": "leaves out what is false, even where a --config file says true",
        "${args_json}": "writes all values as one word, which is no flag",
        "${args_json_file}": "writes the name of a file, which is no flag",
        "${args_append_hydra}": "writes +beta=4, which is no flag",
        "${args_override_hydra}": "writes ++beta=4, which is no flag",
    }
)


def flags_of(command: Any, *, swept: Collection[str], where: str) -> tuple[str, ...]:
    """What every run of a sweep gets beside its parameters.

    Args:
        command: of the file.
        swept: parameters of the file.
        where: the file, for errors.

    Raises:
        InputError: where it is another command, or says what nothing would read.

    Example:
        >>> flags_of([*COMMAND[:4], "--patience=7", COMMAND[4]], swept=["beta"], where="x.yaml")
        ('--patience=7',)
    """
    words = [str(word) for word in command] if isinstance(command, list) else []
    for macro in (word for word in words if word in MACROS):
        raise InputError(f"{where}: command: {macro} {MACROS[macro]}; write {COMMAND}")
    start, flags, end = words[:4], words[4:-1], words[4:][-1:]
    if start != COMMAND[:4] or end != COMMAND[-1:]:
        raise InputError(f"{where}: command must be {COMMAND}, with further flags of every run before ${{args}}")
    for flag in (flag for flag in flags if "${" in flag):
        raise InputError(f"{where}: command: {flag} refers to something outside the file; write its value")
    try:
        _check_flags(flags, swept)
    except InputError as error:
        raise InputError(f"{where}: command: {error}") from None
    return tuple(flags)


def _check_flags(flags: Sequence[str], swept: Collection[str]) -> None:
    """Refuse flags that end the command, or that nothing reads since the file says something else further on."""
    given(flags)
    pairs = split(flags)
    if any(name in COMMANDS for name, _ in pairs):
        raise InputError("none of its flags may be --help, --version or --print_config; leave it out")
    names = [name for name, _ in pairs if name != "config"]
    if "overwrite" in names:
        raise InputError(f"--overwrite: {GOES_ON}")
    for name in names:
        if name in swept or names.count(name) > 1:
            raise InputError(f"--{name} is given twice, here or in parameters; leave one of them out")
