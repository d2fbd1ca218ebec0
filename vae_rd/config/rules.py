"""What no run could mean, and what nothing would read: each refused in one line, before anything is written."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

from vae_rd.config.fields import FIELDS, FOUND, OWN, WIDEST, FitConfig, choices, value_type
from vae_rd.config.names import defaults_of, is_read
from vae_rd.config.versions import DEFAULTS_VERSION
from vae_rd.errors import InputError

# Of each number: the least it can be, what it must be greater than, the most it can be.
BOUNDS = {
    name: tuple(field.metadata[bound] for bound in ("least", "above", "most"))
    for name, field in FIELDS.items()
    if value_type(name) in (int, float)
}
# Who reads a field that not every run reads: its `models`, `only` and `unless`.
READERS = {
    name: (field.metadata["models"], field.metadata["only"], field.metadata["unless"])
    for name, field in FIELDS.items()
    if field.metadata["only"] or field.metadata["unless"] or set(field.metadata["models"]) < set(choices("model"))
}
EIGENVALUE_RANGE = (1e-30, 1e30)  # x is drawn in single precision.


def validate(config: FitConfig) -> None:
    """Refuse what no run could mean; checks that need the data are made where the data is.

    Raises:
        InputError: naming the flag, its value and what it may be.
    """
    for problem in _problems(config):
        raise InputError(problem)


def _problems(config: FitConfig) -> Iterator[str]:
    for name, bounds in BOUNDS.items():
        if (value := getattr(config, name)) is not None and (problem := _range_problem(name, value, *bounds)):
            yield problem
    if config.hidden is not None and not (
        config.hidden and all(type(width) is int and 0 < width <= WIDEST for width in config.hidden)
    ):
        yield f"--hidden {config.hidden}: give one positive width per layer, such as [512, 256], each at most {WIDEST}"
    if config.name is not None and not re.fullmatch(r"[\w+=@-][\w+=@.,-]{0,199}", config.name, re.ASCII):
        yield f"--name {config.name!r}: use up to 200 letters, digits and . _ - + = @ , and no dot in front"
    if config.data_file is None and config.data in OWN:
        what = "dataset, or its name" if config.data == "hf" else config.data.replace("_", " ")
        yield f"--data {config.data} needs --data_file with one's own {what}"
    yield from _eigenvalue_problem(config.gaussian_eigenvalues)
    if config.binarization != "none" and config.dequantize != "none":
        yield "--dequantize: binarised pixels have no bins to fill; leave out --dequantize or --binarization"
    if config.batch_size % (processes := config.devices * config.num_nodes) != 0:
        yield (
            f"--batch_size {config.batch_size}: is over all processes and does not divide by --devices "
            f"{config.devices} x --num_nodes {config.num_nodes}; give a multiple of {processes}"
        )
    if config.target_distortion is None and is_read("target_distortion", vars(config)):
        yield f"--objective {config.objective} holds a D: say which with --target_distortion, nats"
    if config.beta_start and not config.beta_warmup and is_read("beta_warmup", vars(config)):
        yield f"--beta_start {config.beta_start:g}: say with --beta_warmup over how many steps the weight leaves it"
    yield from _path_problems(config)
    yield from _range_of_betas_problem(config)
    yield from _trajectory_problem(config)
    if config.resume == "auto" and config.overwrite:
        yield "--overwrite removes the run that --resume auto would continue; choose one"


def _path_problems(config: FitConfig) -> Iterator[str]:
    """What is no way from one weight of the rate to another."""
    # A path that nothing takes is left to `refuse_unread`, which says so.
    is_way, is_time = is_read("beta_schedule", vars(config)), is_read("warmup_unit", vars(config))
    if is_way and config.beta_schedule != "auto" and not config.beta_warmup:
        yield f"--beta_schedule {config.beta_schedule}: say with --beta_warmup over how many steps the weight changes"
    if is_way and config.beta_schedule == "geometric" and not config.beta_start:
        yield "--beta_schedule geometric: no factor leads away from 0; give a --beta_start above it, or choose linear"
    if is_time and config.warmup_unit == "percent" and (config.beta_warmup or 0) > 99:
        yield f"--beta_warmup {config.beta_warmup} --warmup_unit percent: no checkpoint could be kept; give at most 99"
    if is_time and config.warmup_unit == "percent" and config.beta_warmup is None:
        yield "--warmup_unit percent: of which --beta_warmup? Give one, or leave it out"
    is_geometric = is_way and config.beta_schedule in ("auto", "geometric")
    if config.beta_start and config.beta == 0 and is_geometric:
        yield "--beta_start: a geometric way never reaches --beta 0; leave it out"


def _range_of_betas_problem(config: FitConfig) -> Iterator[str]:
    """What is no range of beta, or one in which --beta is not."""
    given, is_asked = config.beta_range, is_read("beta_range", vars(config))
    if not (len(given) == 2 and 0 < given[0] < given[1] < math.inf):
        yield f"--beta_range {given}: give the least beta, above 0, and the greatest, such as [0.01, 10]"
    elif is_asked and not given[0] <= config.beta <= given[1]:
        yield f"--beta {config.beta:g}: is not in --beta_range {given}; choose one that is, or a wider range"


def _trajectory_problem(config: FitConfig) -> Iterator[str]:
    """What is no way through several betas; names of folders tell six digits of them."""
    given = config.trajectory
    distinct = len({f"{beta:g}" for beta in given}) == len(given) > 1
    is_one_way = given in (sorted(given), sorted(given, reverse=True))
    if not (distinct and is_one_way and all(0 < beta < math.inf for beta in given)):
        yield (
            f"--trajectory {given}: give two betas or more, above 0, all the way up or down, such as "
            '"logspace(-2, 1, 10)"'
        )


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
    values, defaults = vars(config), [defaults_of(version) for version in range(1, DEFAULTS_VERSION + 1)]
    for name, (models, only, unless) in READERS.items():
        if name in spared or values[name] in [known[name] for known in defaults] or is_read(name, values):
            continue
        if config.model not in models:
            owner = f"--model {' or '.join(models)}"
            raise InputError(f"--{name} belongs to {owner}, not to --model {config.model}; leave it out")
        if only and not any(values[reader] in words for reader, words in only.items()):
            owners = " or ".join(f"--{reader} {' or '.join(words)}" for reader, words in only.items())
            raise InputError(f"--{name} belongs to {owners}, not to {_stated(config, only)}; leave it out")
        raise InputError(f"--{name}: nothing reads it with {_stated(config, unless)}; leave it out")
    own = defaults[config.defaults_version - 1]
    given = {name for name in values if name not in spared and values[name] != own[name]}
    for problem in _unread_problems(config, given):
        raise InputError(problem)


def _unread_problems(config: FitConfig, given: Collection[str]) -> Iterator[str]:
    """What nothing reads for a reason that no words of other flags tell, of the flags that are not their defaults."""
    is_found = config.objective in FOUND and is_read("beta_start", vars(config))
    if is_found and "beta_start" in given and config.beta_start is not None:
        if config.rate_weight is not None and is_read("rate_weight", vars(config)):
            yield f"--beta_start: a given --rate_weight {config.rate_weight:g} stays as it is; leave out one of the two"
        elif config.beta_start == 0:
            yield "--beta_start 0: a weight that is found is never 0; give one above it, or leave it out"


def _stated(config: FitConfig, names: Collection[str]) -> str:
    return " ".join(f"--{name} {getattr(config, name)}" for name in names if getattr(config, name) is not None)


def _range_problem(name: str, value: float, least: float | None, above: float | None, most: float | None) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"--{name} {value}: give a finite number"
    if most is not None and value > most:
        return f"--{name} {value}: the most it can be is {most}"
    if least is not None and value < least:
        return f"--{name} {value}: the least it can be is {least:g}"
    if above is not None and value <= above:
        return f"--{name} {value}: it must be greater than {above:g}"
    return None
