"""Axes on which few runs lie far from the others, and those that a command line asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis import load_runs, plane
from analysis.marks.frame import bend_of
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import SPRITES_H, sprites_card, sprites_point, sprites_sweep, write_run
from helpers.pages import faults, run_points

BETAS = (0.5, 1.0, 2.0, 4.0, 6.0, 7.0)


def with_one_far(root, rate=430.0):
    sprites_sweep(root, betas=BETAS)
    point = replace(sprites_point(0.5), rate=rate, distortion=0.02)
    write_run(root, card=sprites_card(), beta=1e-6, points=dict.fromkeys(SPLITS, point))
    return load_runs(root)


def test_one_far_rate_leaves_the_others_three_quarters_of_the_axis_and_the_label_says_so(tmp_path):
    figure = plane(with_one_far(tmp_path))
    [ax] = figure.axes
    assert "log beyond" in ax.get_xlabel()
    places = {x: ax.transData.transform((x, 0))[0] for _, _, x, _, _ in run_points(ax)}
    shares = (np.array([places[x] for x in sorted(places)]) - ax.bbox.x0) / ax.bbox.width
    assert shares[-2] > 0.5
    assert shares[-1] < 1
    assert not faults(figure)


def test_lines_and_tangents_are_those_of_the_numbers_on_a_bent_axis(tmp_path):
    [ax] = plane(with_one_far(tmp_path)).axes
    [line] = [line for line in ax.lines if str(line.get_label()).startswith("$D + R = H$")]
    assert len(line.get_xdata()) > 100  # it is no straight line on the page
    assert line.get_xydata().sum(1) == pytest.approx([SPRITES_H] * len(line.get_xdata()))
    [ticks] = [c for c in ax.collections if c.get_gid() == "tangents"]
    for segment in ticks.get_segments()[1:]:  # all but the far one, near which the axis is not straight
        (x0, y0), (x1, y1) = segment
        assert any((y1 - y0) / (x1 - x0) == pytest.approx(-beta, rel=0.02) for beta in BETAS)


@pytest.mark.parametrize(
    ("values", "bent"),
    [
        ([0, 1, 2, 3, 4], False),
        ([0, 1, 2, 3, 400], True),
        ([0, 1, 2, 3, 9], False),  # the others have a third of the axis
        ([0, 1, 2, 390, 400], False),  # two of five are no few
        ([0, 1, 2, 3, 4, 5, 6, 390, 400], True),
        ([0, 1, 2, 400], False),  # of four points none is far out
        ([3, 3, 3, 3, 3], False),
    ],
)
def test_far_out_is_a_quarter_of_five_points_beyond_a_third_of_the_axis(values, bent):
    assert (bend_of(map(float, values), low=0.0) is not None) == bent


def test_the_scale_is_linear_then_logarithmic_with_one_slope_and_its_inverse_is_its_inverse():
    bend = bend_of([0.0, 1.0, 2.0, 3.0, 400.0], low=0.0)
    values = np.linspace(0, 400, 2001)
    assert bend.inverse(bend.forward(values)) == pytest.approx(values)
    near = values[values < bend.at]
    assert (bend.forward(near) == near).all()
    step = 1e-6
    slopes = [(bend.forward(bend.at + s * step) - bend.forward(bend.at)) / (s * step) for s in (-1, 1)]
    assert slopes == pytest.approx([1, 1], abs=1e-4)
    far = bend.forward(np.array(400.0))
    assert (far - bend.at) / far == pytest.approx(0.25, abs=1e-6)


def test_limits_scales_and_an_inset_are_as_asked(tmp_path):
    runs = with_one_far(tmp_path)
    [ax] = plane(runs, xlim=(0.0, 12.0), ylim=(-1.0, 9.0)).axes
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_xscale()) == ((0.0, 12.0), (-1.0, 9.0), "linear")
    figure = plane(runs, log="x")
    assert (figure.axes[0].get_xscale(), "log beyond" in figure.axes[0].get_xlabel()) == ("log", False)
    assert not faults(figure)
    figure = plane(runs, inset=(6.0, 10.0, 0.0, 3.0))
    [inset] = figure.axes[0].child_axes
    assert (inset.get_xlim(), inset.get_ylim()) == ((6.0, 10.0), (0.0, 3.0))
    drawn = {(x, y) for _, _, x, y, _ in run_points(inset)}
    assert drawn == {(x, y) for _, _, x, y, _ in run_points(figure.axes[0])}
    assert not faults(figure)


def test_a_logarithmic_axis_of_what_is_not_positive_is_refused(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0, 1000.0], excess=-1.0)
    with (
        pytest.warns(UserWarning, match="impossible"),
        pytest.raises(InputError, match=r"--log y: all numbers .* above 0"),
    ):
        plane(load_runs(tmp_path), log="y")
