"""Known answers and estimates in the plane: Shannon's curve and the gap to it, bounds, decoders' curves, NLLs."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from analysis import load_runs, plane
from analysis.__main__ import main
from analysis.figures.plane import plane_numbers
from analysis.marks.lines import BELOW
from analysis.rows.estimates import DECODER, LOWER, UPPER
from analysis.rows.finding import RunWarning
from analysis.rows.runs import as_rows
from analysis.statistics.bounds import add_bounds
from analysis.statistics.lines import ENTROPY, MARGINAL, NLL, SHANNON, plane_lines
from analysis.statistics.shannon import common_curve, shannon_curve
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    GAUSSIAN_EIGENVALUES,
    GAUSSIAN_H,
    GAUSSIAN_S2,
    SOURCES,
    decoder_curve,
    dual_line,
    estimated,
    gaussian_card,
    gaussian_point,
    gaussian_sweep,
    particle_point,
    sphere_card,
    sprites_card,
    sprites_point,
    sprites_sweep,
    write_run,
)
from helpers.pages import run_points, said

BETAS = (0.1, 1.0, 3.0, 10.0, 100.0)


def everything(beta):
    return [decoder_curve(beta), dual_line(beta), particle_point(beta)]


def on_test(folder, **options):
    """The rows of the test split with their bounds, and the lines of the plane."""
    rows, lines = plane_numbers(load_runs(folder, **options), split="test")
    return rows[rows["split"] == "test"], lines


def sphere_run(root, *, beta, excess=0.0):
    """At scale^2 = 0.05 the weight of half the squared error is 20 / beta."""
    return write_run(
        root,
        card=sphere_card(),
        beta=beta,
        points=dict.fromkeys(SPLITS, replace(gaussian_point(1.0), distortion=5.0 + excess, rate=3.0, information=3.0)),
        likelihood="gaussian",
        likelihood_scale=math.sqrt(0.05),
    )


def drawn(ax, text):
    [line] = [line for line in ax.lines if text in str(line.get_label())]
    return line


def test_the_curve_is_reverse_water_filling_at_the_level_beta_s2(tmp_path):
    gaussian_sweep(tmp_path, betas=[1.0], scale=math.sqrt(0.1))
    curve = common_curve(add_bounds(load_runs(tmp_path), split="test"))
    constant = 3 * math.log(2 * math.pi * 0.1)
    table = {0.5: (10.026918, 0.30), 1.0: (7.947476, 0.60), 3.0: (4.742800, 1.75), 10.0: (2.079442, 4.75)}
    for beta, (rate, squared_error) in table.items():
        assert curve.at(beta) == pytest.approx((rate, squared_error / 0.2 + constant), abs=1e-6)
    assert curve.at(81.0)[0] == 0  # all modes collapse where beta s2 exceeds the largest eigenvalue


def test_without_d_on_the_split_asked_for_there_are_no_lines(tmp_path):
    [folder] = sprites_sweep(tmp_path, betas=[1.0])
    content = json.loads((folder / "record.json").read_text())
    content["metrics"]["test"]["distortion"] |= {"value": None, "stderr": None}
    (folder / "record.json").write_text(json.dumps(content))
    points, lines = plane_numbers(load_runs(tmp_path), split="test")
    assert points[points["split"] == "test"]["distortion"].isna().all()
    assert lines.empty


def test_the_drawn_curve_falls_with_slope_minus_beta_from_rate_0_to_beyond_the_points(tmp_path):
    gaussian_sweep(tmp_path, betas=BETAS)
    rows, lines = on_test(tmp_path)
    curve = lines[lines["line"] == SHANNON]
    assert curve["rate"].iloc[0] == 0
    assert curve["rate"].max() > rows["rate"].max()
    slopes, betas = np.diff(curve["distortion"]) / np.diff(curve["rate"]), 1 / curve["b"].to_numpy()
    assert ((-betas[:-1] <= slopes) & (slopes <= -betas[1:])).all()
    assert (curve["rate"] + curve["distortion"] >= GAUSSIAN_H - 1e-9).all()
    assert curve["value"].to_numpy() == pytest.approx(curve["rate"] + curve["b"] * curve["distortion"])


@pytest.mark.parametrize(("units", "per_nat"), [("nats", 1.0), ("bits", 1 / math.log(2))])
def test_the_gap_is_what_the_run_adds_to_the_optimum(tmp_path, units, per_nat):
    gaussian_sweep(tmp_path, betas=BETAS, excess=0.3)
    rows, lines = on_test(tmp_path, units=units)
    assert rows["gap"].to_numpy() == pytest.approx([0.3 * per_nat] * len(BETAS), abs=1e-9)
    assert (rows["gap_stderr"] == rows["objective_stderr"]).all()
    optimum = [gaussian_point(b).distortion + b * gaussian_point(b).rate for b in BETAS]
    assert rows["optimum"].to_numpy() == pytest.approx(np.array(optimum) * per_nat)
    curve = lines[lines["line"] == SHANNON]
    least = (curve["distortion"].to_numpy() + np.outer(BETAS, curve["rate"])).min(1)
    assert least == pytest.approx(rows["optimum"].to_numpy(), rel=1e-3)


def test_the_sphere_has_its_published_optimum_where_the_lower_bound_is_tight_and_none_beyond(tmp_path):
    sphere_run(tmp_path, beta=2.0)
    sphere_run(tmp_path, beta=4.0)
    rows, lines = on_test(tmp_path)
    known, unknown = as_rows(rows)
    assert known["optimum"] == pytest.approx(2 * 2.540630 + math.log(2 * math.pi * 0.05), abs=2e-6)
    assert math.isnan(unknown["optimum"])
    curve = lines[lines["line"] == SHANNON]
    assert (curve["rate"] + curve["distortion"]).min() == pytest.approx(2.0759222859, abs=1e-3)  # h, met at beta = 1


def test_there_is_no_curve_without_one_fixed_scale_and_a_known_source(tmp_path):
    gaussian_sweep(tmp_path / "learned", betas=[1.0], likelihood="gaussian_shared")
    write_run(tmp_path / "own", card=gaussian_card(), beta=1.0, points=dict.fromkeys(SPLITS, gaussian_point(1.0)),
              likelihood="gaussian", likelihood_scale=0.1, model={"is_own": True})  # fmt: skip
    write_run(tmp_path / "sprites", card=sprites_card(), beta=1.0, points=dict.fromkeys(SPLITS, sprites_point(1.0)),
              likelihood="gaussian")  # fmt: skip
    for name in ("learned", "own", "sprites"):
        rows, lines = on_test(tmp_path / name)
        assert rows["gap"].isna().all(), name
        assert SHANNON not in set(lines["line"]), name


def test_each_of_two_scales_has_its_own_gap_and_they_share_no_curve(tmp_path):
    for scale in (0.1, 0.2):
        gaussian_sweep(tmp_path / str(scale), betas=[1.0], excess=5.0, scale=scale)
    rows, lines = on_test(tmp_path)
    assert rows["optimum"].to_numpy() == pytest.approx([GAUSSIAN_H] * 2)  # beta s2 <= the least eigenvalue for both
    assert SHANNON not in set(lines["line"])


def test_a_training_sample_of_a_density_has_no_curve(tmp_path):
    card = gaussian_card()
    unknown = dict.fromkeys(("value", "stderr", "kind", "source")) | {"measure": "differential"}
    card["entropy"] = card["entropy"] | {"train": unknown}
    write_run(tmp_path, card=card, beta=1.0, points=dict.fromkeys(SPLITS, gaussian_point(1.0)), likelihood="gaussian")
    found = {row["split"]: shannon_curve(row) for row in as_rows(load_runs(tmp_path))}
    assert found["train"] is None
    assert found["test"] is not None


def test_a_run_below_shannons_curve_is_impossible_though_above_h(tmp_path):
    gaussian_sweep(tmp_path / "far", betas=[3.0], excess=-1.0)
    gaussian_sweep(tmp_path / "near", betas=[3.0], excess=-0.05)  # 2 standard errors
    far, near = (as_rows(on_test(tmp_path / name)[0])[0] for name in ("far", "near"))
    assert -far["elbo"] > GAUSSIAN_H
    assert "below Shannon's" in far["impossible"]
    assert near["impossible"] == ""


def test_between_h_and_the_curve_lies_the_paler_shade(tmp_path):
    gaussian_sweep(tmp_path, betas=BETAS)
    ax = plane(load_runs(tmp_path)).axes[0]
    [shade] = [c for c in ax.collections if isinstance(c, PolyCollection) and c.get_label() == BELOW]
    curve = drawn(ax, "Shannon's $R(D)$, exact").get_xydata()
    x, y = shade.get_paths()[0].vertices.T
    assert (x + y >= GAUSSIAN_H - 1e-9).all()
    assert (y <= np.interp(x, *curve.T) + 1e-9).all()
    assert y.max() == curve[:, 1].max()


def test_a_decoders_curve_is_drawn_as_recorded_in_the_colour_of_its_run(tmp_path):
    gaussian_sweep(tmp_path, betas=BETAS, estimates=lambda b: [decoder_curve(b)] if b == 3 else [])
    figure = plane(load_runs(tmp_path))
    ax = figure.axes[0]
    recorded = decoder_curve(3.0)["curve"]
    [curve] = [line for line in ax.lines if len(line.get_xdata()) == len(recorded["b"])]
    assert curve.get_xydata() == pytest.approx(np.array([recorded["rate"], recorded["distortion"]]).T)
    assert curve.get_color() in [ink for *_, ink in run_points(ax)]
    assert "estimate: decoder's $R$-$D$ curve" in said(figure)
    _, lines = on_test(tmp_path)
    shannon, own = lines[lines["line"] == SHANNON], lines[lines["line"] == DECODER]
    inside = own[own["rate"].between(0, shannon["rate"].max())]
    assert (inside["distortion"] > np.interp(inside["rate"], shannon["rate"], shannon["distortion"]) - 0.3).all()
    assert set(own["kind"]) == {"estimate"}


def test_the_best_decoder_meets_h_where_its_curve_has_slope_minus_1(tmp_path):
    gaussian_sweep(tmp_path, betas=[1.0, 3.0], estimates=lambda b: [decoder_curve(b)])
    rows, lines = on_test(tmp_path)
    ticks = lines[lines["line"] == NLL].set_index("beta")
    assert ticks.loc[1.0, "value"] == pytest.approx(GAUSSIAN_H, abs=1e-9)
    assert ticks.loc[1.0, "rate"] == pytest.approx(rows["rate"].max())  # its encoder is that decoder's best
    assert ticks.loc[3.0, "value"] > GAUSSIAN_H
    recorded = decoder_curve(3.0)["curve"]
    at_1 = recorded["b"].index(pytest.approx(1.0))
    assert ticks.loc[3.0, "rate"] == pytest.approx(recorded["rate"][at_1])
    assert ticks.loc[3.0, "distortion"] == pytest.approx(recorded["distortion"][at_1])


def test_an_nll_without_a_curve_is_a_tick_of_slope_minus_1_below_its_run(tmp_path):
    point, nll = sprites_point(4.0), 9.5
    points = dict.fromkeys(SPLITS, point)
    estimates = [estimated("importance", value=nll)]
    write_run(tmp_path, card=sprites_card(), beta=4.0, points=points, estimates=estimates)
    figure = plane(load_runs(tmp_path))
    ax = figure.axes[0]
    segments = [c.get_segments()[0] for c in ax.collections if isinstance(c, LineCollection)]
    [tick] = [s for s in segments if s.sum(1) == pytest.approx([nll, nll])]
    assert tick.mean(0) == pytest.approx([point.rate, nll - point.rate])
    assert any(s.tolist() == [[point.rate, nll - point.rate], [point.rate, point.distortion]] for s in segments)
    assert "estimate: $D + R$ = NLL" in said(figure)


def test_a_run_under_a_fitted_prior_is_a_second_mark_at_its_own_d_joined_to_the_first(tmp_path):
    point, rate = sprites_point(1.0), 1.5
    estimates = [estimated("marginal_maf", value=rate)]
    write_run(tmp_path, card=sprites_card(), beta=1.0, points=dict.fromkeys(SPLITS, point), estimates=estimates)
    _, lines = on_test(tmp_path)
    [row] = as_rows(lines[lines["line"] == MARGINAL])
    assert (row["rate"], row["distortion"], row["value"]) == (rate, point.distortion, rate + point.distortion)
    figure = plane(load_runs(tmp_path))
    ax = figure.axes[0]
    [joined] = [line for line in ax.lines if list(line.get_xdata()) == [rate, point.rate]]
    assert list(joined.get_ydata()) == [point.distortion] * 2
    assert joined.get_markevery() == [0]
    assert "with a prior fitted afterwards" in said(figure)


def test_lower_bounds_are_one_dashed_envelope_at_their_limits(tmp_path):
    gaussian_sweep(tmp_path, betas=BETAS, estimates=lambda b: [dual_line(b)])
    ax = plane(load_runs(tmp_path)).axes[0]
    envelope = drawn(ax, "certified lower bound on $R(D)$")
    assert envelope.get_linestyle() != "-"
    entries = [dual_line(b) for b in BETAS]
    for rate, height in envelope.get_xydata():
        assert height == pytest.approx(max((e["limit"] - rate) / e["b"] for e in entries))
    curve = drawn(ax, "Shannon").get_xydata()
    x, y = envelope.get_xydata().T
    seen = y < ax.get_ylim()[1]
    assert (y[seen] < np.interp(x[seen], *curve.T)).all()


def test_upper_bounds_are_points_above_the_curve_within_the_frame(tmp_path):
    gaussian_sweep(tmp_path, betas=[10.0], estimates=lambda b: [particle_point(b), particle_point(0.03)])
    ax = plane(load_runs(tmp_path)).axes[0]
    points = drawn(ax, "certified upper bound on $R(D)$").get_xydata()
    expected = [(e["rate"], e["distortion"]) for e in (particle_point(10.0), particle_point(0.03))]
    assert points == pytest.approx(np.array(expected))
    assert ax.get_xlim()[0] < points[:, 0].min() < points[:, 0].max() < ax.get_xlim()[1]
    assert ax.get_ylim()[0] < points[:, 1].min() < points[:, 1].max() < ax.get_ylim()[1]


def test_nothing_is_certified_without_a_limit_and_nulls_are_not_drawn(tmp_path):
    no_limit, no_value = dual_line(3.0) | {"limit": None}, dual_line(1.0) | {"value": None}
    no_place = particle_point(1.0) | {"rate": None, "distortion": None}
    gaussian_sweep(tmp_path, betas=[3.0], estimates=lambda b: [no_limit, no_value, no_place])
    ax = plane(load_runs(tmp_path)).axes[0]
    line = drawn(ax, "estimated lower bound on $R(D)$").get_xydata()
    assert line[:, 0] + line[:, 1] / 3 == pytest.approx(np.full(len(line), no_limit["value"]))
    assert np.isfinite(ax.get_xlim() + ax.get_ylim()).all()


def test_bounds_on_the_source_are_left_out_with_one_warning_where_runs_share_no_distortion(tmp_path):
    gaussian_sweep(tmp_path, betas=BETAS, likelihood="gaussian_shared", estimates=everything)
    with pytest.warns(RunWarning, match="do not share one fixed distortion") as caught:
        plane(load_runs(tmp_path))
    assert len(caught) == 1
    assert set(on_test(tmp_path)[1]["line"]) == {ENTROPY, DECODER, NLL}


def test_estimates_of_another_split_are_left_out_and_the_last_curve_counts(tmp_path):
    older, other = decoder_curve(3.0), decoder_curve(10.0) | {"split": "val"}
    gaussian_sweep(tmp_path, betas=[1.0], estimates=lambda b: [older, decoder_curve(b), other])
    curve = (lines := on_test(tmp_path)[1])[lines["line"] == DECODER]
    assert curve["distortion"].tolist() == decoder_curve(1.0)["curve"]["distortion"]


def test_the_csv_of_lines_says_what_each_is_worth_and_redraws_the_figure(tmp_path):
    gaussian_sweep(tmp_path / "runs", betas=BETAS, estimates=everything)
    assert main(["plane", str(tmp_path / "runs"), "-o", str(tmp_path / "plane.svg")]) == 0
    with (tmp_path / "plane-lines.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    worth = {(row["line"], row["kind"], row["source"]) for row in rows}
    assert worth == {
        (ENTROPY, "exact", "0.5 ln det(2 pi e Sigma)"),
        (SHANNON, "exact", "reverse water-filling"),
        (LOWER, "certified bound", SOURCES["dual"]),
        (UPPER, "certified bound", SOURCES["particle"]),
        (DECODER, "estimate", SOURCES["ais"]),
        (NLL, "estimate", SOURCES["ais"]),
    }
    assert {row["run"] == "" for row in rows if row["line"] in (ENTROPY, SHANNON)} == {True}
    curve = drawn(plane(load_runs(tmp_path / "runs")).axes[0], "Shannon").get_xydata()
    written = [(float(row["rate"]), float(row["distortion"])) for row in rows if row["line"] == SHANNON]
    assert np.array(written) == pytest.approx(curve, abs=0)
    heights = {float(row["b"]): float(row["limit"]) for row in rows if row["line"] == LOWER}
    assert heights == {1 / b: dual_line(b)["limit"] for b in BETAS}


def test_in_bits_every_line_scales_and_b_does_not(tmp_path):
    gaussian_sweep(tmp_path, betas=[1.0, 3.0], estimates=everything)
    (_, nats), (_, bits) = on_test(tmp_path), on_test(tmp_path, units="bits")
    assert bits["line"].tolist() == nats["line"].tolist()
    assert bits["b"].to_numpy() == pytest.approx(nats["b"].to_numpy())
    for column in ("rate", "distortion", "value", "limit"):
        assert bits[column].to_numpy(float) == pytest.approx(nats[column].to_numpy(float) / math.log(2), nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("dual", {"b": -1.0}),
        ("dual", {"b": None}),
        ("dual", {"b": 0}),
        ("dual", {"value": "9"}),
        ("particle", {"rate": [1.0]}),
        ("ais", {"curve": [1.0]}),
        ("ais", {"curve": {"b": [1.0]}}),
        ("ais", {"curve": decoder_curve(1.0)["curve"] | {"rate": [1.0, 2.0]}}),
        ("ais", {"curve": decoder_curve(1.0)["curve"] | {"rate": 1.0}}),
    ],
)
def test_damaged_estimates_of_a_run_are_left_out_in_one_line_and_its_point_is_drawn(tmp_path, kind, damage):
    entry = {"dual": dual_line, "particle": particle_point, "ais": decoder_curve}[kind](1.0)
    [folder] = gaussian_sweep(tmp_path, betas=[1.0], estimates=lambda b: [entry | damage])
    rows = add_bounds(load_runs(tmp_path), split="test")
    with pytest.warns(RunWarning, match="left out, damaged estimates: ") as caught:
        lines = plane_lines(rows, {}, split="test")
    (said,) = {str(warning.message) for warning in caught}
    assert str(folder) in said
    assert "\n" not in said
    assert not set(lines["line"]) & {LOWER, UPPER, DECODER}


@pytest.mark.parametrize("key", ["source", "certified", "limit"])
def test_an_estimate_that_lacks_a_key_is_damaged(tmp_path, key):
    entry = {k: v for k, v in dual_line(1.0).items() if k != key}
    gaussian_sweep(tmp_path, betas=[1.0], estimates=lambda b: [entry])
    with pytest.warns(RunWarning, match=f"it lacks estimate {key}"):
        plane_lines(add_bounds(load_runs(tmp_path), split="test"), {}, split="test")


def test_of_a_source_without_its_parameters_no_curve_is_known(tmp_path):
    [folder] = gaussian_sweep(tmp_path, betas=[1.0])
    content = json.loads((folder / "record.json").read_text())
    content["data"]["params"] = {}
    (folder / "record.json").write_text(json.dumps(content))
    assert add_bounds(load_runs(tmp_path), split="test")["optimum"].isna().all()


def test_the_fake_optimum_is_that_of_the_source():
    assert GAUSSIAN_EIGENVALUES.min() > GAUSSIAN_S2  # so that beta = 1 meets H
    point = gaussian_point(1.0)
    assert point.rate + point.distortion == pytest.approx(GAUSSIAN_H)
