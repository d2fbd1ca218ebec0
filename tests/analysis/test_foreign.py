"""Points that others published: in the runs' units, drawn beside them, and refused where they do not compare."""

from __future__ import annotations

import csv
import json
import math
import re

import numpy as np
import pytest
from matplotlib.legend import Legend
from scipy.interpolate import PchipInterpolator

from analysis import load_runs
from analysis.__main__ import main
from analysis.figures.frontier import draw as draw_frontier
from analysis.figures.frontier import numbers
from analysis.figures.plane import draw
from analysis.rows.finding import RunWarning
from analysis.rows.foreign import load_foreign
from analysis.statistics.fronts import Curve, bd_rate, distortion_difference
from analysis.view import View
from vae_rd.errors import InputError

from helpers.fake_records import GAUSSIAN_S2, gaussian_sweep, mnist_sweep
from helpers.pages import faults

SAID = "beta=b,rate=R,distortion=D,data=static_mnist,likelihood=bernoulli"


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("b,R,D,set\n0.5,40,50,a\n1,25.6,68.7,a\n,,,a\n4,3.5,148.4,b\n")
    return path


def test_points_are_read_in_the_units_of_the_runs(tmp_path, published):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    for units, per in (("nats", 1.0), ("bits", 1 / math.log(2)), ("bits_per_dim", 1 / math.log(2) / 784)):
        rows = load_foreign([f"{published}:{SAID},name=Theirs"], load_runs(tmp_path / "runs", units=units))
        assert rows["rate"].tolist() == pytest.approx([40 * per, 25.6 * per, 3.5 * per])
        assert rows["distortion"].tolist() == pytest.approx([50 * per, 68.7 * per, 148.4 * per])
        assert set(rows["name"]) == {"Theirs"}
    bits = load_foreign([f"{published}:{SAID},units=bits,only=set:b"], load_runs(tmp_path / "runs"))
    assert bits[["beta", "rate"]].to_numpy().tolist() == [[4.0, pytest.approx(3.5 * math.log(2))]]


@pytest.mark.parametrize("gap", ["", "nan"])
def test_a_row_without_r_or_without_d_is_no_point_and_is_named(tmp_path, gap):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    path = tmp_path / "theirs.csv"
    path.write_text(f"b,R,D\n0.5,40,50\n1,25.6,{gap}\n{gap},10,100\n,{gap},{gap}\n4,3.5,148.4\n6,{gap},160\n")
    view = View(more={"foreign": [f"{path}:{SAID}"]})
    with pytest.warns(RunWarning) as said:
        points = numbers(load_runs(tmp_path / "runs"), view)[""]
    assert [str(one.message) for one in said] == [f"left out of {path}: line 3 without D, line 7 without R"]
    theirs = points[points["group"] != "runs"]
    assert theirs[["rate", "distortion", "front"]].to_numpy().tolist() == [
        [3.5, 148.4, True],
        [10.0, 100.0, True],
        [40.0, 50.0, True],
    ]
    assert theirs["beta"].isna().tolist() == [False, True, False]


def test_a_mark_of_the_encoding_is_no_part_of_the_first_column(tmp_path):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    path = tmp_path / "theirs.csv"
    path.write_text("R,D\n40,50\n", encoding="utf-8-sig")
    option = f"{path}:rate=R,distortion=D,data=static_mnist,likelihood=bernoulli"
    assert load_foreign([option], load_runs(tmp_path / "runs"))["rate"].tolist() == [40.0]


@pytest.mark.parametrize("cell", ["1e999", "n/a"])
def test_a_cell_that_is_no_number_is_named_by_line_and_column(tmp_path, cell):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    path = tmp_path / "theirs.csv"
    path.write_text(f"b,R,D\n1,40,50\n\n2,30,{cell}\n")
    with pytest.raises(InputError, match=f"line 4, column D: '{cell}' is no number; name columns of numbers"):
        load_foreign([f"{path}:{SAID}"], load_runs(tmp_path / "runs"))


def test_the_plane_holds_them_and_says_whose_they_are(tmp_path, published):
    mnist_sweep(tmp_path / "runs", betas=[0.5, 1.0, 2.0])
    runs = load_runs(tmp_path / "runs")
    option = f"{published}:{SAID},name=Theirs"
    figure = draw(runs, View(more={"foreign": [option]}))
    top = figure.axes[0]
    drawn = [line for line in top.lines if list(line.get_xdata()) == [3.5, 25.6, 40.0]]
    assert [list(line.get_ydata()) for line in drawn] == [[148.4, 68.7, 50.0]]
    assert top.get_xlim()[0] < 3.5 < 40 < top.get_xlim()[1]
    assert top.get_ylim()[0] < 50 < 148.4 < top.get_ylim()[1]
    assert {line.get_linestyle() for line in drawn} == {"None"}  # Chords of three points would lie above their curve.
    texts = [text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()]
    assert "Theirs, as published" in texts
    out = tmp_path / "plane.svg"
    assert main(["plane", str(tmp_path / "runs"), "--foreign", option, "-o", str(out)]) == 0
    with (tmp_path / "plane-foreign.csv").open(newline="") as stream:
        assert [float(row["distortion"]) for row in csv.DictReader(stream)] == [50.0, 68.7, 148.4]


def test_a_codec_of_squared_errors_compares_with_runs_of_its_gaussian_scale_alone(tmp_path):
    gaussian_sweep(tmp_path / "runs", betas=[1.0])
    runs, path = load_runs(tmp_path / "runs"), tmp_path / "codec.json"
    path.write_text(json.dumps({"name": "codec", "results": {"bpp": [0.5, 1.0], "mse": [0.04, 0.01]}}))
    scale = math.sqrt(GAUSSIAN_S2)
    said = "rate=bpp,mse=mse,units=bpp,data=gaussian,likelihood=gaussian"
    rows = load_foreign([f"{path}:{said},scale={scale}"], runs)
    n, log = 6, math.log(2 * math.pi * GAUSSIAN_S2)
    assert rows["rate"].tolist() == pytest.approx([0.5 * n * math.log(2), n * math.log(2)])  # 1 x 6 pixels
    assert rows["distortion"].tolist() == pytest.approx([n * m / (2 * GAUSSIAN_S2) + n / 2 * log for m in (0.04, 0.01)])
    for other in ("", ",scale=1"):
        with pytest.raises(InputError, match="a squared error is no D in nats"):
            load_foreign([f"{path}:{said}{other}"], runs)


def test_a_frontier_is_held_against_published_points_in_nats(tmp_path, published):
    mnist_sweep(tmp_path / "runs")
    runs = load_runs(tmp_path / "runs")
    view = View(more={"foreign": [f"{published}:{SAID},name=Theirs"]})
    tables = numbers(runs, view)
    points = tables[""]
    own, theirs = (points[points["group"] == name] for name in ("runs", "Theirs, as published"))
    assert (len(own), theirs[["rate", "distortion"]].to_numpy().tolist()) == (7, [[3.5, 148.4], [25.6, 68.7], [40, 50]])
    pairs = tables["-differences"].set_index("difference")
    assert set(pairs.index) == {"R at equal D", "D at equal R"}  # Per cent are of squared errors alone.
    ours = Curve.through(*own[own["front"]].sort_values("rate")[["rate", "distortion"]].to_numpy().T)
    other = Curve.through(*theirs[["rate", "distortion"]].to_numpy().T)
    assert pairs.loc["D at equal R", "value"] == pytest.approx(distortion_difference(ours, other))
    assert not pairs["paired"].any()
    figure = draw_frontier(runs, view)
    text = figure._supxlabel.get_text()
    assert "Theirs, as published less runs" in text
    assert re.search(r"\$D\$ at equal \$R\$: \d+\.\d+ \[\d+\.\d+, \d+\.\d+\] nats, \$R\$ 3.50 to 37.70", text)
    assert "published points taken as exact" in " ".join(figure._supxlabel.get_text().split())
    assert not faults(figure)


def test_a_codec_is_held_against_runs_in_per_cent_of_rate_at_equal_psnr(tmp_path):
    gaussian_sweep(tmp_path / "runs")
    runs, path = load_runs(tmp_path / "runs"), tmp_path / "codec.json"
    scale, n = math.sqrt(GAUSSIAN_S2), 6
    own = numbers(runs, View())[""].sort_values("rate")
    error = (own["distortion"] - n / 2 * math.log(2 * math.pi * GAUSSIAN_S2)) * 2 * GAUSSIAN_S2 / n
    results = {"bpp": (1.2 * own["rate"] / n / math.log(2)).tolist(), "psnr": (-10 * np.log10(error)).tolist()}
    path.write_text(json.dumps({"name": "codec", "results": results}))
    option = f"{path}:rate=bpp,psnr=psnr,units=bpp,data=gaussian,likelihood=gaussian,scale={scale}"
    for units in ("nats", "bits"):
        tables = numbers(load_runs(tmp_path / "runs", units=units), View(more={"foreign": [option]}))
        pairs = tables["-differences"].set_index("difference")
        assert pairs.loc["BD-rate", "value"] == pytest.approx(20.0)  # 1.2 times the rate at each PSNR
        assert pairs.loc["BD-rate", "units"] == "%"
        reach = pairs.loc["BD-rate", ["over_low", "over_high"]].tolist()
        assert reach == pytest.approx([min(results["psnr"]), max(results["psnr"])])
    text = draw_frontier(runs, View(more={"foreign": [option]}))._supxlabel.get_text()
    assert "BD-rate: 20.0" in text


def test_the_delta_rate_is_that_of_an_independent_integral():
    def psnr(distortion):
        return -10 * np.log10(distortion)

    one = Curve(np.array([0.2, 0.5, 1.1, 2.3]), np.array([0.1, 0.04, 0.012, 0.003]))
    other = Curve(np.array([0.15, 0.6, 1.4]), np.array([0.12, 0.02, 0.005]))
    low, high = max(psnr(0.1), psnr(0.12)), min(psnr(0.003), psnr(0.005))
    quality = np.linspace(low, high, 200_001)
    logs = [PchipInterpolator(psnr(c.distortion), np.log(c.rate))(quality) for c in (one, other)]
    expected = 100 * (np.exp(np.trapezoid(logs[1] - logs[0], quality) / (high - low)) - 1)
    assert bd_rate(one, other, psnr) == pytest.approx(expected, abs=1e-5)
    assert math.isnan(bd_rate(one, Curve(np.array([0.0, 1.0]), np.array([0.1, 0.01])), psnr))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("rate=R,distortion=D,likelihood=bernoulli", "of which data is not said; say data=NAME; the runs are of"),
        ("rate=R,distortion=D,data=mnist,likelihood=bernoulli", "of mnist, the runs of static_mnist"),
        ("rate=R,distortion=D,data=static_mnist", "of which likelihood D is, is not said"),
        ("rate=R,distortion=D,data=static_mnist,likelihood=continuous_bernoulli", "D is of continuous_bernoulli"),
        ("rate=R,mse=D,data=static_mnist,likelihood=bernoulli", "a squared error is no D in nats"),
        ("rate=K,distortion=D,data=static_mnist,likelihood=bernoulli", "no column 'K' there"),
        ("rate=set,distortion=D,data=static_mnist,likelihood=bernoulli", "line 2, column set: 'a' is no number"),
        (f"{SAID},only=set:c", "no point there"),
        (f"{SAID},units=bytes", "bytes is no unit"),
        ("distortion=D", "not of its form"),
        ("rate=R", "not of its form"),
        ("rate=R,distortion=D,colour=red", "not of its form"),
    ],
)
def test_what_does_not_compare_or_is_not_said_is_refused_in_one_line(tmp_path, published, words, says):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    with pytest.raises(InputError) as caught:
        load_foreign([f"{published}:{words}"], load_runs(tmp_path / "runs"))
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"--foreign {published}:")


def test_binarization_is_said_where_the_data_have_one(tmp_path, published):
    folders = mnist_sweep(tmp_path / "runs", betas=[1.0])
    path = folders[0] / "record.json"
    content = json.loads(path.read_text())
    content["data"]["params"]["binarization"] = "dynamic"
    path.write_text(json.dumps(content))
    runs = load_runs(tmp_path / "runs")
    assert len(load_foreign([f"{published}:{SAID},binarization=dynamic"], runs)) == 3
    for other, says in (("", "binarization is not said"), (",binarization=static", "binarization is static")):
        with pytest.raises(InputError, match=f"{says}, the runs' is dynamic"):
            load_foreign([f"{published}:{SAID}{other}"], runs)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    mnist_sweep(tmp_path / "runs", betas=[1.0])
    with pytest.raises(InputError, match="cannot be read"):
        load_foreign([f"{tmp_path}/none.csv:{SAID}"], load_runs(tmp_path / "runs"))
