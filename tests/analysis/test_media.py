"""Pictures and latents of runs as figures: what the artists hold, who is left out, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import latents, load_runs, reconstructions, samples, traversals
from analysis.__main__ import main
from analysis.marks.latents import GLYPHS
from analysis.rows.finding import RunWarning
from analysis.rows.media import load_latents, load_pictures
from vae_rd.errors import InputError
from vae_rd.explore.media.files import write_pictures
from vae_rd.explore.media.pictures import Picture, Shown
from vae_rd.run.record import RunRecord

from helpers.fake_records import sprites_autoencoder, sprites_sweep
from helpers.full_runs import POINTS, SIZE, with_media


@pytest.fixture
def runs(tmp_path):
    for shade, folder in enumerate(sprites_sweep(tmp_path, betas=[4.0, 0.1, 1000.0])):
        with_media(folder, shade=(shade + 1) / 4)
    return tmp_path


def rows_of(figure) -> list[tuple[str, list[np.ndarray]]]:
    """The word before each row of images, and these."""
    return [
        (label.get_text(), [np.asarray(i.get_array()) for i in ax.images if i.get_extent()[3] // 1 == line])
        for ax in figure.axes
        for line, label in enumerate(ax.get_yticklabels())
    ]


def words_of(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_reconstructions_stand_below_x_in_order_of_beta_beside_d_and_r(runs):
    data = load_runs(runs)
    rows = rows_of(reconstructions(data))
    assert [label for label, _ in rows] == ["$x$", "$\\beta$ = 0.1", "$\\beta$ = 4", "$\\beta$ = 1000"]
    x = np.random.default_rng(0).integers(0, 2, (3, *SIZE))
    assert (np.stack(rows[0][1]) == x).all()
    for shade, (_, images) in zip((2 / 4, 1 / 4, 3 / 4), rows[1:], strict=True):
        assert np.stack(images) == pytest.approx(np.full((3, *SIZE), shade), abs=1 / 255)
    frames = [path for ax in reconstructions(data).axes for drawn in ax.collections for path in drawn.get_paths()]
    assert len(frames) == sum(len(images) for _, images in rows)  # White pixels of a border end at one.
    test = data[data["split"] == "test"].sort_values("beta")
    beside = [f"{value:.2f}" for run in test.itertuples() for value in (run.distortion, run.rate)]
    assert sorted(words_of(reconstructions(data))) == sorted([*beside, "$D$ [nats]", "$R$"])


def with_traversals(folder: Path, **facts: object) -> Path:
    """Pictures of two rows of three images, black and white."""
    images = np.concatenate([np.zeros((3, *SIZE)), np.ones((3, *SIZE))])
    shown = Shown(torch.arange(3), torch.zeros(3, 1, *SIZE), {})
    write_pictures(folder, [Picture("traversals", images, 3, {"of": "E[x|z]", **facts})], shown, epoch=27)
    return folder


def test_units_stand_in_order_of_their_rate_with_it_beside_them(tmp_path):
    (folder,) = sprites_sweep(tmp_path, betas=[1.0])
    record = RunRecord.read(folder)
    record.metrics["test"]["rate_per_dim"]["value"][3:6] = [1.25, 0.5, 2.5]
    record.write(folder)
    data = load_runs(with_traversals(folder, units=[3, 5]))
    rows = rows_of(traversals(data))
    assert [(label, np.mean(images)) for label, images in rows] == [("unit 5", 1.0), ("unit 3", 0.0)]
    assert words_of(traversals(data)) == ["2.50", "1.25", "$R$ [nats]"]
    (run,) = data[data["split"] == "test"].itertuples()
    assert traversals(data).axes[0].get_title("left") == f"$\\beta$ = 1, $R$ = {run.rate:.2f}"
    assert main(["traversals", str(folder), "-o", str(tmp_path / "a.png")]) == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table["unit"]) == ["unit 5", "unit 3"]
    assert list(table["unit_rate"]) == [2.5, 1.25]


def test_units_without_a_rate_of_their_own_keep_the_order_of_the_picture(tmp_path):
    point = with_traversals(sprites_autoencoder(tmp_path / "point"), units=[5, 3])
    assert [label for label, _ in rows_of(traversals(load_runs(point)))] == ["unit 5", "unit 3"]
    assert words_of(traversals(load_runs(point)))[:2] == ["\N{EN DASH}"] * 2
    states = with_traversals(sprites_autoencoder(tmp_path / "states"), states=list(range(6)))
    assert [label for label, _ in rows_of(traversals(load_runs(states)))] == ["state 0", "state 3"]


def test_as_many_images_and_rows_as_are_asked_for(runs):
    with pytest.warns(RunWarning, match="1 of 3 runs left out for want of room; --most 3 shows all"):
        rows = rows_of(samples(load_runs(runs), more={"images": 4, "most": 2}))
    assert [(label, len(images)) for label, images in rows] == [("$\\beta$ = 0.1", 4), ("$\\beta$ = 1000", 4)]


def test_the_kept_epoch_is_shown_whatever_came_after(runs):
    folder = next(path for path in runs.iterdir() if "beta0.1" in path.name)
    with_media(folder, epoch=39, shade=1.0)
    found = load_pictures(load_runs(runs), "samples")[str(folder)]
    assert found.entry["epoch"] == 27
    assert found.images == pytest.approx(np.full((5, *SIZE), 2 / 4), abs=1 / 255)


def test_latents_are_of_the_units_of_the_largest_rate_and_each_label_is_a_mark(runs):
    data = load_runs(runs).query("beta == 0.1")
    figure = latents(data)
    rates = json.loads((Path(data["folder"].iloc[0]) / "record.json").read_text())["metrics"]["test"]["rate_per_dim"]
    first, second = np.argsort(-np.array(rates["value"]), kind="stable")[:2]
    points, *bars = figure.axes
    assert (points.get_xlabel(), points.get_ylabel()) == (f"unit {first}", f"unit {second}")
    z = load_latents(data)[data["folder"].iloc[0]]["z"]
    for kind, line in enumerate(points.lines):
        assert line.get_marker() == f"${kind}$"
        assert np.allclose(np.stack(line.get_data(), 1), z[:GLYPHS][np.arange(GLYPHS) % 3 == kind][:, [first, second]])
    for ax, unit in zip(bars, (first, second), strict=True):
        inside = [(value > ax.get_xlim()[0]) & (value < ax.get_xlim()[1]) for value in z[:, unit]]
        areas = [bar.get_height() * bar.get_width() for bar in ax.patches if hasattr(bar, "get_width")]
        assert sum(areas) == pytest.approx(1)  # A density of those within the axes.
        assert np.mean(inside) > 0.97


def test_an_autoencoder_has_its_widest_units_and_no_prior(runs):
    folder = with_media(sprites_autoencoder(runs))
    figure = latents(load_runs(folder))
    assert figure.axes[0].get_xlabel() == "unit 3"
    assert "no $m(z)$" in words_of(figure)
    assert figure.axes[0].get_title("left").endswith("$R$ undefined")


def test_runs_without_media_are_named_and_refused_where_none_has_any(runs, capsys):
    bare = sprites_autoencoder(runs)
    with pytest.warns(RunWarning, match=f"left out, without latents.npz: {bare.name}"):
        latents(load_runs(runs), more={"most": 9})
    for figure in ("samples", "reconstructions", "traversals", "latents"):
        assert main([figure, str(bare), "-o", str(runs / "a.png")]) == 2
        assert "run python -m vae_rd.evaluate RUNS --media first" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["latents.npz", "media/index.json", "media/samples_0027.png"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 and no more"])
def test_what_is_damaged_is_named_in_a_line(runs, capsys, name, content):
    folder = next(path for path in runs.iterdir() if "beta0.1" in path.name)
    (folder / name).write_bytes(content)
    figure = "latents" if "latents" in name else "samples"
    assert main([figure, str(folder), "-o", str(runs / "a.png")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder / name.split('/')[0]}" in line
    assert "damaged" in line


def test_labels_that_are_not_there_are_refused_by_name(runs):
    with pytest.raises(InputError, match=r"--factor size: .*choose one of shape"):
        latents(load_runs(runs), more={"factor": "size", "most": 9})


def test_the_numbers_are_those_that_are_drawn(runs):
    assert main(["samples", str(runs), "-o", str(runs / "a.png")]) == 0
    table = pd.read_csv(runs / "a.csv")
    assert list(table["beta"]) == [0.1, 4.0, 1000.0]
    assert set(table["file"]) == {"media/samples_0027.png"}
    assert main(["latents", str(runs), "--most=3", "-o", str(runs / "b.png")]) == 0
    drawn = pd.read_csv(runs / "b.csv")
    assert len(drawn) == 3 * 2 * POINTS
    assert set(drawn["label"]) == {0, 1, 2}
