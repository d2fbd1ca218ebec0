"""Whether the data and the network at hand are those of a run: by what they are, not by what they are called."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vae_rd.data.dataset import DataSet
from vae_rd.data.wanted import Wanted
from vae_rd.errors import InputError
from vae_rd.run.folder import ANOTHER
from vae_rd.run.record import Json, RunRecord

DIGITS = 6  # of a checksum, for people
UNCOMPARED = frozenset({"is_own", "file_sha256", "content", "params"})  # Of a record's data, besides its card.
SAID = frozenset({"file", "reading", "notes", "split"})  # Of a card's params: words, which are free.
DENSITY = ("grey", "real")  # Supports of x whose D is that of a density.
FLAGS = frozenset(Wanted._fields)
WIDTH = 60  # of a difference, in characters


def network_of(model: nn.Module) -> Json:
    """What a network is without its weights: its class, and a checksum of its modules and its tensors' shapes.

    Of a module count its class and its settings: numbers that are no integers (which may be counters), words, tuples.

    Example:
        >>> a, b = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> network_of(a)["class"], network_of(a) == network_of(b)
        ('Sequential', False)
    """
    modules = [f"{name} {type(module).__qualname__} {_settings(module)}" for name, module in model.named_modules()]
    tensors = [f"{name} {list(value.shape)}" for name, value in model.state_dict().items()]
    fingerprint = hashlib.sha256("\n".join(modules + tensors).encode()).hexdigest()
    return {"class": _class_name(model), "fingerprint": fingerprint}


def _settings(module: nn.Module) -> list[tuple[str, Any]]:
    own = ((name, value) for name, value in vars(module).items() if name != "training" and not name.startswith("_"))
    return sorted((name, value) for name, value in own if isinstance(value, float | bool | str | tuple))


def _class_name(model: nn.Module) -> str:
    """The class of one's own; of a VAE put together, those of its parts."""
    parts = [getattr(model, name, None) for name in ("encoder", "decoder", "prior")]
    names = [type(part).__qualname__ for part in (model, *parts) if isinstance(part, nn.Module)]
    return f"{names[0]}({', '.join(names[1:])})" if len(names) > 1 else names[0]


def check_network(model: nn.Module, record: RunRecord, folder: Path, *, otherwise: str = ANOTHER) -> None:
    """Refuse another network than one's own that a run was fitted with; older records do not know theirs.

    Args:
        model: at hand.
        record: of the run.
        folder: of the run.
        otherwise: what else than the run's own network helps.

    Raises:
        InputError: saying what both are.
    """
    before, now = record.model.get("network"), network_of(model)
    if record.model.get("is_own") and before is not None and before != now:
        raise InputError(
            f"{folder}: fitted with another network, {_named(before)}, not {_named(now)}; "
            f"give that one as model={otherwise}"
        )


def _named(network: Mapping[str, Any]) -> str:
    return f"{network['class']} ({str(network['fingerprint'])[:DIGITS]})"


def check_data(data: DataSet, record: RunRecord, folder: Path, *, otherwise: str = ANOTHER) -> None:
    """Refuse data that are not those a run was begun with.

    Args:
        data: at hand.
        record: of the run.
        folder: of the run.
        otherwise: what else than the run's own data helps.

    Raises:
        InputError: saying in what they differ.
    """
    for difference in data_differences(data, record):
        whose = "data= is" if record.data["is_own"] else f"--data {data.card.name} is"
        remedy = "give that data" if record.data["is_own"] else "restore its files"
        raise InputError(f"{folder}: {whose} not what this run was fitted to: {difference}; {remedy}{otherwise}")


def data_differences(data: DataSet, record: RunRecord) -> Iterator[str]:
    """In what data are not those that a run was fitted to, a few words for each."""
    yield from _differences(json.loads(json.dumps(data.card.to_json())), record.data)


def _differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """What two cards tell apart, of what both can know: a record may be older than some facts."""
    knows_content = before.get("content") is not None
    if knows_content and before["content"] != now["content"]:
        yield f"other pixels (checksum {now['content'][:DIGITS]}, was {before['content'][:DIGITS]})"
    facts, earlier = now["params"], before["params"]
    shared = facts.keys() & earlier.keys() if not knows_content else facts.keys() | earlier.keys()
    for name in (name for name in now if name in before and name not in UNCOMPARED | _known_otherwise(now)):
        yield from _difference(name, now[name], before[name])
    for name in (shared | FLAGS & (facts.keys() | earlier.keys())) - SAID:
        yield from _difference(name, facts.get(name), earlier.get(name))


def _known_otherwise(card: Mapping[str, Any]) -> set[str]:
    """What follows from the rest of a card, and older ones have otherwise, where their source is a population."""
    params = card["params"]
    is_random = params.get("binarization") == "dynamic" or params.get("dequantize") == "uniform"
    return {name for name, is_so in (("population", is_random), ("entropy", card["support"] in DENSITY)) if is_so}


def _difference(name: str, now: object, before: object) -> Iterator[str]:
    if now != before:
        was, is_now = (textwrap.shorten(json.dumps(value), WIDTH) for value in (before, now))
        yield f"{name.replace('_', ' ')} {is_now}, was {was}"
