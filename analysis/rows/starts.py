"""What runs started from, by names that those of several seeds have in common."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

FIELD = "start_from"


def name_starts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The configs of rows, where what a run started from is called by its aim alone, as `multirate0.01to0.6`.

    The name of a run has its seed in it, and digits of all its flags: under that each seed would be a setting of its
    own. Where runs that are alike in all else, seed and data too, started from several of one aim, names stay whole.

    Args:
        rows: with `data`, `seed` and `config`.
    """
    configs = [json.loads(row["config"]) if f'"{FIELD}": "' in row["config"] else {} for row in rows]
    names = [str(config.get(FIELD, "")) for config in configs]
    aims = [_aim(name, row["seed"]) for name, row in zip(names, rows, strict=True)]
    told = [json.dumps(config | {FIELD: aim}) for config, aim in zip(configs, aims, strict=True)]
    found = defaultdict[tuple[str, str, int], set[str]](set)
    for row, config, name in zip(rows, told, names, strict=True):
        found[row["data"], config, row["seed"]].add(name)
    unclear = {(data, config) for (data, config, _), names_of in found.items() if len(names_of) > 1}
    return [
        config if name and (row["data"], config) not in unclear else row["config"]
        for row, config, name in zip(rows, told, names, strict=True)
    ]


def _aim(name: str, seed: int) -> str:
    """What a run's name says between its data set and its seed; the whole of a name that was given to it."""
    found = re.fullmatch(rf"\w+-(.+)-seed{seed}-[0-9a-f]{{8}}", name)
    return found[1] if found else name
