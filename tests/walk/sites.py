"""Where the code makes messages of refusal, and which of them a call has met."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vae_rd.errors import InputError

from helpers.common import ROOT

FOLDERS = ("vae_rd", "analysis")
PASSED_ON = ("_problem", "_problems")  # Functions of these names hand the text of a message to whoever raises it.


class Site(NamedTuple):
    """A place that makes a message.

    Attributes:
        file: from the repository's root.
        first: its first line.
        last: its last.
        text: what the message must look like, where it is handed on as text; None where it is an InputError at once.
    """

    file: str
    first: int
    last: int
    text: re.Pattern[str] | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


@cache
def sites() -> tuple[Site, ...]:
    return tuple(site for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) for site in _in(file))


def _in(file: Path) -> Iterator[Site]:
    name, tree = file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "InputError":
            yield Site(name, node.lineno, node.end_lineno or node.lineno)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "ArgumentTypeError":
            yield Site(name, node.lineno, node.end_lineno or node.lineno, _pattern(node.args[0]))
        elif isinstance(node, ast.FunctionDef) and node.name.endswith(PASSED_ON):
            yield from _texts(node, name)


def _texts(function: ast.FunctionDef, name: str) -> Iterator[Site]:
    for node in ast.walk(function):
        text = node.value if isinstance(node, ast.Yield | ast.Return) else None
        if isinstance(text, ast.JoinedStr) or isinstance(getattr(text, "value", None), str):
            pattern = _pattern(text)
            if re.search(r"\w", pattern.pattern):  # Else it is all put in, and looks like anything.
                yield Site(name, node.lineno, node.end_lineno or node.lineno, pattern)


def _pattern(text: ast.expr) -> re.Pattern[str]:
    """What a text looks like whatever is put into it; nothing for None."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    constants = (part.value if isinstance(part, ast.Constant) else None for part in parts)
    return re.compile("".join(".*" if part is None else re.escape(str(part)) for part in constants))


@contextmanager
def noted() -> Iterator[dict[str, Site]]:
    """The messages that are made within the block, each with its site."""
    made: dict[str, Site] = {}
    original = InputError.__init__

    def note(self: InputError, message: str) -> None:
        original(self, message)
        caller = sys._getframe(1)
        file = Path(caller.f_code.co_filename)
        if file.is_relative_to(ROOT):
            made[str(self)] = Site(file.relative_to(ROOT).as_posix(), caller.f_lineno, caller.f_lineno)

    InputError.__init__ = note  # type: ignore[method-assign]
    try:
        yield made
    finally:
        InputError.__init__ = original  # type: ignore[method-assign]


def met(line: str, made: dict[str, Site]) -> set[Site]:
    """The sites that a line of refusal comes from: those whose message it is, or has in it."""
    frames = [site for message, site in made.items() if message in line]
    found = {
        site
        for site in sites()
        if site.text is None and any(site.file == f.file and site.first <= f.first <= site.last for f in frames)
    }
    return found | {site for site in sites() if site.text is not None and site.text.search(line)}
