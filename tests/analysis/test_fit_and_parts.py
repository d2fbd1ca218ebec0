"""Training as a way through the plane, and R in parts: what is drawn is what histories and records say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer

from analysis import decomposition, fit, load_runs
from analysis.figures.decomposition import numbers as parts_of
from analysis.figures.fit import numbers
from analysis.marks.paths import VERDICTS
from analysis.rows.finding import RunWarning
from analysis.rows.histories import load_histories
from analysis.view import View
from vae_rd.errors import InputError

from helpers.fake_records import mnist_sweep, sprites_autoencoder, sprites_sweep
from helpers.pages import faults


def changed(folder, change):
    path = folder / "record.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_ways_are_those_of_the_histories(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0])
    runs = load_runs(tmp_path)
    [ax] = [ax for ax in fit(runs).axes if ax.lines]
    history = load_histories(runs)
    for (_, split), rows in history.groupby(["folder", "split"], sort=False):
        found = [line for line in ax.lines if len(line.get_xdata()) == len(rows) and len(rows) > 2]
        assert any(np.allclose(line.get_xydata(), rows[["rate", "distortion"]]) for line in found), split
    gaps = [line for line in ax.lines if len(line.get_xdata()) == 2]
    train, val = (history[(history["split"] == s) & (history["epoch"] == 1)] for s in ("train", "val"))
    ends = np.stack([train["rate"], val["rate"], train["distortion"], val["distortion"]], axis=1)
    assert set(map(tuple, ends)) <= {(*line.get_xdata(), *line.get_ydata()) for line in gaps}


def test_the_verdict_on_training_marks_the_kept_checkpoint(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[0.5, 4.0])
    changed(folders[0], lambda content: content["verdicts"].update(fit={"verdict": "overfitting"}))
    runs = load_runs(tmp_path)
    figure = fit(runs)
    [ax] = [ax for ax in figure.axes if ax.lines]
    history = load_histories(runs)
    kept = history[history["kept"] & (history["split"] == "val")].sort_values("beta")
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in marks] == [
        pytest.approx(point) for point in kept[["rate", "distortion"]].to_numpy().tolist()
    ]
    assert [line.get_marker() for line in marks] == [VERDICTS["overfitting"]["marker"], "o"]
    verdicts = numbers(runs, View())[""].drop_duplicates("folder").set_index("beta")["verdict"]
    assert verdicts[0.5] == "overfitting"
    assert pd.isna(verdicts[4.0])
    assert not faults(figure)


def test_an_autoencoder_has_no_way_and_no_colour(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0])
    folder = sprites_autoencoder(tmp_path)
    history = pd.read_csv(folder / "history.csv")
    history[[f"{split}/{name}" for split in ("train", "val") for name in ("rate", "elbo")]] = np.nan
    history.to_csv(folder / "history.csv", index=False)
    with pytest.warns(RunWarning, match=f"left out, R is undefined: {folder.name}"):
        figure = fit(load_runs(tmp_path))
    assert [text.get_text() for legend in figure.legends for text in legend.get_texts()] == [r"$\beta$ = 0.5", "4"]
    with pytest.raises(InputError, match="none of the runs has a rate: no way through the plane; draw the curves"):
        fit(load_runs(folder))


def columns(ax):
    """Bottom and top of each part of each column."""
    bars = [c for c in ax.containers if isinstance(c, BarContainer)]
    return [[(patch.get_y(), patch.get_y() + patch.get_height()) for patch in bar] for bar in bars]


def test_the_parts_add_up_to_the_rate_and_leave_open_what_is_open(tmp_path):
    mnist_sweep(tmp_path, betas=[0.5, 4.0], nll=True)
    runs = load_runs(tmp_path)
    figure = decomposition(runs)
    rows = parts_of(runs, View())[""]
    low, between, rest = columns(figure.axes[0])
    bounds = rows[["mutual_information_lower", "mutual_information_upper", "rate"]].to_numpy()
    np.testing.assert_allclose([top for _, top in low], bounds[:, 0])
    np.testing.assert_allclose(between, bounds[:, :2])
    np.testing.assert_allclose([top for _, top in rest], bounds[:, 2])
    assert not faults(figure)


def test_exact_information_leaves_nothing_open_and_has_its_place_over_the_bound(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 2.0, 4.0])
    runs = load_runs(tmp_path)
    top, bottom = decomposition(runs).axes
    assert len(columns(top)) == 2
    rows = parts_of(runs, View())[""]
    marks = [(*line.get_xdata(), *line.get_ydata()) for line in bottom.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(marks, rows[["h_minus_d", "mutual_information_lower"]].to_numpy())
    [bound] = [line.get_xydata() for line in bottom.lines if len(line.get_xdata()) == 3]
    low, top_end = rows["h_minus_d"].min(), rows["h_minus_d"].max()
    np.testing.assert_allclose(bound, [[min(low, 0.0), 0.0], [0.0, 0.0], [top_end, top_end]])


def test_groups_have_shapes_over_the_bound_too(tmp_path):
    for prior in ("normal", "vamp"):
        sprites_sweep(tmp_path, betas=[0.5, 2.0], prior=prior)
    bottom = decomposition(load_runs(tmp_path), group_by=("prior",)).axes[1]
    assert [line.get_marker() for line in bottom.lines if len(line.get_xdata()) == 1] == ["o", "o", "s", "s"]
    said = [text.get_text() for text in bottom.get_legend().get_texts() if text.get_text().strip()]
    assert {"prior normal", "prior vamp"} <= set(said)


def test_total_correlation_stands_above_the_information(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[0.5, 2.0])
    own = {"total_correlation": {"value": 0.25, "stderr": 0.01}}
    entry = {"kind": "information", "split": "test", "own": own}
    changed(folders[0], lambda content: content["estimates"].append(entry))
    runs = load_runs(tmp_path)
    top = decomposition(runs).axes[0]
    rows = parts_of(runs, View())[""]
    [mark] = [line for line in top.lines if "total correlation" in str(line.get_label())]
    np.testing.assert_allclose(mark.get_ydata()[0], rows["mutual_information_lower"].iloc[0] + 0.25)
    assert np.isnan(mark.get_ydata()[1])


def test_autoencoders_alone_have_no_rate_to_take_apart(tmp_path):
    sprites_autoencoder(tmp_path)
    with pytest.raises(InputError, match="none of the runs has a rate: nothing to take apart; draw the plane"):
        decomposition(load_runs(tmp_path))
