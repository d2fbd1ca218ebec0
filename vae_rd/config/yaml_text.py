"""YAML as files of flags and of sweeps have it: PyYAML's safe subset, in which no key may be given twice.

YAML forbids it, PyYAML keeps the last without a word, and half of what a file says would be read by nobody. Anchors
and `<<` merges are as ever: what a mapping says itself wins over what it merges. Numbers of another base than ten that
do not look it (010 is 8, 1:30 is 90) are refused.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from vae_rd.errors import InputError

MERGE = "tag:yaml.org,2002:merge"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Refused(yaml.MarkedYAMLError):
    """YAML that PyYAML takes, for something else than whoever wrote it meant."""


class _Loader(yaml.SafeLoader):
    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """A value as it is written; of numbers those that are what they look like."""
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.tag in NUMBERS and re.fullmatch(r"[-+]?0\d+|.*:.*", node.value):
            base = "60" if ":" in node.value else "8"
            problem = f"YAML reads {node.value} as a number of base {base}; write it in base 10, or in quotes as text"
            raise _Refused(problem=problem, problem_mark=node.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written, its keys compared before anything is merged into it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (line := lines.get((key.tag, key.value))) is not None:
                problem = f"{key.value} is given here and in line {line}; leave one of them out"
                raise _Refused(problem=problem, problem_mark=key.start_mark)
            lines[key.tag, key.value] = key.start_mark.line + 1
        return node


def read_yaml(text: str, *, where: str, otherwise: str) -> Any:
    """What a YAML text holds.

    Args:
        text: of a file.
        where: the file, for errors.
        otherwise: what to say of text that is no YAML.

    Raises:
        InputError: for text that is no YAML, or in which a key is given twice, with its line.

    Example:
        >>> read_yaml("a: &a {beta: 1, seed: 3}\\nb: {<<: *a, beta: 4}", where="x.yaml", otherwise="not YAML")["b"]
        {'beta': 4, 'seed': 3}
        >>> read_yaml("beta: 1\\nbeta: 4", where="x.yaml", otherwise="not YAML")
        Traceback (most recent call last):
        vae_rd.errors.InputError: x.yaml, line 2: beta is given here and in line 1; leave one of them out
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        place = f"{where}, line {error.problem_mark.line + 1}" if error.problem_mark else where
        problem = f"{error.problem}" if isinstance(error, _Refused) else f"{otherwise} ({error.problem})"
        raise InputError(f"{place}: {problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{where}: {otherwise}") from None
