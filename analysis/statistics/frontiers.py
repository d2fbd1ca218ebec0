"""The frontier of each group of runs: chosen on validation, measured on another split, averaged over seeds.

A point is what runs that differ in seed alone have in common; several of one seed, as of other code, which may state
none, count as a seed each. What varies is their seeds, drawn again whole, all points of a seed together, since those
share its initialisation and its order; and the examples of the split, whose standard errors of D, R and D + R give the
noise of both: one draw for all points of a group, which saw the same examples, and one a point where the split is the
whole source and z alone is noise. Groups are drawn apart from each other.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.rows.aims import AIMS
from analysis.rows.finding import RunWarning, told_apart
from analysis.rows.groups import Groups
from analysis.statistics.fronts import Curve, lower_hull, pareto_front
from vae_rd.errors import InputError

AXES = ["rate", "distortion"]
KEY = [*AIMS, "config"]  # what the runs of a point share
SEED = ["seed", "again"]  # and what tells them apart


@dataclass(frozen=True)
class Frontier:
    """One group's points and its curve; C points, S seeds.

    Attributes:
        label: of the group.
        points: one row a point: `AIMS`, `seeds`, R and D of both splits with the standard error of their mean over
            seeds (NaN of one), and whether it is on the `front` and the `hull` that validation chose.
        chooser: (R, D) of each run where the front is chosen, [C, S, 2]; NaN where a seed is missing.
        shown: the same on the split that is shown.
        noise: of both splits: factors of the covariance of (R, D) over examples, [2, C, 2, 2].
        is_population: whether the split shown is the whole source.
        seed_numbers: those of the runs, S of them, several runs of one counted each; none of published points.
        of_codec: its D is a squared error that was published, so that R compares in per cent at equal PSNR.
    """

    label: str
    points: pd.DataFrame
    chooser: np.ndarray
    shown: np.ndarray
    noise: np.ndarray
    is_population: bool
    seed_numbers: tuple[int, ...] = ()
    of_codec: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return int(self.chooser.shape[1])

    @property
    def curve(self) -> Curve | None:
        """Through the points of the front; None where that is one."""
        return _curve(_means(self.chooser), _means(self.shown))

    def redrawn_seeds(self, rng: np.random.Generator) -> Curve | None:
        """The curve of as many seeds, drawn with replacement; the front is chosen anew.

        Equal generators draw the same seeds of frontiers that have the same.

        A mean of S draws from S values varies by (S - 1)/S of what it should; the points move that much further.
        """
        weights = rng.multinomial(self.seeds, np.full(self.seeds, 1 / self.seeds)).astype(float)
        return _curve(*(_reweighted(values, weights) for values in (self.chooser, self.shown)))

    def redrawn_examples(self, rng: np.random.Generator) -> Curve | None:
        """The curve of other examples of the same source, or of other draws of z."""
        draws = rng.standard_normal((2, len(self.points) if self.is_population else 1, 2, 1))
        shifts = (self.noise @ draws)[..., 0]
        return _curve(_means(self.chooser) + shifts[0], _means(self.shown) + shifts[1])


def frontiers(rows: pd.DataFrame, groups: Groups, *, split: str, chosen_on: str) -> list[Frontier]:
    """The frontier of each group, in the order of the groups.

    Args:
        rows: of one data set, from `with_both_splits`.
        groups: of all runs of the figure.
        split: whose points are shown.
        chosen_on: the split that chooses which of them are on the front.
    """
    data = _numbered(rows.assign(group=groups.places(rows)))
    chooser, shown = (data[data["split"] == name] for name in (chosen_on, split))
    return [
        _frontier(groups.labels[place], chooser[chooser["group"] == place], shown[shown["group"] == place])
        for place in sorted(set(shown["group"]))
    ]


def published(rows: pd.DataFrame, label: str) -> Frontier:
    """The frontier of points that others published: one seed, no noise that is known, chosen among themselves.

    Args:
        rows: of one source and data set, from `analysis.rows.foreign.load_foreign`.
        label: what it is called.
    """
    ordered = rows.sort_values("rate", kind="stable", ignore_index=True)
    values = ordered[AXES].to_numpy(dtype=float)
    points = ordered[["beta"]].assign(target_rate=math.nan, target_distortion=math.nan, config="", seeds=1)
    for axis, name in enumerate(AXES):
        for end in ("_chosen_on", ""):
            points[f"{name}{end}"], points[f"{name}{end}_stderr"] = values[:, axis], math.nan
    runs, noise = values[:, None], np.zeros((2, len(values), 2, 2))
    of_codec = bool(rows["psnr"].notna().all())
    return Frontier(label, _judged(points), runs, runs, noise, is_population=True, of_codec=of_codec)


def with_both_splits(rows: pd.DataFrame, *, split: str, chosen_on: str) -> pd.DataFrame:
    """The rows of the runs that have R and D on both splits.

    Raises:
        InputError: where there are none.

    Warns:
        RunWarning: one line that names the others.
    """
    known = rows.dropna(subset=AXES)
    both = set(known["folder"][known["split"] == split]) & set(known["folder"][known["split"] == chosen_on])
    if missing := told_apart(rows, set(rows["folder"]) - both):
        message = f"no R and D on both {chosen_on} and {split}: {', '.join(missing)}"
        if not both:
            raise InputError(f"{message}; a frontier is chosen on {chosen_on}: evaluate the runs again")
        warnings.warn(f"left out, {message}", RunWarning, stacklevel=3)
    return known[known["folder"].isin(both)]


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `again`: of the runs of one point and seed on a split, the how many-th it is."""
    same = rows.sort_values("folder").groupby(["group", "split", *KEY, "seed"], dropna=False)
    return rows.assign(again=same.cumcount())


def _frontier(label: str, chooser: pd.DataFrame, shown: pd.DataFrame) -> Frontier:
    keys = shown.drop_duplicates(KEY)[KEY].sort_values(AIMS, kind="stable", ignore_index=True)
    seeds = sorted(set(shown[SEED].itertuples(index=False, name=None)))
    values, noises = zip(*(_arrays(part, keys, seeds) for part in (chooser, shown)), strict=True)
    points = keys.assign(seeds=(~np.isnan(values[1][..., 0])).sum(1))
    for end, array in zip(("_chosen_on", ""), values, strict=True):
        for axis, name in enumerate(AXES):
            points[f"{name}{end}"] = np.nanmean(array[..., axis], axis=1)
            points[f"{name}{end}_stderr"] = _stderr(array[..., axis])
    points = _judged(points)
    noise = np.stack(noises)
    if whole := bool(shown["population"].all()):
        noise = noise * (points["seeds"].to_numpy() == 1)[:, None, None]  # The spread over seeds has it in it.
    return Frontier(label, points, values[0], values[1], noise, whole, tuple(seed for seed, _ in seeds))


def _judged(points: pd.DataFrame) -> pd.DataFrame:
    """Points with whether they are on the `front` and the `hull` of the split that chooses."""
    means = points[[f"{name}_chosen_on" for name in AXES]].to_numpy().T
    front, hull = pareto_front(*means), lower_hull(*means)
    return points.assign(front=points.index.isin(front), hull=points.index.isin(hull))


def _arrays(part: pd.DataFrame, keys: pd.DataFrame, seeds: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """(R, D) of each point and seed, [C, S, 2], and the noise of each point, [C, 2, 2]."""
    place_of = {tuple(map(str, key)): place for place, key in enumerate(keys.itertuples(index=False))}
    values = np.full((len(keys), len(seeds), 2), np.nan)
    noise: list[list[np.ndarray]] = [[] for _ in range(len(keys))]
    columns = [*KEY, *SEED, *AXES, "rate_stderr", "distortion_stderr", "elbo_stderr"]
    for *key, seed, again, rate, distortion, rate_se, distortion_se, sum_se in part[columns].itertuples(index=False):
        place = place_of[tuple(map(str, key))]
        values[place, seeds.index((seed, again))] = rate, distortion
        noise[place].append(_factor(*np.nan_to_num([rate_se, distortion_se, sum_se])))
    return values, np.stack([np.mean(factors, axis=0) for factors in noise])


def _factor(rate_se: float, distortion_se: float, sum_se: float) -> np.ndarray:
    """L with L L' the covariance of the means of R and D: Var(D + R) tells how far these go together."""
    if rate_se == 0.0:
        return np.array([[0.0, 0.0], [0.0, distortion_se]])
    slope = (sum_se**2 - rate_se**2 - distortion_se**2) / (2 * rate_se)
    slope = float(np.clip(slope, -distortion_se, distortion_se))
    return np.array([[rate_se, 0.0], [slope, math.sqrt(distortion_se**2 - slope**2)]])


def _stderr(values: np.ndarray) -> np.ndarray:
    """Of the mean over seeds, [C, S] -> [C]; NaN of one."""
    sizes = (~np.isnan(values)).sum(1)
    squares = np.nansum((values - np.nanmean(values, axis=1, keepdims=True)) ** 2, axis=1)
    spread = np.sqrt(squares / np.maximum(sizes * (sizes - 1), 1))
    return np.where(sizes > 1, spread, np.nan)


def _means(values: np.ndarray) -> np.ndarray:
    """[C, S, 2] -> [C, 2]."""
    return np.asarray(np.nanmean(values, axis=1))


def _reweighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The means with each seed counted so often, further out by sqrt(S / (S - 1)); NaN of a point that has none."""
    known = ~np.isnan(values[..., 0])
    counts, sizes = (known * weights).sum(1)[:, None], known.sum(1)[:, None]
    sums = (np.nan_to_num(values) * weights[:, None]).sum(1)
    drawn = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    centre = _means(values)
    return centre + np.sqrt(sizes / np.maximum(sizes - 1, 1)) * (drawn - centre)


def _curve(chooser: np.ndarray, shown: np.ndarray) -> Curve | None:
    """Through the points of `shown`, [C, 2], that are on the front of `chooser`."""
    known = np.flatnonzero(~np.isnan(chooser[:, 0]))
    front = known[pareto_front(*chooser[known].T)]
    return Curve.through(*shown[front].T)
