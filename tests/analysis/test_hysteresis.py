"""Ways along beta: which runs are on which, and what pairs of them differ by, against numbers written down here."""

import numpy as np
import pytest

from analysis import load_runs
from analysis.figures.hysteresis import hysteresis, numbers
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


def test_runs_that_start_from_none_are_on_no_way(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0])
    with pytest.raises(InputError, match="no run started from another along beta"):
        hysteresis(load_runs(tmp_path))
