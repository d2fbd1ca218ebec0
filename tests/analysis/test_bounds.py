"""H, the bounds that follow from it, and impossible points, on sources whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.rows.finding import RunWarning
from analysis.rows.runs import load_runs
from analysis.statistics.bounds import (
    add_bounds,
    distinct_splits,
    entropies,
    known_entropies,
    placeable,
    warn_impossible,
)
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    GAUSSIAN_H,
    SPRITES_H,
    SPRITES_N,
    gaussian_sweep,
    impossible,
    mnist_card,
    mnist_points,
    mnist_sweep,
    sprites_card,
    sprites_point,
    sprites_sweep,
    write_run,
)


def test_h_minus_d_and_r_enclose_the_exact_information(tmp_path):
    sprites_sweep(tmp_path)
    rows = add_bounds(load_runs(tmp_path), split="test")
    assert (rows["h"] == SPRITES_H).all()
    assert (rows["h_kind"] == "exact").all()
    assert (rows["h_minus_d"] <= rows["mutual_information_lower"]).all()
    assert (rows["mutual_information_lower"] <= rows["rate"]).all()
    assert not rows["impossible"].any()


def test_the_linear_gaussian_optimum_meets_h_at_beta_one(tmp_path):
    gaussian_sweep(tmp_path, betas=[1.0])
    row = add_bounds(load_runs(tmp_path), split="test").iloc[-1]
    assert -row["elbo"] == pytest.approx(GAUSSIAN_H, abs=1e-12)
    assert row["h_minus_d"] == pytest.approx(row["rate"], abs=1e-12)  # I = R there
    assert row["impossible"] == ""


def test_unknown_h_is_estimated_by_the_smallest_nll_and_says_from_which_run(tmp_path):
    mnist_sweep(tmp_path, nll=True)
    runs = load_runs(tmp_path)
    h = entropies(runs, split="test")["test"]
    assert not h.known
    assert h.value == runs["nll"].min()
    assert h.stderr == 0.29
    assert h.source.startswith("importance NLL of static_mnist-beta1-seed0")
    assert "val" not in entropies(runs, split="test")


def test_a_tight_nll_beats_the_smaller_sum_of_another_run(tmp_path):
    nll = {"kind": "ais", "split": "test", "value": 80.0, "stderr": 0.1, "n": 100}
    write_run(tmp_path, card=mnist_card(), beta=1.0, points=mnist_points(1.0))
    folder = write_run(tmp_path, card=mnist_card(), beta=4.0, points=mnist_points(4.0), estimates=[nll])
    h = entropies(load_runs(tmp_path), split="test")["test"]
    assert (h.value, h.source) == (80.0, f"ais NLL of {folder.name}")


def test_without_an_nll_the_smallest_d_plus_r_is_taken_and_says_nothing_of_its_own_run(tmp_path):
    mnist_sweep(tmp_path)
    runs = load_runs(tmp_path)
    h = entropies(runs, split="test")["test"]
    test = runs[runs["split"] == "test"]
    assert h.value == -test["elbo"].max()
    assert h.source.startswith("D + R of static_mnist-beta1-")
    rows = add_bounds(runs, split="test").query("split == 'test'")
    assert rows["h_minus_d"].isna().tolist() == (rows["beta"] == 1).tolist()


def test_a_known_h_is_never_replaced_by_an_estimate(tmp_path):
    mnist_sweep(tmp_path, nll=True)
    h = entropies(load_runs(tmp_path), split="train")["train"]
    assert (h.kind, h.value) == ("exact", math.log(50000))


def test_h_belongs_to_a_split(tmp_path):
    card = sprites_card(n_train=1000)
    on_train = replace(sprites_point(1.0), distortion=0.05, rate=7.0, information=6.9, kind="empirical")
    points = {"train": on_train, "val": sprites_point(1.0), "test": sprites_point(1.0)}
    write_run(tmp_path, card=card, beta=1.0, points=points)
    rows = add_bounds(load_runs(tmp_path), split="test").set_index("split")
    assert rows.loc["train", "h"] == math.log(1000)
    assert rows.loc["test", "h"] == SPRITES_H
    assert -rows.loc["train", "elbo"] < SPRITES_H  # legal: an overfit model is below the population's H
    assert not rows["impossible"].any()


def test_splits_of_one_population_are_drawn_once(tmp_path):
    sprites_sweep(tmp_path / "whole", betas=[1.0])
    mnist_sweep(tmp_path / "real", betas=[1.0])
    card, points = sprites_card(n_train=1000), dict.fromkeys(SPLITS, sprites_point(1.0))
    write_run(tmp_path / "sample", card=card, beta=1.0, points=points)
    found = {name: distinct_splits(load_runs(tmp_path / name), split="test") for name in ("whole", "sample", "real")}
    assert found == {"whole": ["test"], "sample": ["train", "test"], "real": ["train", "val", "test"]}
    assert distinct_splits(load_runs(tmp_path / "real"), split="val") == ["train", "val"]


def test_a_point_below_exact_h_is_impossible_only_beyond_three_standard_errors(tmp_path):
    point, stderr = sprites_point(1.0), 0.01
    for number, distance in enumerate((2.9, 3.1)):
        distortion = SPRITES_H - point.rate - distance * stderr
        moved = replace(point, distortion=distortion, stderr=stderr)
        write_run(tmp_path, card=sprites_card(), beta=1.0, seed=number, points=dict.fromkeys(SPLITS, moved))
    rows = add_bounds(load_runs(tmp_path), split="test")
    assert [bool(text) for text in rows["impossible"]] == [False, True]
    assert "is below H" in rows["impossible"][1]


def test_the_error_of_h_enters_the_verdict(tmp_path):
    card = sprites_card()
    noisy = card["entropy"]["test"] | {"kind": "monte_carlo", "stderr": 0.5}
    points = dict.fromkeys(SPLITS, impossible(replace(sprites_point(0.9), distortion=0.02)))
    write_run(tmp_path / "exact", card=card, beta=0.9, points=points)
    write_run(tmp_path / "noisy", card=card | {"entropy": dict.fromkeys(SPLITS, noisy)}, beta=0.9, points=points)
    exact, uncertain = (add_bounds(load_runs(tmp_path / name), split="test").iloc[0] for name in ("exact", "noisy"))
    assert exact["impossible"]
    assert not uncertain["impossible"]
    assert uncertain["h_minus_d_stderr"] == pytest.approx(0.5, rel=1e-3)


def test_a_rate_below_the_lower_bound_on_information_is_impossible(tmp_path):
    point = sprites_point(4.0)
    points = dict.fromkeys(SPLITS, replace(point, rate=point.information - 0.1, distortion=point.distortion + 1))
    write_run(tmp_path, card=sprites_card(), beta=4.0, points=points)
    rows = add_bounds(load_runs(tmp_path), split="test")
    assert "below the lower bound" in rows["impossible"][0]
    with pytest.warns(RunWarning, match="impossible: sprites-beta4") as caught:
        warn_impossible(rows)
    assert len(caught) == 1


@pytest.mark.parametrize("units", ["nats", "bits_per_dim"])
def test_rounding_is_no_contradiction_where_standard_errors_vanish(tmp_path, units):
    point = replace(sprites_point(0.5), distortion=0.0, rate=SPRITES_H - 1e-7, information=SPRITES_H, stderr=0.0)
    write_run(tmp_path, card=sprites_card(), beta=0.5, points=dict.fromkeys(SPLITS, point))
    assert not add_bounds(load_runs(tmp_path, units=units), split="test")["impossible"].any()


def test_a_point_below_an_estimated_h_only_tightens_it(tmp_path):
    nll = {"kind": "ais", "split": "test", "value": 120.0, "stderr": 0.1, "n": 100}
    points = mnist_points(1.0)
    write_run(tmp_path, card=mnist_card(), beta=1.0, points=points, estimates=[nll])
    rows = add_bounds(load_runs(tmp_path), split="test").set_index("split")
    assert -rows.loc["test", "elbo"] < rows.loc["test", "h"]
    assert not rows["impossible"].any()


def test_runs_without_d_or_r_are_left_out_by_name(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0])
    diverged = replace(sprites_point(2.0), distortion=math.nan)
    folder = write_run(tmp_path, card=sprites_card(), beta=2.0, points=dict.fromkeys(SPLITS, diverged))
    with pytest.warns(RunWarning, match=folder.name):
        rows = placeable(add_bounds(load_runs(tmp_path), split="test"), split="test")
    assert rows["beta"].tolist() == [1.0]
    with pytest.raises(InputError, match="nothing to draw"):
        placeable(add_bounds(load_runs(folder), split="test"), split="test")


def test_known_entropies_hold_no_estimates(tmp_path):
    mnist_sweep(tmp_path, betas=[1.0], nll=True)
    assert list(known_entropies(load_runs(tmp_path))) == ["train"]


def test_the_fake_population_has_ln_n(tmp_path):
    assert math.log(SPRITES_N) == pytest.approx(8.2364, abs=5e-5)


@pytest.mark.parametrize("support", ["grey", "real"])
def test_d_of_a_density_is_not_held_to_the_entropy_of_the_images(tmp_path, support):
    """H = ln N of distinct grey images is exact, but D of a density can be anything: no bound follows from the two."""
    point = sprites_point(1.0)
    card = sprites_card() | {"support": support}
    write_run(tmp_path / "a", card=card, beta=1.0, points=dict.fromkeys(SPLITS, replace(point, distortion=-500.0)))
    runs = load_runs(tmp_path)
    assert runs["entropy"].isna().all()
    assert set(runs["entropy_measure"]) == {"differential"}
    assert known_entropies(runs) == {}
    assert set(add_bounds(runs, split="test")["impossible"]) == {""}
