"""A W&B sweep file, read and checked before anything starts: which runs it asks for, by which method.

The same file goes to `wandb sweep` as it is. Its parameters are flags of `python -m vae_rd.fit`; what its `command`
says between the module and `${args}`, such as `--config=FILE`, goes to every run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from vae_rd.config.cli import Given, given, typed
from vae_rd.config.fields import FIELDS
from vae_rd.config.yaml_text import read_yaml
from vae_rd.errors import InputError
from vae_rd.launch.points.command import COMMAND, flags_of
from vae_rd.launch.points.hyperband import Hyperband, hyperband_of
from vae_rd.launch.points.parameters import Parameter, check_keys, parameter_of

Method = Literal["grid", "random", "bayes"]
METHODS: tuple[str, ...] = get_args(Method)
TEXTS = ("name", "description", "project", "entity")
KEYS = ("program", "command", "method", "metric", "parameters", "early_terminate", "run_cap", *TEXTS)
PROGRAM = "vae_rd/fit.py"
SCORE = "score"  # What selects the checkpoint that a run keeps.
METRICS = (
    *(f"{split}/{name}" for split in ("val", "train") for name in ("objective", "distortion", "rate", "elbo")),
    SCORE,
)
# Where these differ, the metric of two runs is not the same quantity, and the better one is not the better run.
OF_THE_METRIC = frozenset(
    {
        "objective",
        "beta",
        "free_bits",
        "free_bits_per",
        "target_rate",
        "target_distortion",
        "tc_weight",
        "mmd_weight",
        "lambda_od",
        "lambda_d",
        "likelihood",
        "likelihood_scale",
        "laplace_scale",
    }
    | {name for name, field in FIELDS.items() if field.metadata["group"] == "data"} - {"n_test"}
)


@dataclass(frozen=True)
class Metric:
    """What a search makes small or large: a column of history.csv, and a metric of the record."""

    name: str
    maximize: bool = False

    def loss(self, value: float) -> float:
        """The value as one to be made small."""
        return -value if self.maximize else value


@dataclass(frozen=True)
class SweepFile:
    """A checked sweep file.

    Attributes:
        path: where it was read.
        content: as W&B takes it, with what the command line has fixed.
        method: how points are chosen.
        parameters: in the file's order, which is that of a grid: the last one varies fastest.
        flags: of the command, for every run.
        metric: of a search and of early_terminate.
        early_terminate: when a run is stopped for being worse than others.
        run_cap: the largest number of runs; None of a whole grid.
    """

    path: Path
    content: Mapping[str, Any]
    method: Method
    parameters: tuple[Parameter, ...]
    flags: tuple[str, ...]
    metric: Metric | None
    early_terminate: Hyperband | None
    run_cap: int | None

    @property
    def varied(self) -> tuple[Parameter, ...]:
        """The parameters in which runs differ."""
        return tuple(parameter for parameter in self.parameters if not parameter.is_constant)

    @property
    def project(self) -> str | None:
        """The W&B project that the file names."""
        return self.content.get("project")

    @property
    def entity(self) -> str | None:
        """The W&B entity that the file names."""
        return self.content.get("entity")

    @cached_property
    def common(self) -> Given:
        """What the flags of the command say, with their config files, read once."""
        return given(self.flags)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Flags of every run that the file may leave out; an agent's run goes on where another one stopped."""
        defaults = {"run_dir": f"runs/{self.path.stem}", "resume": "auto"}
        if self.project is not None:  # Agents' runs get it from the sweep, whatever their flags say.
            defaults["wandb_project"] = self.project
        return {name: value for name, value in defaults.items() if name not in self.common.values}

    @property
    def is_search(self) -> bool:
        """Whether runs are compared by the metric."""
        return self.method == "bayes" or self.early_terminate is not None

    def upload(self) -> dict[str, Any]:
        """The sweep as W&B takes it."""
        defaults = {name: {"value": value} for name, value in self.defaults.items() if name != "wandb_project"}
        return {**self.content, "parameters": {**defaults, **self.content["parameters"]}}


def read_sweep_file(path: Path, *, fixed: Mapping[str, str], count: int | None = None) -> SweepFile:
    """Read and check a sweep file.

    Args:
        path: a YAML file in W&B's form.
        fixed: parameters that the command line gives one value, as text.
        count: the largest number of runs, in place of the file's run_cap.

    Raises:
        InputError: naming the file, what is wrong in it, and what it may be.
    """
    return checked_sweep(_read(path), path, fixed=fixed, count=count)


def checked_sweep(
    content: dict[str, Any], path: Path, *, fixed: Mapping[str, str], count: int | None = None
) -> SweepFile:
    """What a file of this content and name asks for.

    Raises:
        InputError: as `read_sweep_file` does.
    """
    _check_top(content, where=f"{path}")
    content["parameters"] = _with_fixed(content.get("parameters"), fixed, where=f"{path}: parameters")
    if count is not None:
        content["run_cap"] = count
    file = SweepFile(
        path=path,
        content=content,
        method=_method(content, where=f"{path}"),
        parameters=_parameters(content, where=f"{path}: parameters"),
        flags=flags_of(content.get("command"), swept=content["parameters"].keys() - fixed.keys(), where=f"{path}"),
        metric=_metric(content, where=f"{path}"),
        early_terminate=_early_terminate(content, where=f"{path}"),
        run_cap=_run_cap(content, where=f"{path}"),
    )
    _check_search(file)
    return file


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        hint = "give a sweep file, such as sweeps/beta.yaml" if path.suffix else "the file stands before all flags"
        raise InputError(f"{path}: no sweep file can be read there ({error.strerror}); {hint}") from None
    except ValueError:
        raise InputError(f"{path}: not a text file in UTF-8; give a sweep file, such as sweeps/beta.yaml") from None
    content = read_yaml(text, where=f"{path}", otherwise="not YAML")
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a sweep file, which has method, parameters and command: {COMMAND}")
    try:
        json.dumps(content)
    except (TypeError, ValueError) as error:  # A date, say, which YAML has and W&B has not.
        raise InputError(f"{path}: {error}; put the value in quotes") from None
    return content


def _check_top(content: Mapping[Any, Any], *, where: str) -> None:
    """Refuse what nobody would read; W&B warns of a section that only holds an anchor, and may stop taking it."""
    for key in content:
        if f"{key}".startswith(("x-", "_", ".")):
            anchors = "an anchor stands where it is first used, as in lr: &name {values: [0.1, 0.01]}"
            raise InputError(f"{where}: {key} is no key of a sweep; leave it out, {anchors}")
    check_keys(content, KEYS, where=where)
    for key in TEXTS:
        if not isinstance(content.get(key, ""), str):
            raise InputError(f"{where}: {key} is {content[key]}; give text, in quotes")
    program = content.get("program", PROGRAM)
    if program not in (PROGRAM, "vae_rd.fit"):
        raise InputError(f"{where}: program is {program}, which command does not start; write {PROGRAM}")


def _with_fixed(parameters: Any, fixed: Mapping[str, str], *, where: str) -> dict[str, Any]:
    if not isinstance(parameters, dict) or not parameters:
        raise InputError(f"{where}: give each flag that runs differ in, such as beta: {{values: [1, 4]}}")
    values = typed(fixed, where="command line")
    return parameters | {name: {"value": getattr(values, name)} for name in fixed}


def _method(content: Mapping[str, Any], *, where: str) -> Method:
    method = content.get("method")
    if method not in METHODS:
        raise InputError(f"{where}: method is {method}; choose one of {', '.join(METHODS)}")
    return method


def _parameters(content: Mapping[str, Any], *, where: str) -> tuple[Parameter, ...]:
    named = content["parameters"].items()
    return tuple(parameter_of(name, spec, method=content["method"], where=f"{where}: {name}") for name, spec in named)


def _metric(content: Mapping[str, Any], *, where: str) -> Metric | None:
    section = content.get("metric")
    if section is None:
        return None
    if not isinstance(section, Mapping) or section.get("name") not in METRICS:
        found = section.get("name") if isinstance(section, Mapping) else section
        raise InputError(f"{where}: metric {found}: give name: one of {', '.join(METRICS)}; test selects nothing")
    check_keys(section, ("name", "goal"), where=f"{where}: metric")
    goal = section.get("goal", "minimize")
    if goal not in ("minimize", "maximize"):
        raise InputError(f"{where}: metric: goal is {goal}; choose minimize or maximize")
    return Metric(section["name"], goal == "maximize")


def _early_terminate(content: Mapping[str, Any], *, where: str) -> Hyperband | None:
    section = content.get("early_terminate")
    return None if section is None else hyperband_of(section, where=where)


def _run_cap(content: Mapping[str, Any], *, where: str) -> int | None:
    cap = content.get("run_cap")
    if cap is None and content["method"] != "grid":
        raise InputError(f"{where}: method {content['method']} never ends; give run_cap, or --count")
    if cap is not None and not (type(cap) is int and cap >= 1):
        raise InputError(f"{where}: run_cap is {cap!r}; give a whole number from 1 on, such as 8")
    return cap


def _check_search(file: SweepFile) -> None:
    """A search compares runs, which takes a metric, and one that means the same in all of them."""
    if not file.is_search:
        return
    what = "method bayes" if file.method == "bayes" else "early_terminate"
    if file.metric is None:
        raise InputError(f"{file.path}: {what} needs a metric, such as {{name: val/objective, goal: minimize}}")
    for parameter in file.varied:
        if parameter.name in OF_THE_METRIC:
            raise InputError(
                f"{file.path}: {what} compares {file.metric.name} between runs, which means nothing where "
                f"{parameter.name} differs; give it one value, and search each in a sweep of its own"
            )
