"""The verdict on training on the axes of curves, in data coordinates."""

import json

import numpy as np
import pytest

from analysis import curves, load_runs
from vae_rd.run.record import RunRecord
from vae_rd.verdicts.tails import approach_at

from helpers.fake_records import sprites_sweep
from helpers.full_runs import TAIL, VERDICTS
from helpers.pages import faults


@pytest.fixture(params=VERDICTS)
def drawn(request, tmp_path):
    """The word for a verdict, and the figure of a run of beta 1 with it."""
    (folder,) = sprites_sweep(tmp_path, betas=[1.0])
    record = json.loads((folder / "record.json").read_text())
    record["verdicts"]["fit"] = VERDICTS[request.param]
    RunRecord.of(record).write(folder)
    return request.param, curves(load_runs(tmp_path))


def test_marks_stand_where_the_verdict_says(drawn):
    kind, figure = drawn
    distortion, rate, elbo = figure.axes[:3]
    assert not faults(figure)
    if kind == "overfitting":
        for ax in (distortion, rate, elbo):
            assert [line.get_xdata()[0] for line in ax.lines if set(line.get_xdata()) == {21}] == [21]
    if kind == "spikes":
        found = {
            name: next(line for line in ax.lines if line.get_marker() == "v")
            for name, ax in zip("dre", figure.axes[:3], strict=True)
        }
        assert [list(line.get_xdata()) for line in found.values()] == [[], [25], [30]]
    if kind == "tail":
        (ahead,) = (line for line in elbo.lines if len(line.get_xdata()) == 31 and line.get_zorder() == 5
                    and np.allclose(line.get_ydata(), -approach_at(TAIL, range(19, 50))))  # fmt: skip
        assert list(ahead.get_xdata()) == list(range(19, 50))
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    texts = {text.get_text().replace("\n", " ") for legend in legends for text in legend.get_texts()}
    named = {"overfits from here", "spikes", "tail: exponential", "tail: power law"}
    assert (
        texts & named
        == {
            "overfitting": {"overfits from here"},
            "spikes": {"spikes"},
            "tail": {"tail: exponential", "tail: power law"},
            "converged": set(),
        }[kind]
    )
