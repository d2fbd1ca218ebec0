"""The figure of frontiers: what is drawn where, what is written beneath, and the numbers beside it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import frontier, load_runs
from analysis.figures.frontier import numbers
from analysis.marks.frontiers import frontier_curves, frontier_keys
from analysis.rows.finding import RunWarning
from analysis.view import View
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import Point, mnist_sweep, sprites_autoencoder, sprites_card, sprites_sweep, write_run
from helpers.pages import faults

BETAS = (0.5, 1.0, 2.0, 4.0, 6.0)


@pytest.fixture
def two_priors(tmp_path):
    """Two priors of the same runs, one 3 nats of D worse."""
    sprites_sweep(tmp_path, betas=BETAS, seeds=range(3))
    sprites_sweep(tmp_path, betas=BETAS, seeds=range(3), excess=3.0, prior="vamp")
    return load_runs(tmp_path)


def test_each_group_has_its_points_its_curve_and_its_band(two_priors):
    [ax] = frontier(two_priors, group_by=("prior",)).axes
    points = numbers(two_priors, View(group_by=("prior",)))[""]
    curves = [line for line in ax.lines if len(line.get_xdata()) == 100]
    assert len(curves) == len(ax.patches) == 2
    for (_, rows), line in zip(points.groupby("group", sort=False), curves, strict=True):
        front = rows[rows["front"]].sort_values("rate")
        x, y = line.get_data()
        assert (x[0], x[-1]) == pytest.approx((front["rate"].min(), front["rate"].max()))
        np.testing.assert_allclose(np.interp(front["rate"], x, y), front["distortion"], atol=0.05)


def test_what_is_written_beneath_is_the_known_difference(two_priors):
    figure = frontier(two_priors, group_by=("prior",))
    text = figure._supxlabel.get_text()
    found = re.search(r"\$D\$ at equal \$R\$: (\d\.\d+) nats", text)  # The same noise, which falls out
    assert float(found[1]) == pytest.approx(3.0, abs=0.01)
    assert "prior vamp less prior normal" in text
    table = numbers(two_priors, View(group_by=("prior",)))["-differences"].set_index("difference")
    assert table.loc["D at equal R", "value"] == pytest.approx(3.0, abs=1e-9)
    assert not faults(figure)


def test_a_lone_group_has_nothing_to_be_held_against(tmp_path):
    mnist_sweep(tmp_path)
    figure = frontier(load_runs(tmp_path))
    assert figure._supxlabel is None
    assert len(numbers(load_runs(tmp_path), View())["-differences"]) == 0
    assert not faults(figure)


def test_groups_asked_for_that_leave_nothing_to_compare_get_a_word(tmp_path):
    sprites_sweep(tmp_path, betas=BETAS, decoder="mlp")
    sprites_sweep(tmp_path, betas=BETAS, excess=3.0, decoder="resnet")
    words = r"^--group_by prior: no data set has runs of two groups.* differ, such as decoder$"
    with pytest.warns(RunWarning, match=words) as said:
        frontier(load_runs(tmp_path), group_by=("prior",))
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frontier(load_runs(tmp_path), group_by=("decoder",))


@pytest.mark.parametrize(("betas", "lines"), [(BETAS[:1], []), (BETAS, ["Pareto", "lower"])])
def test_the_legend_has_only_lines_that_are_drawn(betas, lines, tmp_path):
    sprites_sweep(tmp_path, betas=betas)
    runs = load_runs(tmp_path)
    ax = frontier_keys(numbers(runs, View())[""], chosen_on="val", ax=Figure().add_subplot())
    assert [label.split()[0] for label in ax.get_legend_handles_labels()[1] if label != "not on the front"] == lines
    assert not faults(frontier(runs))


def test_runs_without_a_rate_are_named_and_left_out(tmp_path):
    sprites_sweep(tmp_path, betas=BETAS)
    sprites_autoencoder(tmp_path)
    with pytest.warns(RunWarning, match="no R and D on both val and test"):
        figure = frontier(load_runs(tmp_path))
    assert not faults(figure)


def test_autoencoders_alone_have_no_frontier(tmp_path):
    sprites_autoencoder(tmp_path)
    with pytest.raises(InputError, match="a frontier is chosen on val: evaluate"):
        frontier(load_runs(tmp_path))


def test_a_point_that_validation_did_not_choose_is_open(tmp_path):
    for beta, distortion in ((0.5, 3.0), (1.0, 9.0), (2.0, 6.0)):
        at = dict.fromkeys(SPLITS, Point(distortion, 6.0 - beta, 4.0))
        write_run(tmp_path, card=sprites_card(), beta=beta, points=at)
    points = numbers(load_runs(tmp_path), View())[""]
    ax = frontier_curves(points, ax=Figure().add_subplot())
    faces = {line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o" and line.get_xdata().size == 1}
    assert faces == {"white"}


def test_limits_and_scales_are_those_asked_for(two_priors):
    [ax] = frontier(two_priors, group_by=("prior",), xlim=(1.0, 9.0), log="y").axes
    assert ax.get_xlim() == (1.0, 9.0)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
