"""Ways along beta: which runs are on which, and what pairs of them differ by, against numbers written down here."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis import load_runs
from analysis.figures.hysteresis import hysteresis, numbers
from analysis.statistics.hysteresis import hysteresis as differences
from analysis.view import View
from vae_rd.errors import InputError

from helpers.chains import chain
from helpers.fake_records import sprites_sweep


def test_pairs_are_of_one_beta_and_seed_and_the_first_run_is_of_the_way_it_begins(tmp_path):
    for seed in range(2):
        chain(tmp_path, seed)
    found = numbers(load_runs(tmp_path), View())
    ways = found[""].groupby(["direction", "beta"]).size().to_dict()
    assert ways == {("down", 1.0): 2, ("down", 4.0): 2, ("down", 10.0): 2, ("up", 4.0): 2, ("up", 10.0): 2}
    rows = found["-differences"].set_index("beta")
    assert rows.index.tolist() == [4.0, 10.0]
    assert rows["seeds"].tolist() == [2, 2]
    np.testing.assert_allclose(rows["distortion_difference"], [-16 + 0.5, -1 + 0.5])
    np.testing.assert_allclose(rows["rate_difference"], [3.0, 0.2])
    np.testing.assert_allclose(rows["objective_difference"], [-16 + 0.5 + 12, -1 + 0.5 + 2])
    np.testing.assert_allclose(rows["objective_stderr"], [0.5, 0.5])  # Of 0 and 1: sqrt(1/2) / sqrt(2).
    assert rows["better"].tolist() == ["up", "down"]
    top = hysteresis(load_runs(tmp_path)).axes[0]
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["direction down", "direction up"]


def test_of_one_seed_the_spread_is_that_of_two_samples(tmp_path):
    chain(tmp_path, 0)
    row = numbers(load_runs(tmp_path), View())["-differences"].set_index("beta").loc[4.0]
    assert row["rate_stderr"] == pytest.approx(0.001 * 2**0.5)


def way(name: str, beta: float, seed: int, distortion: float, stderr: float) -> dict[str, object]:
    of = {"direction": name, "seed": seed, "beta": beta, "card": "", "config": "{}"}
    values = {"distortion": distortion, "rate": 1.0, "objective": distortion + beta}
    return of | values | {f"{quantity}_stderr": stderr for quantity in values}


def test_the_standard_error_of_one_pair_is_that_of_its_own_runs():
    rows = [way("down", 2.0, 0, 50.0, 9.0), way("down", 2.0, 1, 60.0, 0.3), way("up", 2.0, 1, 64.0, 0.4)]
    row = differences(pd.DataFrame(rows)).iloc[0]
    assert (row["seeds"], row["distortion_difference"], row["better"]) == (1, 4.0, "down")
    assert row["distortion_stderr"] == pytest.approx(0.5)


def test_several_runs_of_one_seed_count_by_their_mean():
    rows = [way("down", 2.0, 0, 60.0, 0.3), way("up", 2.0, 0, 64.0, 0.4), way("up", 2.0, 0, 70.0, 0.4)]
    row = differences(pd.DataFrame(rows)).iloc[0]
    assert (row["seeds"], row["distortion_difference"]) == (1, 7.0)


def test_the_difference_at_beta_zero_stands_at_the_place_of_zero(tmp_path):
    for seed in range(2):
        chain(tmp_path, seed)
    for path in tmp_path.glob("*/record.json"):
        content = json.loads(path.read_text())
        content["model"]["slope"] %= 4.0  # Beta 4 becomes 0, and 10 becomes 2.
        path.write_text(json.dumps(content))
    bottom = hysteresis(load_runs(tmp_path)).axes[2]
    zero = bottom.get_xticks()[0]
    assert bottom.get_xticklabels()[0].get_text() == "0"
    drawn = [line.get_xdata().tolist() for line in bottom.lines if line.get_marker() == "o"]
    assert drawn == [[zero, 2.0]]


def test_runs_that_start_from_none_are_on_no_way(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0])
    with pytest.raises(InputError, match="no run started from another along beta"):
        hysteresis(load_runs(tmp_path))
