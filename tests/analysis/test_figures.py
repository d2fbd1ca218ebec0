"""What the figures draw, in data coordinates, and that a reader can read them at one column's width."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba as mpl_rgba
from matplotlib.text import Annotation

from analysis import curves, load_runs, plane
from analysis.figures.plane import plane_numbers
from analysis.marks.plane import TICK_POINTS
from analysis.output import csv_bytes
from analysis.rows.finding import RunWarning
from analysis.style import COLUMN, GREY, beta_colours
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    GAUSSIAN_H,
    SPRITES_BETAS,
    SPRITES_H,
    decoder_curve,
    dual_line,
    gaussian_sweep,
    impossible,
    mnist_sweep,
    particle_point,
    sprites_autoencoder,
    sprites_card,
    sprites_decoders,
    sprites_point,
    sprites_search,
    sprites_sweep,
    sprites_targets,
    write_run,
)
from helpers.pages import faults, run_points, said, segments, shown_texts


def finite_sample(root, **_):
    """Runs on a training sample of 1000, where train and the population are different sources."""
    for beta in (0.5, 1.0, 2.0, 4.0, 8.0):
        point = sprites_point(beta)
        overfit = replace(point, rate=min(point.rate, 7.2), information=min(point.information, 6.85), kind="empirical")
        points = {"train": replace(overfit, distortion=max(0.1, point.distortion - 0.9)), "val": point, "test": point}
        write_run(root, card=sprites_card(n_train=1000), beta=beta, points=points)


def all_known(root, **_):
    """Every line there can be: Shannon's curve, both bounds on it, decoders' curves, NLLs."""
    betas = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    gaussian_sweep(
        root, betas=betas, excess=0.3, estimates=lambda b: [dual_line(b), particle_point(b), decoder_curve(b)]
    )


def real_groups(root, **_):
    """Runs on real data that differ in two fields, where three splits are drawn."""
    for place, (dim, encoder) in enumerate([(2, "mlp"), (2, "conv"), (16, "mlp"), (16, "conv")]):
        mnist_sweep(root, betas=[0.5, 1.0, 4.0], nll=True, excess=5.0 * place, latent_dim=dim, encoder=encoder)


def forecast(root, *, collapse_betas=(23.9,), betas=SPRITES_BETAS):
    """Runs whose records say at which beta a linear VAE of their data collapses."""
    for place, collapse_beta in enumerate(collapse_betas):
        for beta in betas:
            points = dict.fromkeys(SPLITS, sprites_point(beta))
            model = {"forecast": collapse_beta and {"collapse_beta": collapse_beta}}
            write_run(root, card=sprites_card(), beta=beta, points=points, seed=place, model=model)


def without_rate(root):
    """Runs of known betas beside two autoencoders and two that asked for a rate."""
    sprites_sweep(root, betas=[0.5, 1.0, 4.0, 10.0])
    sprites_targets(root)
    for seed in range(2):
        sprites_autoencoder(root, seed=seed)


CASES = {
    "exact": sprites_sweep,
    "single": lambda root: sprites_sweep(root, betas=[2.0]),
    "single real": lambda root: mnist_sweep(root, betas=[1.0]),
    "real": mnist_sweep,
    "twenty runs": lambda root: mnist_sweep(root, betas=[0.5, 1.0, 2.0, 4.0], seeds=range(5), nll=True),
    "density": gaussian_sweep,
    "forecast": forecast,
    "all known": all_known,
    "finite": finite_sample,
    "decoders": sprites_decoders,
    "search": sprites_search,
    "learning rates": lambda root: [sprites_sweep(root, betas=[1.0, 4.0], lr=lr / 1e3) for lr in range(1, 9)],
    "real groups": real_groups,
    "dozen": lambda root: sprites_sweep(root, betas=[0.0, 0.01, 0.1, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 1000]),
}


def lines(ax, label):
    return [line for line in ax.lines if str(line.get_label()).startswith(label)]


def number(text):
    """The number of a label of beta."""
    return float(text.get_text().removeprefix(r"$\beta$ = "))


def beta_labels(figure, betas):
    """The labels that are of a beta, with their boxes."""
    found = {}
    for text, box in shown_texts(figure).items():
        try:
            if isinstance(text, Annotation) and number(text) in betas:
                found[text] = box
        except ValueError:
            continue
    return found


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "_"))
def runs(request, tmp_path):
    CASES[request.param](tmp_path)
    return load_runs(tmp_path)


@pytest.mark.parametrize("draw", [plane, curves])
def test_texts_are_legible_inside_the_page_and_do_not_overlap(runs, draw):
    figure = draw(runs)
    assert figure.get_figwidth() == COLUMN
    assert not faults(figure)


@pytest.mark.parametrize("draw", [pytest.param(plane, marks=pytest.mark.slow), curves])  # Eleven seconds of layout.
def test_texts_of_three_data_sets_are_legible_two_columns_wide(tmp_path, draw):
    for sweep in (all_known, sprites_sweep, mnist_sweep):
        sweep(tmp_path)
    figure = draw(load_runs(tmp_path))
    assert figure.get_figwidth() == 2 * COLUMN
    assert not faults(figure)


@pytest.mark.parametrize("draw", [plane, curves])
@pytest.mark.parametrize("write", [without_rate, sprites_autoencoder, sprites_targets])
def test_texts_are_legible_where_rates_are_undefined_or_asked_for(tmp_path, write, draw):
    write(tmp_path)
    assert not faults(draw(load_runs(tmp_path)))


def test_an_undefined_rate_is_a_labelled_mark_on_the_axis_at_its_distortion_without_a_beta(tmp_path):
    without_rate(tmp_path)
    data = load_runs(tmp_path)
    ax = (figure := plane(data)).axes[0]
    left, low = ax.get_xlim()[0], data.query("beta == 0")["distortion"].iloc[0]
    assert left < 0
    marks = [ink for split, _, x, y, ink in run_points(ax) if (split, x, y) == ("test", left, low)]
    assert marks == [mpl_rgba(GREY)] * 2  # one a run, in the colour of none
    labels = [t for t in shown_texts(figure) if isinstance(t, Annotation)]
    (undefined,) = [t for t in labels if t.get_text() == "rate undefined"]
    assert undefined.xy == pytest.approx((left, low))
    assert "0" not in [t.get_text() for t in labels]  # beta 0 has no point for its tangent
    assert "$H - D$ alone: $R$ undefined" in said(figure)
    ends = [x for c in ax.collections if c.get_paths() and not c.get_gid() for x, y in c.get_offsets() if y == low]
    assert pytest.approx(SPRITES_H - low) in ends


def test_a_run_that_asked_for_a_rate_is_labelled_by_it_and_has_no_tangent(tmp_path):
    without_rate(tmp_path)
    data = load_runs(tmp_path)
    figure = plane(data)
    labels = {t.get_text(): t.xy for t in shown_texts(figure) if isinstance(t, Annotation)}
    for rate in (2.0, 4.0):
        run = data.query("target_rate == @rate and split == 'test'").iloc[0]
        assert labels[f"$R$ = {rate:g} asked"] == pytest.approx((run["rate"], run["distortion"]))
    (ticks,) = [c for c in figure.axes[0].collections if c.get_gid() == "tangents"]
    assert len(ticks.get_segments()) == data["beta"].nunique() - 1
    joined = [line.get_xdata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [2.0, 4.0] in joined  # runs that differ in their target alone


def test_the_numbers_of_an_undefined_rate_are_empty_cells(tmp_path):
    without_rate(tmp_path)
    points, _ = plane_numbers(load_runs(tmp_path), split="test")
    rows = csv_bytes(points).decode().splitlines()
    columns = rows[0].split(",")
    cells = [dict(zip(columns, row.split(","), strict=False)) for row in rows[1:] if "deterministic" in row]
    assert [(cell["rate"], cell["elbo"], float(cell["distortion"])) for cell in cells] == [("", "", 2.5)] * 2
    assert [row["target_rate"] for _, row in points.iterrows() if math.isnan(row["beta"])] == [2.0, 4.0]


def test_a_target_is_in_the_units_of_its_axis(tmp_path):
    sprites_targets(tmp_path)
    assert load_runs(tmp_path, units="bits")["target_rate"].unique() == pytest.approx(
        [2 / math.log(2), 4 / math.log(2)]
    )


def test_the_forecast_lies_between_the_betas_beside_it(tmp_path):
    forecast(tmp_path, betas=(1.0, 4.0, 10.0, 23.9, 1000.0))
    data = load_runs(tmp_path)
    figure = plane(data)
    (mark,) = lines(figure.axes[0], "a linear VAE collapses from")
    asked = data[data["split"] == "test"].set_index("beta")[["rate", "distortion"]]
    assert mark.get_xydata()[0] == pytest.approx((asked.loc[10.0] + asked.loc[23.9]).to_numpy() / 2)
    assert r"a linear VAE collapses from $\beta$ = 23.9 (forecast)" in said(figure)
    assert set(plane_numbers(data, split="test")[0]["collapse_beta"]) == {23.9}


@pytest.mark.parametrize(
    "runs_of",
    [
        {"collapse_betas": (23.9, 24.5)},
        {"collapse_betas": (23.9, None)},
        {"collapse_betas": (None,)},
        {"betas": (0.5, 1.0, 4.0)},
        {"betas": (100.0, 1000.0)},
    ],
    ids=["two", "not of all", "none", "all below", "all above"],
)
def test_without_one_forecast_between_the_betas_none_is_drawn(tmp_path, runs_of):
    forecast(tmp_path, **runs_of)
    assert not lines(plane(load_runs(tmp_path)).axes[0], "a linear VAE")


def test_every_beta_is_labelled_once_clear_of_the_points(runs):
    figure = plane(runs)
    ax = figure.axes[0]
    labels = beta_labels(figure, betas := set(runs["beta"]))
    assert sorted(map(number, labels)) == sorted(betas)
    assert [t.get_text() for t in labels if "beta" in t.get_text()] == [rf"$\beta$ = {max(betas):g}"]
    points = ax.transData.transform(runs[runs["split"] == "test"][["rate", "distortion"]].to_numpy())
    for text, box in labels.items():
        inside = (points > box.min).all(1) & (points < box.max).all(1)
        assert not inside.any(), text


def test_in_a_crowd_a_label_is_nearest_to_its_own_point_or_tied_to_it(tmp_path):
    sprites_sweep(tmp_path, betas=[0.1, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 1000])
    figure = plane(load_runs(tmp_path))
    labels = beta_labels(figure, {0.1, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 1000})
    assert len(labels) == 10
    points = figure.axes[0].transData.transform([t.xy for t in labels])
    for number, (text, box) in enumerate(labels.items()):
        distances = np.linalg.norm(points - (box.min + box.max) / 2, axis=1)
        assert distances.argmin() == number or text.arrow_patch.get_visible(), text


def test_slope_ticks_have_slope_minus_beta_and_one_visual_length(tmp_path):
    sprites_sweep(tmp_path)
    runs = load_runs(tmp_path)
    figure = plane(runs, ylim=(-3.0, 60.0))  # even axes, on which a tangent has one slope
    ax = figure.axes[0]
    [ticks] = [c for c in ax.collections if isinstance(c, LineCollection) and c.get_gid() == "tangents"]
    figure.savefig(io.BytesIO(), dpi=300)  # what is saved keeps the layout that the ticks were made for
    lengths = []
    for beta, segment in zip(SPRITES_BETAS, ticks.get_segments(), strict=True):
        (x0, y0), (x1, y1) = segment
        assert (y1 - y0) / (x1 - x0) == pytest.approx(-beta, rel=1e-6)
        point = runs.query("split == 'test' and beta == @beta").iloc[0]
        assert segment.mean(0) == pytest.approx([point["rate"], point["distortion"]])
        lengths.append(np.hypot(*np.diff(ax.transData.transform(segment), axis=0)[0]))
    assert lengths == pytest.approx([TICK_POINTS * figure.dpi / 72] * len(SPRITES_BETAS))


def test_a_run_that_asked_for_its_rate_has_the_tangent_that_it_found(tmp_path):
    sprites_targets(tmp_path, slope=3.0)
    figure = plane(load_runs(tmp_path))
    [ticks] = [c for c in figure.axes[0].collections if c.get_gid() == "tangents"]
    for segment in ticks.get_segments():
        (x0, y0), (x1, y1) = segment
        assert (y1 - y0) / (x1 - x0) == pytest.approx(-3.0, rel=1e-6)
    assert "tangent found: $R$ or $D$ was asked" in figure.axes[0].get_legend_handles_labels()[1]


def test_an_exact_h_is_a_solid_labelled_line_with_its_infeasible_side_and_limits(tmp_path):
    sprites_sweep(tmp_path)
    figure = plane(load_runs(tmp_path))
    ax = figure.axes[0]
    [line] = lines(ax, "$D + R = H$ = 8.24 nats (exact, ln N)")
    assert line.get_linestyle() == "-"
    assert line.get_xydata().sum(1) == pytest.approx([SPRITES_H] * len(line.get_xydata()))
    assert "$D + R = H$ = 8.24 nats (exact, ln N)" in said(figure)
    [shade] = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert shade.get_paths()[0].vertices.sum(1).max() == pytest.approx(SPRITES_H)  # nowhere above the line
    [encoding], [decoding] = lines(ax, "auto-encoding limit"), lines(ax, "auto-decoding limit")
    assert encoding.get_xydata().tolist() == [[SPRITES_H, 0.0]]
    assert decoding.get_xydata().tolist() == [[0.0, SPRITES_H]]


def test_an_estimated_h_is_dashed_named_and_without_limits_or_shade(tmp_path):
    mnist_sweep(tmp_path, nll=True)
    runs = load_runs(tmp_path)
    figure = plane(runs)
    [top] = figure.axes
    [line] = lines(top, r"$D + R = \hat{H}$")
    assert line.get_linestyle() == "--"
    assert "an estimate" in said(figure)
    points, _ = plane_numbers(runs, split="test")  # Where the figure has no room for it.
    sources = points[points["split"] == "test"]["h_source"].str[:41]
    assert set(sources) == {"importance NLL of static_mnist-beta1-seed"}
    assert not lines(top, "auto")
    assert not [c for c in top.collections if isinstance(c, PolyCollection)]
    assert r"$\hat{H} - D$ to $R$: an estimate" in said(figure)
    assert "leq" not in said(figure)
    [cap] = lines(top, "InfoNCE cap ln 10000 = 9.21")
    assert cap.get_xdata()[0] == pytest.approx(math.log(10000))


@pytest.mark.parametrize("draw", [plane, curves])
def test_a_source_of_h_that_is_too_long_for_a_line_goes_to_the_next(tmp_path, draw):
    card, source = sprites_card(), "256 h(p) + ln N - E H(sprite | x), 10000 draws of x, and more to say than fits"
    for entry in card["entropy"].values():
        entry["source"] = source
    for beta in (1.0, 4.0):
        write_run(tmp_path, card=card, beta=beta, points=dict.fromkeys(SPLITS, sprites_point(beta)))
    figure = draw(load_runs(tmp_path))
    assert source in said(figure) or "(exact)" in said(figure)  # All of it, or what H is worth.
    assert not faults(figure)


def test_a_density_has_a_line_and_no_limits(tmp_path):
    gaussian_sweep(tmp_path)
    runs = load_runs(tmp_path)
    assert runs["distortion"].min() < 0
    ax = plane(runs).axes[0]
    [line] = lines(ax, "$D + R = H$ = 9.55 nats")
    assert line.get_xydata().sum(1) == pytest.approx([GAUSSIAN_H] * len(line.get_xydata()))
    assert not lines(ax, "auto")


def test_train_points_have_their_own_h_and_open_marks(tmp_path):
    finite_sample(tmp_path)
    runs = load_runs(tmp_path)
    ax = plane(runs).axes[0]
    [own] = [line for line in lines(ax, "$D + R = H$ = 6.91") if str(line.get_label()).endswith(": train")]
    assert own.get_xydata().sum(1) == pytest.approx([math.log(1000)] * 2)
    [shade] = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert shade.get_paths()[0].vertices.sum(1).max() == pytest.approx(math.log(1000))
    [train] = [c for c in ax.collections if c.get_gid() == "train 0"]
    assert train.get_facecolor().tolist() == [[1.0, 1.0, 1.0, 1.0]] * 5
    assert sorted(train.get_offsets()[:, 0]) == pytest.approx(sorted(runs["rate"][runs["split"] == "train"]))


def test_population_splits_share_one_mark_and_real_splits_are_joined(tmp_path):
    sprites_sweep(tmp_path / "a", betas=[1.0])
    mnist_sweep(tmp_path / "b", betas=[1.0])
    one, three = (plane(load_runs(tmp_path / name)) for name in "ab")
    assert "train" not in said(one)
    assert all(split in said(three) for split in SPLITS)
    runs = load_runs(tmp_path / "b")
    [join] = segments(three.axes[0], len(SPLITS))
    assert join == pytest.approx(runs[["rate", "distortion"]].to_numpy())


def test_intervals_run_from_h_minus_d_to_r_around_the_exact_information_on_the_level_of_d(tmp_path):
    sprites_sweep(tmp_path, betas=[2.0, 1000.0])
    ax = plane(load_runs(tmp_path)).axes[0]
    collapsed, live = sprites_point(1000.0), sprites_point(2.0)
    spans = [span.tolist() for span in segments(ax)]
    for point, low in ((collapsed, 0.0), (live, SPRITES_H - live.distortion)):  # H - D is negative where it collapsed
        ends = [[low, point.distortion], [point.rate, point.distortion]]
        assert any(np.allclose(ends, span, atol=1e-9) for span in spans)
    dots = {tuple(place) for c in ax.collections if not c.get_gid() for place in np.asarray(c.get_offsets()).tolist()}
    assert {(live.information, live.distortion), (collapsed.information, collapsed.distortion)} <= dots


def test_the_run_that_h_is_estimated_from_gets_no_interval_from_it(tmp_path):
    mnist_sweep(tmp_path, betas=[1.0])
    figure = plane(load_runs(tmp_path))
    assert "an estimate" in said(figure)
    assert r"\hat{H} - D" not in said(figure)
    assert "InfoNCE" in said(figure)


def test_impossible_points_warn_and_are_marked(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0, 2.0])
    wrong = impossible(sprites_point(2.0))
    folder = write_run(tmp_path, card=sprites_card(), beta=3.0, points=dict.fromkeys(SPLITS, wrong))
    with pytest.warns(RunWarning, match=f"impossible: {folder.name} on test") as caught:
        figure = plane(load_runs(tmp_path))
    assert len(caught) == 1
    [mark] = lines(figure.axes[0], "impossible")
    assert mark.get_xydata().tolist() == [[wrong.rate, wrong.distortion]]
    assert "impossible" in said(figure)


def test_units_are_on_the_axes(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0, 2.0])
    figure = plane(load_runs(tmp_path, units="bits_per_dim"))
    assert all("[bits/dim]" in label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel()))
    assert "0.0464 bits/dim" in said(figure)


def test_curves_draw_train_dashed_val_solid_the_kept_epoch_and_minus_h(tmp_path):
    sprites_sweep(tmp_path, betas=[10.0, 1000.0])
    figure = curves(load_runs(tmp_path))
    assert [ax.get_ylabel() for ax in figure.axes] == ["$D$ [nats]", "$R$ [nats]", "ELBO [nats]"]
    for ax in figure.axes:
        drawn = [line for line in ax.lines if len(line.get_xdata()) > 3]
        assert sorted(line.get_linestyle() for line in drawn) == ["-", "-", "--", "--"]
        assert len([line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]) == 2
    [bound] = lines(figure.axes[2], "$-H$ of val = −8.24 (exact, ln N)")
    assert bound.get_ydata()[0] == -SPRITES_H
    assert figure.axes[2].get_ylim()[1] > -SPRITES_H


def test_curves_of_real_data_have_no_bound_from_an_estimate(tmp_path):
    mnist_sweep(tmp_path, nll=True)
    assert "H" not in said(curves(load_runs(tmp_path)))


def test_curves_need_no_validation(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(2.0))
    write_run(tmp_path, card=sprites_card(), beta=2.0, points=points, epochs=1)
    assert "kept" not in said(curves(load_runs(tmp_path)))


def test_a_run_without_information_or_errors_is_drawn_from_what_is_known(tmp_path):
    point = replace(sprites_point(2.0), information=math.nan, stderr=math.nan)
    write_run(tmp_path, card=sprites_card(), beta=2.0, points=dict.fromkeys(SPLITS, point))
    figure = plane(load_runs(tmp_path))
    assert "leq" in said(figure)
    assert "exact (2 s.e.)" not in said(figure)


@pytest.mark.parametrize("betas", [[0.0], [0.0, 1.0], [1.0], [0.0, 1e-3, 1e3], [0.1, 1, 10]])
def test_colours_are_distinct_and_ordered_from_dark_to_light(betas):
    colours = beta_colours(betas)
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in colours.values()]
    assert list(colours) == sorted(betas)
    assert luminance == sorted(luminance)
    assert len(set(colours.values())) == len(betas)
