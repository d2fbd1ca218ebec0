"""Frontiers of groups of runs: who chooses, what seeds and examples add, and that intervals hold what they should."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.rows.groups import Groups
from analysis.statistics.differences import areas, differences, redraw
from analysis.statistics.frontiers import frontiers
from analysis.statistics.fronts import Curve, distortion_difference, rate_difference

BETAS = np.array([0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 8.0])
GROUPS = {"a": 0.0, "b": 0.5}  # how much more R each needs


def truth(more: float) -> np.ndarray:
    """(R, D) at each beta, [7, 2]: D = 60 exp(-(R - more) / 8)."""
    needed = 20 / (1 + BETAS) ** 1.2
    return np.stack([needed + more, 60 * np.exp(-needed / 8)], axis=1)


def synthetic(
    *, seeds: int, spread: float, shared: float, stderr: float, both: float = 0.0, draw: int = 0
) -> tuple[pd.DataFrame, Groups]:
    """Rows of runs of two groups whose frontiers are known.

    Args:
        seeds: of each beta.
        spread: standard deviation of R and D over seeds.
        shared: the share of that variance that all betas of a seed have in common.
        stderr: of D over examples, which val and test do not share, and all runs of a group do; R has 0.6 of it, and
            falls where D rises.
        both: the share of what all betas of a seed have in common that the groups have in common too.
        draw: which of all there could be.
    """
    rng = np.random.default_rng(draw)
    factor = stderr * np.array([[0.6, 0.0], [-0.5, math.sqrt(0.75)]])
    covariance = factor @ factor.T
    errors = dict(zip(("rate_stderr", "distortion_stderr"), np.sqrt(np.diag(covariance)), strict=True))
    rows, place_of = [], {}
    of_both = rng.standard_normal((seeds, 2)) * spread * math.sqrt(shared * both)
    for place, (group, more) in enumerate(GROUPS.items()):
        examples = {split: factor @ rng.standard_normal(2) for split in ("val", "test")}
        own = of_both + rng.standard_normal((seeds, 2)) * spread * math.sqrt(shared * (1 - both))
        each = rng.standard_normal((seeds, len(BETAS), 2)) * spread * math.sqrt(1 - shared)
        for seed, at in product(range(seeds), range(len(BETAS))):
            place_of[folder := f"{group}/{at}/{seed}"] = place
            for split, noise in examples.items():
                rate, distortion = truth(more)[at] + own[seed] + each[seed, at] + noise
                point = {"rate": rate, "distortion": distortion, "beta": BETAS[at], "seed": seed}
                of = {"folder": folder, "split": split, "config": "{}", "population": False}
                aims = {"target_rate": math.nan, "target_distortion": math.nan}
                rows.append(point | of | aims | errors | {"elbo_stderr": math.sqrt(covariance.sum())})
    return pd.DataFrame(rows), Groups((), (), tuple(GROUPS), place_of)


def found(**settings):
    return frontiers(*synthetic(**settings), split="test", chosen_on="val")


def known_differences() -> dict[str, float]:
    one, other = (Curve(*truth(more)[::-1].T) for more in GROUPS.values())
    return {"R at equal D": rate_difference(one, other), "D at equal R": distortion_difference(one, other)}


QUIET = {"seeds": 2, "spread": 0.0, "shared": 0.0, "stderr": 0.0}


def test_validation_chooses_and_the_other_split_is_shown():
    rows, groups = synthetic(**QUIET)
    on_val, on_test = (rows["split"] == split for split in ("val", "test"))
    rows.loc[on_val & (rows["beta"] == 1.0), "distortion"] += 100.0  # beaten there alone
    rows.loc[on_test & (rows["beta"] == 4.0), "distortion"] += 100.0  # beaten, but chosen
    points = frontiers(rows, groups, split="test", chosen_on="val")[0].points.set_index("beta")
    assert points.index[~points["front"]].tolist() == [1.0]
    assert points.loc[4.0, "distortion"] == pytest.approx(truth(0.0)[5, 1] + 100.0)
    assert points["hull"].sum() < points["front"].sum() or points["hull"].equals(points["front"])


def test_points_are_means_over_seeds_with_their_standard_error():
    rows, groups = synthetic(seeds=4, spread=1.0, shared=0.0, stderr=0.1)
    points = frontiers(rows, groups, split="test", chosen_on="val")[1].points
    values = rows["rate"][(rows["split"] == "test") & (rows["beta"] == 2.0) & rows["folder"].str.startswith("b")]
    point = points[points["beta"] == 2.0].iloc[0]
    assert (point["seeds"], point["rate"]) == (4, pytest.approx(values.mean()))
    assert point["rate_stderr"] == pytest.approx(values.std(ddof=1) / 2)


def test_several_runs_of_one_seed_count_as_a_seed_each():
    """As of other code that states no seed: none of its runs is dropped."""
    rows, groups = synthetic(seeds=4, spread=1.0, shared=0.0, stderr=0.1)
    apart = frontiers(rows, groups, split="test", chosen_on="val")
    unstated = frontiers(rows.sample(frac=1.0, random_state=0).assign(seed=0), groups, split="test", chosen_on="val")
    for one, other in zip(apart, unstated, strict=True):
        pd.testing.assert_frame_equal(one.points, other.points)
        assert np.array_equal(one.shown, other.shown)
    assert differences(redraw(apart, draws=5))["paired"].all()
    assert not differences(redraw(unstated, draws=5))["paired"].any()


def test_one_seed_has_no_spread_and_examples_alone_are_noise():
    frontier = found(seeds=1, spread=0.0, shared=0.0, stderr=0.1)[0]
    assert frontier.points["rate_stderr"].isna().all()
    table = differences(redraw(found(seeds=1, spread=0.0, shared=0.0, stderr=0.1), draws=20))
    assert (table["stderr_seeds"] == 0.0).all()
    assert np.isinf(table["df"]).all()
    assert (table["stderr_examples"] > 0).all()


def test_frontiers_of_the_same_seeds_are_paired_and_what_a_seed_adds_to_both_counts_for_nothing():
    alike = {"seeds": 4, "spread": 0.2, "shared": 1.0, "both": 0.99, "stderr": 0.0}
    paired = differences(redraw(found(**alike), draws=20)).set_index("difference")
    assert paired["paired"].all()
    assert paired["df"].tolist() == pytest.approx([3, 3])
    rows, groups = synthetic(**alike)
    rows["seed"] += 10 * rows["folder"].str.startswith("b")
    apart = differences(redraw(frontiers(rows, groups, split="test", chosen_on="val"), draws=20)).set_index(
        "difference"
    )
    assert not apart["paired"].any()
    assert (apart["value"] == paired["value"]).all()
    assert (paired["stderr_seeds"] < 0.3 * apart["stderr_seeds"]).all()


def test_two_seeds_are_too_few_for_pairs():
    assert not differences(redraw(found(seeds=2, spread=0.2, shared=1.0, stderr=0.0), draws=5))["paired"].any()


def test_the_noise_of_examples_is_that_of_the_standard_errors():
    frontier = found(seeds=1, spread=0.0, shared=0.0, stderr=0.1)[0]
    covariance = frontier.noise[1] @ frontier.noise[1].transpose(0, 2, 1)
    assert covariance[0] == pytest.approx(0.01 * np.array([[0.36, -0.3], [-0.3, 1.0]]), rel=1e-6)
    assert np.ptp(frontier.noise, axis=(0, 1)) == pytest.approx(0.0, abs=1e-9)


def test_without_noise_differences_and_areas_are_those_of_the_curves():
    pairs = redraw(found(**QUIET), draws=5)
    table = differences(pairs).set_index("difference")
    assert table["value"].to_dict() == pytest.approx(known_differences())
    assert table[["stderr", "low", "high"]].isna().all(axis=None)
    assert table.loc["R at equal D", "value"] == pytest.approx(0.5)
    low, high = GROUPS["b"] + 20 / 9**1.2, 20 / 1.1**1.2
    found_areas = areas(pairs)
    assert found_areas[["over_low", "over_high"]].iloc[0].tolist() == pytest.approx([low, high])
    assert found_areas["value"].iloc[0] == pytest.approx(Curve(*truth(0.0)[::-1].T).area(low, high))


def test_frontiers_with_nothing_in_common_have_no_difference():
    rows, groups = synthetic(**QUIET)
    rows.loc[rows["folder"].str.startswith("b"), ["distortion", "rate"]] += 1000.0
    table = differences(redraw(frontiers(rows, groups, split="test", chosen_on="val"), draws=5))
    assert table[["value", "stderr", "low", "high", "over_low"]].isna().all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("both", [0.0, 0.8])
def test_intervals_hold_the_known_difference_in_95_of_100(both):
    known, runs = known_differences(), 300
    settings = {"seeds": 5, "spread": 0.2, "shared": 0.5, "stderr": 0.05, "both": both}
    held = dict.fromkeys(known, 0)
    for draw in range(runs):
        for row in differences(redraw(found(**settings, draw=draw), draws=60)).to_dict("records"):
            held[row["difference"]] += row["low"] <= known[row["difference"]] <= row["high"]
    print(f"held of {runs}, {both:g} of a seed's share in common: {held}")  # With -s, for docs/figures.md.
    assert all(0.90 * runs <= count <= 0.98 * runs for count in held.values()), held
