"""Bayesian search over a sweep file's parameters: a Gaussian process on the unit cube, by Optuna.

Distributions become [0, 1] by their quantile functions, choices stay categories. As W&B's `bayes` does, it models the
metric by a Gaussian process and takes the point of the largest expected improvement; the first STARTUP are drawn.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from vae_rd.errors import InputError
from vae_rd.launch.points.parameters import Parameter
from vae_rd.launch.points.plan import Point, plan, planned, runs_of, uniforms
from vae_rd.launch.points.sweep_file import SweepFile

STARTUP = 8  # draws before the first model
JUST_BELOW_1 = 1 - 1e-12
Cube = dict[str, Any]  # name to a number in [0, 1], or to the index of a choice


class BayesSearch:
    """Asks for points and is told what they gave.

    Args:
        file: the sweep.
        seed: of the model's fit.

    Raises:
        InputError: where Optuna is not installed.
    """

    def __init__(self, file: SweepFile, *, seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise InputError("method bayes needs Optuna: pip install 'vae_rd[bayes]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings(action="ignore"):  # GPSampler is marked as experimental.
            sampler = optuna.samplers.GPSampler(seed=seed % 2**32, n_startup_trials=STARTUP)
        self._optuna = optuna
        self._study = optuna.create_study(sampler=sampler)
        self._space = {parameter.name: self._dimension(parameter) for parameter in file.varied}
        self._trials: dict[str, list[Any]] = {}  # Two may be at one place.

    def ask(self) -> Cube:
        """A new place in the cube, of the largest expected improvement given what is known and what is under way."""
        with warnings.catch_warnings(action="ignore"):
            trial = self._study.ask(self._space)
        self._under_way(trial)
        return dict(trial.params)

    def remember(self, cube: Mapping[str, Any]) -> None:
        """A place that was not asked for here: a draw, or one of an earlier call."""
        self._study.enqueue_trial(dict(cube))
        self._under_way(self._study.ask(self._space))

    def tell(self, cube: Mapping[str, Any], loss: float | None) -> None:
        """What a place gave, the smaller the better; None where it gave nothing."""
        trial = self._trials[_key(cube)].pop()
        failed = self._optuna.trial.TrialState.FAIL
        self._study.tell(trial, loss, state=failed if loss is None else None)

    def _under_way(self, trial: Any) -> None:
        self._trials.setdefault(_key(trial.params), []).append(trial)

    def _dimension(self, parameter: Parameter) -> Any:
        distributions = self._optuna.distributions
        if parameter.quantile is not None:
            return distributions.FloatDistribution(0.0, 1.0)
        return distributions.CategoricalDistribution(tuple(range(len(parameter.choices))))


def is_place(file: SweepFile, cube: Mapping[str, Any]) -> bool:
    """Whether the cube is that of the file's parameters, with as many choices."""
    return cube.keys() == {parameter.name for parameter in file.varied} and all(
        parameter.quantile is not None or cube[parameter.name] in range(len(parameter.choices))
        for parameter in file.varied
    )


def _key(cube: Mapping[str, Any]) -> str:
    return repr(sorted(cube.items()))


def first_cube(file: SweepFile, search_seed: int, index: int) -> Cube:
    """Place number `index` of the first STARTUP: a draw."""
    u = uniforms(file, search_seed, index)
    return {p.name: p.choice(u[p.name]) if p.quantile is None else u[p.name] for p in file.varied}


def point_at(file: SweepFile, cube: Mapping[str, Any]) -> Point:
    """The values that a place stands for."""
    return {parameter.name: _value(parameter, cube) for parameter in file.parameters}


def _value(parameter: Parameter, cube: Mapping[str, Any]) -> Any:
    if parameter.is_constant:
        return parameter.choices[0]
    place = cube[parameter.name]
    return parameter.choices[place] if parameter.quantile is None else parameter.at(min(place, JUST_BELOW_1))


def first_commands(file: SweepFile, *, search_seed: int) -> Iterator[str]:
    """Each run's command, as soon as it is known; of a search those of its first draws, which no result changes.

    Raises:
        InputError: for a point that no run could be, when it comes to it.
    """
    if file.method != "bayes":
        yield from (run.command for run in runs_of(file, search_seed=search_seed))
        return
    total = plan(file, search_seed=search_seed).total
    cubes = (first_cube(file, search_seed, i) for i in range(min(STARTUP, total)))
    first = list(dict.fromkeys(planned(file, point_at(file, cube)).command for cube in cubes))
    yield from first
    if total > len(first):
        yield f"# and up to {total - len(first)} more, chosen by what the runs before them give"
