"""The figure of collapse: which units have what rate at which beta, verdicts, and where the forecast stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis import load_runs
from analysis.figures.collapse import collapse, numbers
from analysis.marks.units import STATES
from analysis.rows.finding import RunWarning
from analysis.rows.latents import load_units, load_verdicts
from analysis.view import View
from vae_rd.run.record import SPLITS
from vae_rd.verdicts.states import HEALTHY
from vae_rd.verdicts.states import STATES as KNOWN

from helpers.fake_records import sprites_card, sprites_point, sprites_targets, write_run
from helpers.pages import faults

BETAS = (0.5, 2.0, 10.0, 40.0)
STATE = {0.5: "over_dispersed", 2.0: "healthy", 10.0: "partially_collapsed", 40.0: "collapsed"}


def rates(beta: float) -> list[float]:
    """Of four units, not in their order."""
    return [1.0 / beta, 3.0 / beta, 0.0, 2.0 / beta]


@pytest.fixture
def runs(tmp_path):
    for beta in BETAS:
        points = dict.fromkeys(SPLITS, sprites_point(beta))
        folder = write_run(
            tmp_path, card=sprites_card(), beta=beta, points=points, model={"forecast": {"collapse_beta": 23.9}}
        )
        path = folder / "record.json"
        content = json.loads(path.read_text())
        content["metrics"]["test"] |= {
            "rate_per_dim": {"value": rates(beta), "stderr": [0.01] * 4, "n": 3776},
            "shuffle_rise": {"value": 20.0 / beta, "stderr": 0.1, "n": 400},
            "active_units_by_rate": {"value": 3, "stderr": None, "n": 400},
        }
        content["verdicts"]["collapse"]["state"] = STATE[beta]
        path.write_text(json.dumps(content))
    return load_runs(tmp_path)


def test_the_map_has_the_rates_of_the_units_in_their_order(runs):
    figure = collapse(runs)
    field = figure.axes[0].collections[0].get_array()
    expected = [sorted(rates(beta), reverse=True) for beta in BETAS]
    np.testing.assert_allclose(np.asarray(field).reshape(4, 4), np.transpose(expected))
    assert not faults(figure)


def test_units_keep_their_numbers_and_take_the_unit_asked_for(runs, tmp_path):
    units = load_units(load_runs(tmp_path, units="bits"), split="test")
    first = units[units["folder"] == units["folder"].iloc[0]]
    assert first["unit"].tolist() == [1, 3, 0, 2]
    assert first["rate"].iloc[0] == pytest.approx(6.0 / np.log(2))


def test_a_run_whose_rates_and_errors_differ_in_number_is_named_and_left_out(runs, tmp_path):
    folder = load_runs(tmp_path)["folder"].iloc[0]
    path = Path(folder) / "record.json"
    content = json.loads(path.read_text())
    content["metrics"]["test"]["rate_per_dim"]["stderr"] = [0.1]
    path.write_text(json.dumps(content))
    with pytest.warns(RunWarning, match="damaged rates of units"):
        units = load_units(load_runs(tmp_path), split="test")
    assert folder not in set(units["folder"])
    assert units["folder"].nunique() == len(BETAS) - 1


def test_the_forecast_stands_between_the_betas_below_and_above(runs):
    for ax in collapse(runs).axes[:3]:
        assert [
            line.get_xdata()[0] for line in ax.lines if list(line.get_ydata()) == [0, 1] and line.get_xdata()[0] > 0
        ] == [2.5]


def test_every_run_has_its_verdict_above_its_column(runs):
    top = collapse(runs).axes[0]
    marks = [line for line in top.lines if line.get_linestyle() == "None"]
    found = sorted((*line.get_xdata(), line.get_marker(), line.get_fillstyle()) for line in marks)
    assert found == [(0, "D", "full"), (1, "o", "full"), (2, "o", "left"), (3, "X", "full")]


def test_every_state_that_a_verdict_can_have_has_a_mark():
    assert {*KNOWN, HEALTHY} <= set(STATES)


def test_active_units_and_shuffled_latents_are_those_of_the_records(runs):
    _, middle, bottom = collapse(runs).axes[:3]
    assert [line.get_ydata().tolist() for line in middle.lines if line.get_marker() == "_"] == [[3.0] * 4]
    dots = [line.get_ydata() for line in bottom.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[0], [20.0 / beta for beta in BETAS])


def test_older_records_have_fewer_words_and_no_shuffled_latents(tmp_path):
    for beta in BETAS:
        write_run(tmp_path, card=sprites_card(), beta=beta, points=dict.fromkeys(SPLITS, sprites_point(beta)))
    sprites_targets(tmp_path, slope=1.5)
    runs = load_runs(tmp_path)
    verdicts = load_verdicts(runs, split="test")
    assert set(verdicts["state"]) == {"not collapsed", "collapsed"}
    assert verdicts["shuffle_rise"].isna().all()
    figure = collapse(runs)
    assert len(figure.axes) == 3  # the map, its bar, and active units
    assert not faults(figure)
    assert len(numbers(runs, View())["-units"]) == 16 * 6
