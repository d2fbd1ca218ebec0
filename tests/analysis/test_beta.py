"""The figure over beta, and its axis: where runs stand, 0 among them and held runs, and what is known of I there."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import load_runs
from analysis.figures.beta import beta, numbers
from analysis.marks.slopes import add_slopes, information_bars, slope_axis, slope_lines
from analysis.view import View
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    SPRITES_H,
    gaussian_sweep,
    mnist_sweep,
    sprites_card,
    sprites_point,
    sprites_sweep,
    sprites_targets,
    write_run,
)
from helpers.pages import faults


def test_zero_has_its_place_and_held_runs_theirs(tmp_path):
    sprites_sweep(tmp_path, betas=[0.0, 0.3, 4.0])
    sprites_targets(tmp_path, rates=[2.0], slope=1.7)
    rows = numbers(load_runs(tmp_path), View())[""].set_index("slope")
    assert sorted(rows.index) == [0.0, 0.3, 1.7, 4.0]
    assert rows["held"].to_dict() == {0.0: False, 0.3: False, 4.0: False, 1.7: True}
    bottom = beta(load_runs(tmp_path)).axes[-1]
    assert [tick.get_text() for tick in bottom.get_xticklabels()][:2] == ["0", "0.3"]
    assert bottom.get_xticks()[0] == pytest.approx(0.1)


def test_means_over_seeds_are_joined_and_every_run_is_marked(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0], seeds=range(3))
    _, middle, _ = beta(load_runs(tmp_path)).axes
    lines = [line for line in middle.lines if line.get_linestyle() == "-" and len(line.get_xdata())]
    rates = [[sprites_point(b, seed=s).rate for s in range(3)] for b in (0.5, 4.0)]
    np.testing.assert_allclose(lines[0].get_ydata(), np.mean(rates, axis=1))
    marks = [line for line in middle.lines if line.get_marker() == "o" and len(line.get_xdata()) == 6]
    np.testing.assert_allclose(sorted(marks[0].get_ydata()), sorted(np.ravel(rates)))


def test_a_line_of_information_joins_no_held_run(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0])
    sprites_targets(tmp_path, rates=[2.0], slope=1.7)
    runs = load_runs(tmp_path)
    ax = information_bars(add_slopes(runs[runs["split"] == "test"]), ax=Figure().add_subplot())
    drawn = {tuple(line.get_xdata()): line.get_linestyle() for line in ax.lines}
    assert drawn == {(0.5, 4.0): "--", (1.7,): "None"}


def test_capped_information_is_an_interval(tmp_path):
    mnist_sweep(tmp_path, betas=[0.5, 4.0])
    runs = load_runs(tmp_path)
    rows = add_slopes(runs[runs["split"] == "test"])
    ax = information_bars(rows, ax=Figure().add_subplot())
    ends = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    names = ["mutual_information_lower", "mutual_information_upper"]
    np.testing.assert_allclose(ends, rows[names].to_numpy())


def test_the_forecast_is_drawn_where_it_is(tmp_path):
    for at in (1.0, 10.0, 40.0):
        points = dict.fromkeys(SPLITS, sprites_point(at))
        write_run(tmp_path, card=sprites_card(), beta=at, points=points, model={"forecast": {"collapse_beta": 23.9}})
    figure = beta(load_runs(tmp_path))
    for ax in figure.axes:
        assert [line.get_xdata()[0] for line in ax.lines if list(line.get_ydata()) == [0, 1]] == [23.9]
    assert not faults(figure)


def test_information_has_its_ceiling_where_x_is_discrete_alone(tmp_path):
    for make, heights in ((sprites_sweep, [SPRITES_H]), (gaussian_sweep, [])):
        make(tmp_path / make.__name__, betas=[0.5, 4.0])
        _, middle, _ = beta(load_runs(tmp_path / make.__name__)).axes
        level = [line.get_ydata()[0] for line in middle.lines if list(line.get_xdata()) == [0, 1]]
        assert level == pytest.approx(heights)


def test_runs_that_came_to_no_slope_have_no_place(tmp_path):
    sprites_targets(tmp_path)
    with pytest.raises(InputError, match="came to a slope: nothing to draw over beta; draw the plane"):
        beta(load_runs(tmp_path))


@pytest.mark.parametrize("make", [mnist_sweep, lambda root: [sprites_sweep(root, decoder=d) for d in ("mlp", "conv")]])
def test_pages_have_no_faults(tmp_path, make):
    make(tmp_path)
    assert not faults(beta(load_runs(tmp_path)))


def test_lines_are_drawn_on_the_current_axes_from_rows_alone():
    from matplotlib import pyplot

    rows = add_slopes(pd.DataFrame({"beta": [1.0, 2.0, math.nan], "achieved_slope": [1.0, 2.0, 3.0], "x": 0.0}))
    figure, ax = pyplot.subplots()
    assert slope_lines(rows.assign(accuracy=[0.1, 0.2, 0.3]), "accuracy") is ax
    assert slope_axis(rows.assign(collapse_beta=math.nan)) is ax
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 2, 1]
    pyplot.close(figure)
