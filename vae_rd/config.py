"""Every flag of `python -m vae_rd.fit`: one flat, typed OmegaConf structured config.

A flag is a config field is a W&B sweep parameter. Each field carries its group, its meaning and its range, from which
the command line (`vae_rd.cli`) makes `--help` and refuses bad values before torch is imported.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf

from vae_rd.errors import InputError
from vae_rd.versions import DEFAULTS_VERSION, EARLIER, FIRST_FIELDS

DataName = Literal[
    "sprites",
    "mnist",
    "static_mnist",
    "omniglot",
    "cmu_faces",
    "dsprites",
    "npz",
    "image_folder",
    "gaussian",
    "sphere",
    "toy_channel",
    "noisy_sprites",
]
Binarization = Literal["none", "static", "dynamic"]
Dequantize = Literal["none", "uniform"]
Trunk = Literal["linear", "mlp", "conv"]
PosteriorName = Literal["diagonal", "categorical"]
PriorName = Literal["normal", "categorical"]
LikelihoodName = Literal[
    "bernoulli", "categorical", "gaussian", "gaussian_shared", "gaussian_pixel", "gaussian_optimal"
]
ObjectiveName = Literal["beta"]
Schedule = Literal["constant", "cosine"]
Precision = Literal["32", "64", "bf16"]
WandbMode = Literal["off", "offline", "online", "auto"]

MOST = 2**63 - 1  # What torch takes for a seed.
ANY_VALUE = ("any",)  # Of an optional flag: every value but null.

# Fields that say where or how a run is carried out, not which numbers it produces: a run keeps its name without them.
UNNAMED_FIELDS = frozenset(
    {"run_dir", "name", "devices", "num_nodes", "accelerator", "strategy", "wandb", "wandb_project"}
    | {"resume", "overwrite", "data_dir"}
)
# What may change when an interrupted run is continued.
RESUMABLE_FIELDS = frozenset({"max_epochs", "max_steps"}) | UNNAMED_FIELDS
EIGENVALUE_RANGE = (1e-30, 1e30)  # x is drawn in single precision.


def flag(
    default: Any,
    meaning: str,
    *,
    group: str,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    only: Mapping[str, tuple[str, ...]] | None = None,
) -> Any:
    """A config field with its help text, its range and its readers.

    Args:
        default: its value where nothing is said.
        meaning: for `--help`.
        group: its heading in `--help`.
        least: the least it can be.
        above: what it must be greater than.
        most: the most it can be.
        only: flags, each with the words at which this one is read, any of them; ANY_VALUE is every value but null.
            None where every run reads it.
    """
    metadata = MappingProxyType(
        {"meaning": meaning, "group": group, "least": least, "above": above, "most": most, "only": only}
    )
    if isinstance(default, list):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass
class FitConfig:
    """All flags of a fit with their defaults, in the order and grouping of `--help`."""

    data: DataName = flag("sprites", "data set; sprites, and those from gaussian on, need no file", group="data")
    data_dir: str | None = flag(None, "folder of data sets [VAE_RD_DATA, else ./data]", group="data")
    data_file: str | None = flag(
        None,
        "one's own data: the .npz of npz, the folder of image_folder",
        group="data",
        only={"data": ("npz", "image_folder")},
    )
    data_seed: int = flag(
        0,
        "seed of all that makes the data",
        group="data",
        least=0,
        most=MOST,
        only={
            "data": ("npz", "image_folder", "gaussian", "sphere", "toy_channel", "noisy_sprites"),
            "n_train": ANY_VALUE,
            "n_test": ANY_VALUE,
            "binarization": ("static", "dynamic"),
            "dequantize": ("uniform",),
        },
    )
    gaussian_eigenvalues: list[float] = flag(
        [8.0, 4.0, 2.0, 1.0, 0.5, 0.25],
        "variances of --data gaussian along its principal axes",
        group="data",
        only={"data": ("gaussian",)},
    )
    sphere_dim: int = flag(
        2, "dimension of the space of --data sphere", group="data", least=2, most=1000, only={"data": ("sphere",)}
    )
    flip_probability: float = flag(
        0.05, "of a pixel of --data noisy_sprites", group="data", above=0, most=0.5, only={"data": ("noisy_sprites",)}
    )
    binarization: Binarization = flag("none", "grey pixels to {0,1}: one stored draw, or fresh each step", group="data")
    dequantize: Dequantize = flag("none", "grey pixels plus uniform noise of one bin", group="data")
    n_train: int | None = flag(
        None, "training examples [null: all, or fresh ones at every step where they never end]", group="data", least=2
    )
    n_test: int | None = flag(None, "test examples [null: all, or 100,000]", group="data", least=2)

    encoder: Trunk = flag("mlp", "network of q(z|x)", group="model")
    posterior: PosteriorName = flag("diagonal", "family of q(z|x); categorical: latent_dim states", group="model")
    decoder: Trunk = flag("mlp", "network of p(x|z)", group="model")
    hidden: list[int] | None = flag(
        None,
        "widths (mlp) or channels (conv), mirrored in the decoder [null: [512], [32, 64]]",
        group="model",
        only={"encoder": ("mlp", "conv"), "decoder": ("mlp", "conv")},
    )
    latent_dim: int = flag(16, "dimensions of z, or its number of states", group="model", least=1)
    prior: PriorName = flag("normal", "marginal m(z)", group="model")
    likelihood: LikelihoodName = flag("bernoulli", "family of p(x|z)", group="model")
    whiten: bool = flag(
        False, "networks see pixels whitened by the training split's moments; p(x|z) stays that of x", group="model"
    )
    likelihood_scale: float = flag(
        1.0,
        "standard deviation of --likelihood gaussian",
        group="model",
        least=1e-6,
        only={"likelihood": ("gaussian",)},
    )

    objective: ObjectiveName = flag("beta", "what is minimised: D + beta R", group="objective")
    beta: float = flag(1.0, "weight of the rate", group="objective", least=0)
    beta_warmup: int = flag(0, "steps over which the weight goes from beta_start to beta", group="objective", least=0)
    beta_start: float = flag(
        0.0, "weight at the first step of warm-up; above 0 the way is geometric", group="objective", least=0
    )
    samples: int = flag(
        1,
        "draws of z per example and training step",
        group="objective",
        least=1,
        only={"posterior": ("diagonal",)},  # Of a categorical z everything is a sum over states.
    )

    batch_size: int = flag(128, "examples a step, over all processes", group="training", least=1)
    max_epochs: int = flag(100, "epochs", group="training", least=1)
    max_steps: int | None = flag(None, "optimiser steps [null: no limit]", group="training", least=1)
    lr: float = flag(1e-3, "learning rate of Adam", group="training", above=0)
    lr_schedule: Schedule = flag("cosine", "constant, or cosine decay to 0 over the run", group="training")
    weight_decay: float = flag(0.0, "decoupled weight decay", group="training", least=0)
    grad_clip: float | None = flag(None, "largest gradient norm [null: no clipping]", group="training", above=0)
    patience: int | None = flag(
        None, "stop after this many validations without a better objective [null: never]", group="training", least=1
    )
    val_every: int = flag(1, "epochs between validations, of which one should be the last", group="training", least=1)
    seed: int = flag(0, "seed of initialisation, shuffling and noise", group="training", least=0, most=MOST)
    precision: Precision = flag("32", "floating point of training", group="training")

    eval_samples: int | None = flag(
        None, "draws of z per example in evaluation [null: 8 on a population, else 1]", group="evaluation", least=1
    )

    devices: int = flag(1, "processes on each machine, one a device", group="device", least=1)
    num_nodes: int = flag(1, "machines; start the command on each by torchrun or srun", group="device", least=1)
    accelerator: Literal["auto", "cpu", "gpu"] = flag("auto", "kind of device", group="device")
    strategy: Literal["auto", "ddp"] = flag("auto", "how several devices work together", group="device")

    wandb: WandbMode = flag(
        "auto", "W&B logging [auto: online under an agent or when logged in, else offline]", group="run"
    )
    wandb_project: str = flag("vae_rd", "W&B project", group="run")
    run_dir: str = flag("runs", "folder of runs", group="run")
    name: str | None = flag(None, "the run's own folder [null: <data>-beta<b>-seed<s>-<hash>]", group="run")
    resume: Literal["never", "auto"] = flag("never", "auto: continue an interrupted equal run", group="run")
    overwrite: bool = flag(False, "remove an existing run of this name first", group="run")
    defaults_version: int = flag(
        DEFAULTS_VERSION,
        "whose defaults unsaid flags have; a run's config.yaml states its own",
        group="run",
        least=1,
        most=DEFAULTS_VERSION,
    )


FIELDS: Mapping[str, dataclasses.Field[Any]] = MappingProxyType({f.name: f for f in dataclasses.fields(FitConfig)})
_HINTS = get_type_hints(FitConfig)


def choices(name: str) -> tuple[str, ...]:
    """The words a field accepts, or () where any value of its type will do."""
    hint = _HINTS[name]
    return get_args(hint) if get_origin(hint) is Literal else ()


def value_type(name: str) -> type:
    """The Python type of a field's value, without None: bool, int, float, str or list."""
    hint = _HINTS[name]
    hint = next((a for a in get_args(hint) if a is not type(None)), hint) if type(None) in get_args(hint) else hint
    return str if get_origin(hint) is Literal else (get_origin(hint) or hint)


def is_optional(name: str) -> bool:
    """Whether null is a value of the field."""
    return type(None) in get_args(_HINTS[name])


def to_dict(config: FitConfig) -> dict[str, Any]:
    """The config as plain Python values, in declaration order: what records and checkpoints store.

    Example:
        >>> to_dict(FitConfig(beta=4.0))["beta"]
        4.0
    """
    return dataclasses.asdict(config)


def to_yaml(config: FitConfig) -> str:
    """The config as YAML that `--config` reads back to an equal config."""
    return OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))


def run_name(config: FitConfig) -> str:
    """`--name`, or a name that says data, beta and seed and ends in a hash of everything that affects the numbers.

    Example:
        >>> run_name(FitConfig(beta=4.0)) == run_name(FitConfig(beta=4.0, run_dir="elsewhere"))
        True
        >>> run_name(FitConfig(beta=4.0)).startswith("sprites-beta4-seed0-")
        True
    """
    if config.name is not None:
        return config.name
    return f"{config.data}-beta{config.beta:g}-seed{config.seed}-{_digest(config, without=UNNAMED_FIELDS)}"


def checkpoint_owner(config: FitConfig) -> str:
    """A run's name and a hash of what may not change when it goes on, as its checkpoints hold it."""
    return f"{run_name(config)} {_digest(config, without=RESUMABLE_FIELDS)}"


def _digest(config: FitConfig, *, without: frozenset[str]) -> str:
    """Eight hexadecimal digits of the fields that FIRST_FIELDS has, and of later ones that change what those mean."""
    first = defaults_of(1, type(config))
    hashed = {
        name: value
        for name, value in to_dict(config).items()
        if name not in without and (name in FIRST_FIELDS or value != first[name])
    }
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]


def defaults_of(version: int, kind: type[FitConfig] = FitConfig) -> dict[str, Any]:
    """What each field means where a config of this version of the defaults does not name it.

    Example:
        >>> defaults_of(1)["lr"]
        0.001
    """
    return {**to_dict(kind()), **EARLIER.get(version, {}), "defaults_version": version}


def identity(config: FitConfig) -> dict[str, Any]:
    """What makes a run itself, as its record holds it: its version of the defaults, and where it departs from them.

    Example:
        >>> identity(FitConfig(beta=4.0, run_dir="elsewhere"))
        {'defaults_version': 1, 'beta': 4.0}
    """
    defaults = defaults_of(config.defaults_version, type(config))
    differing = {k: v for k, v in to_dict(config).items() if k not in UNNAMED_FIELDS and v != defaults[k]}
    return {"defaults_version": config.defaults_version, **differing}


def differences(config: FitConfig, before: Mapping[str, Any], *, allowed: frozenset[str]) -> dict[str, Any]:
    """The fields in which a config is not the run of this `identity`, with that run's values; those `allowed` left out.

    Example:
        >>> differences(FitConfig(beta=4.0, lr=0.1), {"defaults_version": 1, "beta": 2.0}, allowed=frozenset({"lr"}))
        {'beta': 2.0}
    """
    was = {**defaults_of(before["defaults_version"], type(config)), **before}
    now = to_dict(config)
    return {k: was[k] for k in now if k not in allowed | UNNAMED_FIELDS and was[k] != now[k]}


def data_root(config: FitConfig) -> str:
    """The folder of data sets: `--data_dir`, else the environment's VAE_RD_DATA, else ./data."""
    return config.data_dir or os.environ.get("VAE_RD_DATA") or "data"


def validate(config: FitConfig) -> None:
    """Refuse what no run could mean; checks that need the data are made where the data is.

    Raises:
        InputError: naming the flag, its value and what it may be.
    """
    for problem in _problems(config):
        raise InputError(problem)


def _problems(config: FitConfig) -> Iterator[str]:
    for name, field in FIELDS.items():
        yield from _range_problem(name, getattr(config, name), field.metadata)
    if config.hidden is not None and not (
        config.hidden and all(type(width) is int and width > 0 for width in config.hidden)
    ):
        yield f"--hidden {config.hidden}: give one positive width per layer, such as [512, 256]"
    if config.name is not None and not re.fullmatch(r"[\w+=@-][\w+=@.,-]{0,199}", config.name, re.ASCII):
        yield f"--name {config.name!r}: use up to 200 letters, digits and . _ - + = @ , and no dot in front"
    if config.data_file is None and config.data in ("npz", "image_folder"):
        yield f"--data {config.data} needs --data_file with one's own {config.data.replace('_', ' ')}"
    yield from _eigenvalue_problem(config.gaussian_eigenvalues)
    if (config.posterior == "categorical") != (config.prior == "categorical"):
        yield f"--posterior {config.posterior} --prior {config.prior}: where one is categorical, both are"
    if config.posterior == "categorical" and config.likelihood == "gaussian_optimal":
        yield (
            "--likelihood gaussian_optimal takes its scale from draws of z, of which a categorical z has none; "
            "choose --likelihood gaussian or gaussian_shared"
        )
    if config.binarization != "none" and config.dequantize != "none":
        yield "--dequantize: binarised pixels have no bins to fill; leave out --dequantize or --binarization"
    if config.batch_size % (config.devices * config.num_nodes) != 0:
        yield (
            f"--batch_size {config.batch_size}: is over all processes and does not divide by --devices "
            f"{config.devices} x --num_nodes {config.num_nodes}"
        )
    if config.beta_start > 0 and config.beta_warmup == 0:
        yield f"--beta_start {config.beta_start:g}: say with --beta_warmup over how many steps the weight leaves it"
    if config.beta_start > 0 and config.beta == 0:
        yield "--beta_start: a geometric way never reaches --beta 0; leave it out"
    if config.resume == "auto" and config.overwrite:
        yield "--overwrite removes the run that --resume auto would continue; choose one"


def _eigenvalue_problem(values: list[float]) -> Iterator[str]:
    low, high = EIGENVALUE_RANGE
    if not (values and all(isinstance(value, int | float) and low <= value <= high for value in values)):
        yield (
            f"--gaussian_eigenvalues {values}: "
            f"give one variance per dimension, each from {low:g} to {high:g}, such as [4, 1]"
        )


def refuse_unread(config: FitConfig, *, spared: Collection[str] = ()) -> None:
    """Refuse a flag that nothing would read, since it would only give the run another name.

    Args:
        config: of a run to come.
        spared: fields that an earlier run's config.yaml states; what that run was named by stays.

    Raises:
        InputError: naming the flag, and the words that would make something read it.
    """
    defaults = defaults_of(config.defaults_version)
    for name, field in FIELDS.items():
        readers = field.metadata["only"]
        if readers is None or name in spared or getattr(config, name) == defaults[name]:
            continue
        if not any(_is_among(getattr(config, reader), words) for reader, words in readers.items()):
            owners = " or ".join(f"--{reader}{_choice(words)}" for reader, words in readers.items())
            found = " ".join(f"--{reader} {getattr(config, reader)}" for reader in readers)
            raise InputError(f"--{name} belongs to {owners}, not to {found}; leave it out")


def _is_among(value: Any, words: tuple[str, ...]) -> bool:
    return value is not None if words is ANY_VALUE else value in words


def _choice(words: tuple[str, ...]) -> str:
    return "" if words is ANY_VALUE else f" {' or '.join(words)}"


def _range_problem(name: str, value: Any, metadata: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    least, above, most = metadata["least"], metadata["above"], metadata["most"]
    if isinstance(value, float) and not math.isfinite(value):
        yield f"--{name} {value}: give a finite number"
    elif most is not None and value > most:
        yield f"--{name} {value}: the most it can be is {most}"
    elif least is not None and value < least:
        yield f"--{name} {value}: the least it can be is {least:g}"
    elif above is not None and value <= above:
        yield f"--{name} {value}: it must be greater than {above:g}"
