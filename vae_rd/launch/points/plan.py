"""The runs of a sweep: each point of a sweep file as one command, checked as the command itself would be."""

from __future__ import annotations

import itertools
import math
import random
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_rd.config.cli import understood
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import run_name
from vae_rd.errors import InputError
from vae_rd.launch.points.counting import counted
from vae_rd.launch.points.sweep_file import SweepFile
from vae_rd.run.folder import check_unread

Point = Mapping[str, Any]
COMBINATIONS = 10_000  # of choices, looked at before a search: a second
DRAWS = 200  # that bring nothing new: then there is hardly anything new to draw


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        name: of its folder.
        argv: flags of `python -m vae_rd.fit`; they go on with a run that was interrupted.
        config: what the flags mean.
        point: the parameters in which it differs from the others.
        after: the name of the run that has to be finished before; None where it waits for none.
    """

    name: str
    argv: tuple[str, ...]
    config: FitConfig
    point: Point
    after: str | None = None

    @property
    def folder(self) -> Path:
        """`<run_dir>/<name>`."""
        return Path(self.config.run_dir) / self.name

    @property
    def command(self) -> str:
        """The run as a shell takes it."""
        return f"python -m vae_rd.fit {shlex.join(self.argv)}"

    @property
    def label(self) -> str:
        """What sets it apart, in a few words: `beta 4, seed 0`."""
        words = ", ".join(f"{name} {_shown(value)}" for name, value in self.point.items())
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words) or self.name


@dataclass(frozen=True)
class Plan:
    """What a sweep asks for.

    Attributes:
        file: the sweep file.
        folder: of all its runs.
        runs: those known before any of them starts; of a search, none.
        example: one that may be among them.
        search_seed: of random draws.
    """

    file: SweepFile
    folder: Path
    runs: tuple[PlannedRun, ...]
    example: PlannedRun
    search_seed: int = 0

    @property
    def total(self) -> int:
        """The number of runs."""
        return len(self.runs) or self.file.run_cap or 0


def plan(file: SweepFile, *, search_seed: int = 0) -> Plan:
    """The plan of a sweep file, every run of it checked; where that takes long, stderr hears how far it is.

    Raises:
        InputError: for a point that no run could be, or two points that are one run.
    """
    example = planned(file, drawn(file, search_seed, 0))
    runs = tuple(counted(runs_of(file, search_seed=search_seed), total=_expected(file)))
    return Plan(file, Path(example.config.run_dir), runs, example, search_seed)


def runs_of(file: SweepFile, *, search_seed: int) -> Iterator[PlannedRun]:
    """The runs that are known before any of them starts, one after another; of a search, none.

    Raises:
        InputError: as `plan` does, when it comes to the run.
    """
    if file.method != "grid":
        _check_extremes(file, drawn(file, search_seed, 0))
    if file.method == "bayes":
        _check_combinations(file, drawn(file, search_seed, 0))
    else:
        found = _grid(file) if file.method == "grid" else _random(file, search_seed)
        yield from itertools.islice(found, file.run_cap)


def _expected(file: SweepFile) -> int:
    """The number of runs, or more where random draws bring nothing new."""
    points = math.prod(len(parameter.choices) for parameter in file.parameters)
    return min(points, file.run_cap or points) if file.method == "grid" else file.run_cap or 0


def planned(file: SweepFile, point: Point) -> PlannedRun:
    """A point of the sweep as a run.

    Args:
        file: the sweep.
        point: a value for each of its parameters.

    Raises:
        InputError: when its values do not go together.
    """
    words = {name: f"{value}" for name, value in {**file.defaults, **point}.items()}
    argv = (*file.flags, *(f"--{name}={word}" for name, word in words.items()))
    varied = {parameter.name: point[parameter.name] for parameter in file.varied}
    try:
        parsed = understood(file.common.plus(words))  # What `parse(argv)` understands, without reading files again.
        check_unread(parsed.config, spared=parsed.spared)
    except InputError as error:
        label = ", ".join(f"{name} {_shown(value)}" for name, value in varied.items())
        raise InputError(f"{file.path}: {label + ': ' if label else ''}{error}") from None
    if parsed.config.resume != "auto":
        raise InputError(f"{file.path}: --resume never: a sweep always goes on with what is there; leave it out")
    return PlannedRun(run_name(parsed.config), argv, parsed.config, varied)


def distinct(file: SweepFile, runs: Iterable[PlannedRun]) -> Iterator[PlannedRun]:
    """The runs, as long as each is another one.

    Raises:
        InputError: when it comes to one that was there before.
    """
    seen: dict[str, PlannedRun] = {}
    for run in runs:
        if (twin := seen.setdefault(run.name, run)) is not run:
            raise one_run(file, twin.label, run.label)
        yield run


def one_run(file: SweepFile, first: str, second: str) -> InputError:
    """What is said of two points that are no two runs."""
    return InputError(f"{file.path}: {first} and {second} are one run; leave one of them out")


def uniforms(file: SweepFile, search_seed: int, index: int) -> dict[str, float]:
    """A uniform number in [0, 1) for each parameter: draw number `index`, a function of the seed and nothing else."""
    source = random.Random(f"{search_seed} {index}")
    return {parameter.name: source.random() for parameter in file.parameters}


def drawn(file: SweepFile, search_seed: int, index: int) -> Point:
    """Draw number `index` of every parameter."""
    u = uniforms(file, search_seed, index)
    return {parameter.name: parameter.at(u[parameter.name]) for parameter in file.parameters}


def _check_extremes(file: SweepFile, point: Point) -> None:
    """A draw that is out of a flag's range should be found now, rather than by the run that draws it."""
    for parameter in file.varied:
        for value in parameter.extremes:
            planned(file, {**point, parameter.name: value})


def _check_combinations(file: SweepFile, point: Point) -> None:
    """Choices that do not go together should not end a search that has come to them."""
    chosen = [parameter for parameter in file.varied if parameter.quantile is None]
    names = [parameter.name for parameter in chosen]
    for values in itertools.islice(itertools.product(*(parameter.choices for parameter in chosen)), COMBINATIONS):
        planned(file, {**point, **dict(zip(names, values, strict=True))})


def _grid(file: SweepFile) -> Iterator[PlannedRun]:
    names = [parameter.name for parameter in file.parameters]
    points = itertools.product(*(parameter.choices for parameter in file.parameters))
    return distinct(file, (planned(file, dict(zip(names, values, strict=True))) for values in points))


def _random(file: SweepFile, search_seed: int) -> Iterator[PlannedRun]:
    """Every new run among the draws; it ends when DRAWS in a row have brought nothing new."""
    seen, misses = set(), 0
    for index in itertools.count():
        run = planned(file, drawn(file, search_seed, index))
        misses = misses + 1 if run.name in seen else 0
        if misses == 0:
            seen.add(run.name)
            yield run
        elif misses >= DRAWS:
            return


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
