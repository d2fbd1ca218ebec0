"""Which D a figure of grey pixels shows: of the counts in bits per dimension, else of the density."""

from __future__ import annotations

import json
import math

import pytest

from analysis import load_runs, plane, table
from analysis.__main__ import main
from analysis.figures.plane import plane_numbers
from analysis.rows.histories import load_histories
from analysis.rows.runs import of_split
from analysis.statistics.bounds import add_bounds
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import Point, decoder_curve, dual_line, estimated, mnist_card, particle_point, write_run

DIMS = 784
NAT = 1 / (math.log(2) * DIMS)  # bits/dim
DENSITY, RATE = 1.407, 0.03  # bits/dim: D + R of the density of (k + u) / 256, and R


def grey_card(levels=256, **facts):
    """Dequantised images of `levels` grey levels; `facts` are further ones."""
    unknown = {"value": None, "stderr": None, "kind": None, "measure": "differential", "source": None}
    grey = {"name": "mnist", "support": "real", "pixel_scale": f"(k + u) / {levels}", "levels": levels}
    params = {"archive": "mnist", "dequantize": "uniform"}
    return mnist_card() | grey | {"entropy": dict.fromkeys(SPLITS, unknown), "params": params} | facts


def grey_run(root, *, beta=1.0, card=None, **fields):
    """A run of D + R = 1.407 bits/dim of the density, at R = 0.03."""
    point = Point((DENSITY - RATE) / NAT, RATE / NAT, RATE / NAT, kind="bound")
    settings = {"likelihood": "gaussian_shared", "estimates": [estimated("ais", value=1.4 / NAT)]}
    return write_run(
        root, card=card or grey_card(), beta=beta, points=dict.fromkeys(SPLITS, point), **settings | fields
    )


def test_bits_per_dim_of_dequantised_pixels_are_those_of_the_counts(tmp_path):
    grey_run(tmp_path)
    row = of_split(load_runs(tmp_path, units="bits_per_dim"), "test").iloc[0]
    assert -row["elbo"] == pytest.approx(9.407, abs=1e-12)
    assert row["distortion"] == pytest.approx(9.407 - RATE, abs=1e-12)
    assert row["distortion"] + row["rate"] == pytest.approx(-row["elbo"], abs=1e-12)
    assert row["objective"] == pytest.approx(9.407, abs=1e-12)
    assert row["nll"] == pytest.approx(9.4, abs=1e-12)
    assert (row["rate"], row["mutual_information_upper"]) == pytest.approx((RATE, RATE), abs=1e-12)
    assert row["distortion_stderr"] == pytest.approx(0.002 * NAT)
    text = table(load_runs(tmp_path, units="bits_per_dim"))
    assert "| 9.4070" in text
    assert "D, H: of the discrete image, from above; 8 bits/dim less for the density of (k + u) / 256." in text


@pytest.mark.parametrize(("units", "nat", "more"), [("nats", 1.0, "4347.42"), ("bits", 1 / math.log(2), "6272")])
def test_in_other_units_the_density_is_shown_and_named(tmp_path, units, nat, more):
    grey_run(tmp_path)
    runs = load_runs(tmp_path, units=units)
    assert -of_split(runs, "test")["elbo"].iloc[0] == pytest.approx(DENSITY / NAT * nat)
    assert f"of the density of (k + u) / 256; {more} {units} more for the discrete image" in table(runs)


def test_h_minus_d_and_the_information_are_the_same_for_counts_and_density(tmp_path):
    card = grey_card()
    known = {"value": 1.39 / NAT, "stderr": 0.0, "kind": "exact", "measure": "differential", "source": "by hand"}
    grey_run(tmp_path, card=card | {"entropy": dict.fromkeys(SPLITS, known)})
    rows = [add_bounds(load_runs(tmp_path, units=units), split="test").iloc[-1] for units in ("bits", "bits_per_dim")]
    bits, per_dim = rows
    assert per_dim["h"] == pytest.approx(9.39)
    assert per_dim["h_minus_d"] == pytest.approx(1.39 - (DENSITY - RATE))
    for name in ("h_minus_d", "mutual_information_lower", "mutual_information_lower_cap", "rate"):
        assert per_dim[name] == pytest.approx(bits[name] / DIMS, abs=1e-12), name
    assert per_dim["impossible"] == bits["impossible"] == ""


def test_curves_of_epochs_are_of_the_counts_too(tmp_path):
    grey_run(tmp_path)
    density, counts = (load_histories(load_runs(tmp_path, units=units)) for units in ("bits", "bits_per_dim"))
    assert (counts["distortion"] - density["distortion"] / DIMS).to_numpy() == pytest.approx(8.0)
    assert (counts["elbo"] - density["elbo"] / DIMS).to_numpy() == pytest.approx(-8.0)
    assert (counts["distortion"] + counts["rate"] + counts["elbo"]).to_numpy() == pytest.approx(0.0, abs=1e-9)


def test_every_line_of_the_plane_stays_r_plus_b_d(tmp_path):
    grey_run(tmp_path, likelihood="gaussian", estimates=[decoder_curve(1.0), particle_point(3.0), dual_line(3.0)])
    (_, nats), (_, counts) = (
        plane_numbers(load_runs(tmp_path, units=u), split="test") for u in ("nats", "bits_per_dim")
    )
    for a, b in zip(nats.to_dict("records"), counts.to_dict("records"), strict=True):
        assert b["value"] == pytest.approx(a["value"] * NAT + a["b"] * 8.0, abs=1e-9), a["line"]
        if b["distortion"] is not None and not math.isnan(b["distortion"]):
            assert b["rate"] + b["b"] * b["distortion"] == pytest.approx(b["value"], abs=1e-9), a["line"]
        if b["limit"] is not None and not math.isnan(b["limit"]):
            assert b["limit"] - b["value"] == pytest.approx((a["limit"] - a["value"]) * NAT, abs=1e-12)


@pytest.mark.parametrize("levels", [2, 17, 256, 65536])
def test_the_levels_are_the_cards_or_of_an_older_one_those_of_its_scale(tmp_path, levels):
    older = {key: value for key, value in grey_card(levels).items() if key != "levels"}
    for place, card in (("new", grey_card(levels)), ("old", older)):
        grey_run(tmp_path / place, card=card)
        found = load_runs(tmp_path / place, units="bits_per_dim")
        assert of_split(found, "test")["distortion"].iloc[0] == pytest.approx(DENSITY - RATE + math.log2(levels))


def test_a_card_without_levels_is_damaged(tmp_path):
    grey_run(tmp_path, card=grey_card(levels=None, pixel_scale="k + u"))
    with pytest.raises(InputError, match=r"damaged, data pixel_scale does not state the levels"):
        load_runs(tmp_path)


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"params": {}, "pixel_scale": "k / 255", "support": "grey"}, "of a density of k / 255, which is no bound"),
        ({"params": {}, "pixel_scale": None, "support": "real", "levels": None}, None),  # real-valued pixels
        ({"params": {"binarization": "dynamic"}, "pixel_scale": None, "support": "binary"}, None),
    ],
)
def test_nothing_is_added_to_what_is_not_dequantised(tmp_path, facts, note):
    grey_run(tmp_path, card=grey_card(**facts))
    runs = load_runs(tmp_path, units="bits")
    assert -of_split(runs, "test")["elbo"].iloc[0] == pytest.approx(DENSITY * DIMS)
    assert note in table(runs) if note else "D, H" not in table(runs)


@pytest.mark.parametrize("support", ["grey", "real"])
def test_a_density_of_grey_points_or_real_values_has_no_bits_per_dim(tmp_path, support, capsys):
    grey_run(tmp_path / "runs", card=grey_card(params={}, support=support))
    for command in (["table"], ["plane", "-o", str(tmp_path / "a.pdf")], ["curves", "-o", str(tmp_path / "a.pdf")]):
        assert main([*command, str(tmp_path / "runs"), "--units=bits_per_dim"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: --units bits_per_dim: D of --data mnist is of a density, not of levels")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_probability_of_grey_levels_has_bits_per_dim(tmp_path):
    mass = {"distortion": {"family": "beta_binomial", "scale": None, "measure": "discrete"}}
    grey_run(tmp_path, card=grey_card(params={}, support="grey"), model=mass)
    row = of_split(load_runs(tmp_path, units="bits_per_dim"), "test").iloc[0]
    assert -row["elbo"] == pytest.approx(DENSITY)


def test_two_ways_from_the_same_pixels_are_two_data_sets_with_notes_of_their_own(tmp_path):
    grey_run(tmp_path / "a", card=grey_card(content="ab" * 32))
    plain = grey_card(content="ab" * 32, params={"archive": "mnist"}, pixel_scale="k / 255", support="grey")
    grey_run(tmp_path / "b", card=plain)
    text = table(load_runs(tmp_path, units="bits"))
    assert text.count("D, H: of") == 2
    assert text.count("± is") == 2


def test_the_figures_say_it(tmp_path):
    grey_run(tmp_path)
    folder = grey_run(tmp_path, beta=4.0)
    assert json.loads((folder / "record.json").read_text())["data"]["levels"] == 256
    figure = plane(load_runs(tmp_path, units="bits_per_dim"))
    head = figure.axes[0].get_title(loc="left")
    assert "of the discrete image" in head
