"""Rate against accuracy: what is drawn in data coordinates, what a reader can read, and what is refused."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Annotation

from analysis import information, load_runs
from analysis.__main__ import main
from analysis.rows.finding import RunWarning
from analysis.rows.probes import load_probes
from analysis.style import COLUMN, GREY
from vae_rd.errors import InputError
from vae_rd.run.record import RunRecord
from vae_rd.theory.fano import largest_accuracy

from helpers.fake_records import mnist_sweep, sprites_autoencoder, sprites_decoders, sprites_sweep
from helpers.full_runs import H, probed
from helpers.pages import faults, shown_texts


def some(root: Path) -> None:
    for folder in [*sprites_sweep(root, betas=[1.0, 4.0, 1000.0]), sprites_autoencoder(root)]:
        probed(folder)


def test_the_marks_stand_at_the_rates_and_accuracies(tmp_path):
    some(tmp_path)
    data = load_runs(tmp_path)
    figure = information(data)
    assert figure.get_figwidth() == COLUMN
    assert not faults(figure)
    assert [ax.texts[0].get_text() for ax in figure.axes] == [f"shape, {n} labels" for n in (400, 100, 10)]
    top = figure.axes[0]
    rates = data.query("split == 'test' and beta > 0")["rate"]
    for accuracy, filling in ((0.5, "full"), (0.6, "none")):
        marks = [
            line for line in top.lines if line.get_ydata() == pytest.approx([accuracy]) and line.get_marker() != "None"
        ]
        found = sorted(line.get_xdata()[0] for line in marks if line.get_fillstyle() == filling)
        assert found == pytest.approx(sorted([top.get_xlim()[0], *rates]))
    heights = {
        line.get_label(): line.get_ydata()[0] for line in top.lines if line.get_label().startswith(("pi", "PCA"))
    }
    assert heights == pytest.approx({"pixels (256)": 0.9, "PCA (16)": 0.7})
    (label,) = [t for t in shown_texts(figure) if isinstance(t, Annotation) and t.get_text() == "rate undefined"]
    assert label.axes is figure.axes[-1]
    inks = {line.get_color() for line in top.lines if list(line.get_xdata()) == [top.get_xlim()[0]]}
    assert inks == {to_rgba(GREY)}  # no beta weighs a plain autoencoder
    assert not any(t.get_text() in ("0", r"$\beta$ = 0") for t in figure.findobj(Annotation))
    assert (label.get_text(), label.xy) == ("rate undefined", pytest.approx((label.axes.get_xlim()[0], 0.3)))


@pytest.mark.parametrize("units", ["nats", "bits"])
def test_the_limit_is_fano_s_in_the_units_of_the_axis(tmp_path, units):
    some(tmp_path)
    ax = information(load_runs(tmp_path, units=units)).axes[0]
    (limit,) = [line for line in ax.lines if "Fano" in str(line.get_label())]
    per_nat = 1.0 if units == "nats" else 1 / math.log(2)
    for rate, accuracy in list(zip(limit.get_xdata(), limit.get_ydata(), strict=True))[::7]:
        assert accuracy == pytest.approx(largest_accuracy(rate / per_nat, label_entropy=H, classes=3))
    assert limit.get_ydata()[0] == pytest.approx(1 / 3)
    assert limit.get_ydata()[-1] == 1


@pytest.mark.parametrize("sweep", [sprites_decoders, mnist_sweep])
def test_texts_are_legible_inside_the_page_and_do_not_overlap(tmp_path, sweep):
    for folder in sweep(tmp_path):
        probed(folder)
    assert not faults(information(load_runs(tmp_path)))


def test_two_data_sets_stand_beside_each_other(tmp_path):
    for folder in [*sprites_sweep(tmp_path, betas=[1.0, 4.0]), *mnist_sweep(tmp_path, betas=[1.0])]:
        probed(folder, factor="shape" if "sprites" in folder.name else "digit", sizes=(10, 100, 400))
    figure = information(load_runs(tmp_path))
    assert figure.get_figwidth() == 2 * COLUMN
    assert not faults(figure)


def test_the_numbers_hold_every_probe_and_the_last_entry_of_a_factor_counts(tmp_path, capsys):
    for folder in sprites_sweep(tmp_path / "runs", betas=[1.0, 4.0]):
        probed(folder)
        probed(folder, higher=0.1, seed=1)
    assert main(["information", str(tmp_path / "runs"), "-o", str(tmp_path / "a.svg")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"a.{end}") for end in ("svg", "csv", "json")]
    with (tmp_path / "a.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * 4 * 2 * 3
    draw = [row for row in rows if (row["features"], row["classifier"], row["labels"]) == ("draw", "logistic", "400")]
    assert [float(row["accuracy"]) for row in draw] == pytest.approx([0.6, 0.6])
    assert {row["data"] for row in rows} == {"sprites"}


def test_runs_that_were_not_probed_are_left_out_with_a_line_and_refused_where_there_are_no_others(tmp_path):
    one, other = sprites_sweep(tmp_path, betas=[1.0, 4.0])
    with pytest.raises(
        InputError, match=r"none of the runs has been probed: run python -m vae_rd\.evaluate RUNS --probe"
    ):
        information(load_runs(tmp_path))
    probed(one)
    with pytest.warns(RunWarning, match=f"left out, not probed: {other.name}"):
        assert len(load_probes(load_runs(tmp_path), split="test")["run"].unique()) == 1


def test_a_run_of_damaged_probes_is_left_out_by_name(tmp_path):
    (folder, other) = sprites_sweep(tmp_path, betas=[1.0, 4.0])
    probed(folder)
    probed(other)
    record = RunRecord.read(folder)
    record.estimates[0]["table"][0].pop("labels")
    record.write(folder)
    with pytest.warns(RunWarning, match=f"left out, damaged probes: {folder}: it lacks probe labels"):
        assert set(load_probes(load_runs(tmp_path), split="test")["folder"]) == {str(other)}
