"""What makes a run itself: its name, its identity, and what may differ when it goes on."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vae_rd.config.fields import FIELDS, FitConfig, to_dict
from vae_rd.config.values import expanded
from vae_rd.config.versions import EARLIER, FIRST_FIELDS

# Fields that say where or how a run is carried out, not which numbers it produces: a run keeps its name without them.
UNNAMED_FIELDS = frozenset(
    {"run_dir", "name", "devices", "num_nodes", "accelerator", "strategy", "wandb", "wandb_project"}
    | {"resume", "overwrite", "data_dir", "defaults_version", "units", "media_every"}
)
# Where one's own data lie: what they hold is compared, by the checksum on their card.
PATHS_OF_CONTENT = frozenset({"data_file"})
# What may change when an interrupted run is continued.
RESUMABLE_FIELDS = frozenset({"max_epochs", "max_steps"}) | UNNAMED_FIELDS
START = "start_from"
MODEL = "vae"  # Of runs from before there were others.
# What a run aims at, of which its name says the one that is read, or else the objective.
AIMS = ("beta", "target_rate", "target_distortion")
MANY = ("beta_range", "trajectory")  # Betas of a run of several, of which its name says the ends.


def run_name(config: FitConfig) -> str:
    """`--name`, or a name that says data, aim and seed and ends in a hash of everything that affects the numbers.

    Example:
        >>> run_name(FitConfig(beta=4.0)) == run_name(FitConfig(beta=4.0, run_dir="elsewhere"))
        True
        >>> run_name(FitConfig(beta=4.0)).startswith("sprites-beta4-seed0-")
        True
        >>> run_name(FitConfig(objective="target_rate", target_rate=2.5)).startswith("sprites-target_rate2.5-seed0-")
        True
        >>> run_name(FitConfig(objective="iwae", samples=5)).startswith("sprites-iwae-seed0-")
        True
        >>> run_name(FitConfig(model="gan")).startswith("sprites-gan-seed0-")
        True
        >>> run_name(FitConfig(objective="multirate")).startswith("sprites-multirate0.01to10-seed0-")
        True
    """
    aim = next((aim for aim in (*MANY, *AIMS) if is_read(aim, vars(config))), None)
    loss = config.objective if config.model == MODEL else config.model
    if aim in MANY:
        betas = getattr(config, aim)
        return _name(config, aim=f"{loss}{betas[0]:g}to{betas[-1]:g}")
    return _name(config, aim=loss if aim is None else _aim(config, aim))


def _aim(config: FitConfig, name: str) -> str:
    return f"{name}{getattr(config, name):g}"


def _name(config: FitConfig, *, aim: str) -> str:
    if config.name is not None:
        return config.name
    digest = _digest(config, without=UNNAMED_FIELDS)
    return f"{config.data}-{aim}-seed{config.seed}-{digest}"


def checkpoint_owners(config: FitConfig) -> tuple[str, ...]:
    """What a run's checkpoints may say they belong to: its name and a hash of what may not change when it goes on.

    The first one is what they say. Those of earlier versions had the path of one's own data in the hash, and the beta
    in the name whatever the run aimed at.
    """
    digests = [_digest(c, without=RESUMABLE_FIELDS) for c in (replace(config, data_file=None), config)]
    owners = (
        f"{name} {digest}"
        for name in (run_name(config), _name(config, aim=_aim(config, AIMS[0])))
        for digest in digests
    )
    return tuple(dict.fromkeys(owners))


def _digest(config: FitConfig, *, without: frozenset[str]) -> str:
    """Eight hexadecimal digits of what a config means."""
    hashed = {name: value for name, value in meant(to_dict(config), type(config)).items() if name not in without}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]


def meant(values: Mapping[str, Any], kind: type[FitConfig] = FitConfig) -> dict[str, Any]:
    """The fields of a whole config that make a run what it is, whichever version of the defaults it was made under.

    These are the fields of FIRST_FIELDS, and of later ones those that something reads and that are not what version 1
    did.

    Example:
        >>> own = to_dict(FitConfig(data="npz", data_file="x.npz"))
        >>> meant(own).keys() - meant(own | {"data": "sprites"}).keys()
        {'file_rules'}
    """
    first = defaults_of(1, kind)
    return {
        name: _known_as(name, value)
        for name, value in values.items()
        if name not in UNNAMED_FIELDS and (name in FIRST_FIELDS or (value != first.get(name) and is_read(name, values)))
    }


def _known_as(name: str, value: Any) -> Any:
    """A value as it makes a run what it is: another run is known by its name, wherever it lies."""
    return Path(value).name if name == START and value is not None else value


def is_read(name: str, values: Mapping[str, Any]) -> bool:
    """Whether anything reads a field beside these values of the others.

    Example:
        >>> is_read("sphere_dim", {"data": "sphere"}), is_read("sphere_dim", {"data": "sprites"})
        (True, False)
        >>> is_read("beta", {"objective": "beta", "model": "gan"})
        False
    """
    metadata = FIELDS[name].metadata if name in FIELDS else {}
    if values.get("model", MODEL) not in metadata.get("models", (MODEL, values.get("model"))):
        return False
    only, unless = metadata.get("only", {}), metadata.get("unless", {})
    return not (only and not any(values.get(reader) in words for reader, words in only.items())) and not (
        unless and all(values.get(reader) in words for reader, words in unless.items())
    )


def defaults_of(version: int, kind: type[FitConfig] = FitConfig) -> dict[str, Any]:
    """What each field means where a config of this version of the defaults does not name it.

    Example:
        >>> defaults_of(1)["lr"]
        0.001
    """
    now = _defaults(kind)  # type: ignore[arg-type]  # A class has a hash, whatever its instances have.
    return {**now, **EARLIER.get(version, {}), "defaults_version": version}


@functools.cache
def _defaults(kind: type[FitConfig]) -> dict[str, Any]:
    return to_dict(kind())


def identity(config: FitConfig) -> dict[str, Any]:
    """What makes a run itself, as its record holds it: its version of the defaults, and where it departs from them.

    Example:
        >>> identity(FitConfig(beta=4.0, run_dir="elsewhere"))
        {'defaults_version': 3, 'beta': 4.0}
    """
    defaults = defaults_of(config.defaults_version, type(config))
    differing = {k: v for k, v in to_dict(config).items() if k not in UNNAMED_FIELDS and v != defaults[k]}
    known = {k: _known_as(k, v) for k, v in differing.items()}
    return {"defaults_version": config.defaults_version, **known}


def differences(config: FitConfig, before: Mapping[str, Any], *, allowed: frozenset[str]) -> dict[str, Any]:
    """The fields in which a config is not the run of this `identity`, with that run's values; those `allowed` left out.

    A field that version 1 did not have counts where either of the two reads it.

    Example:
        >>> differences(FitConfig(beta=4.0, lr=0.1), {"defaults_version": 3, "beta": 2.0}, allowed=frozenset({"lr"}))
        {'beta': 2.0}
    """
    was = {**defaults_of(before["defaults_version"], type(config)), **before}
    now = {k: _known_as(k, v) for k, v in to_dict(config).items()}
    counts = {k for k in now if k in FIRST_FIELDS or is_read(k, now) or is_read(k, was)}
    return {k: was[k] for k in now if k in counts - allowed - UNNAMED_FIELDS and was[k] != now[k]}


def data_root(config: FitConfig) -> str:
    """The folder of data sets: `--data_dir`, else the environment's VAE_RD_DATA, else ./data."""
    return config.data_dir or expanded(os.environ.get("VAE_RD_DATA") or "data", where="VAE_RD_DATA")
