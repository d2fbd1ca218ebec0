"""The table: its rows, its rounding, and what it says about its own numbers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis import load_runs, plane, table
from analysis.figures.table import COLUMNS, OBJECTIVE, measured, rounded, table_numbers
from analysis.rows.finding import RunWarning
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    SPRITES_H,
    gaussian_sweep,
    impossible,
    mnist_card,
    mnist_sweep,
    sprites_card,
    sprites_decoders,
    sprites_point,
    sprites_search,
    sprites_sweep,
    write_run,
)
from helpers.pages import segments


def cells(text):
    """The rows of the first table as mappings from header to cell."""
    grid = [
        [cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [dict(zip(grid[0], row, strict=True)) for row in grid[2:]]


def test_a_row_a_run_sorted_by_beta_and_seed(tmp_path):
    sprites_sweep(tmp_path, betas=[10.0, 0.5, 1000.0], seeds=[1, 0])
    rows = cells(table(load_runs(tmp_path)))
    assert [(r["β"], r["seed"]) for r in rows] == [(b, s) for b in ("0.5", "10", "1000") for s in "01"]
    assert tuple(rows[0]) == COLUMNS
    assert [r["collapsed"] for r in rows] == ["no"] * 4 + ["yes"] * 2
    assert rows[0]["active"] == "5 / 16"
    assert rows[0]["n"] == "3776"


def test_cells_hold_the_numbers_and_their_bounds(tmp_path):
    sprites_sweep(tmp_path, betas=[2.0])
    text, point = table(load_runs(tmp_path)), sprites_point(2.0)
    [row] = cells(text)
    assert row["D"] == f"{point.distortion:.4f} ± {point.stderr:.4f}"
    assert row["D + R"].startswith(f"{point.distortion + point.rate:.4f}")
    assert row["H − D"].startswith(f"{SPRITES_H - point.distortion:.4f}")
    assert row["I"].startswith(f"{point.information:.4f} ±")
    assert "H = 8.2364 (exact, ln N)" in text


def test_unknown_information_is_an_interval_and_estimates_are_marked(tmp_path):
    mnist_sweep(tmp_path, betas=[0.5, 1.0], nll=True)
    text = table(load_runs(tmp_path))
    first, second = cells(text)
    assert re.fullmatch(r"\[9\.21, \d+\.\d\d\]", first["I"])
    assert first["cap"] == "9.2103"
    assert first["H − D"].startswith("≈ ")
    assert second["H − D"].startswith("≈ ")
    assert "importance NLL of static_mnist-beta1" in text
    assert "an estimate, not a bound" in text


def test_h_minus_d_says_nothing_for_the_run_whose_sum_stands_in_for_h(tmp_path):
    mnist_sweep(tmp_path, betas=[0.5, 1.0])
    assert [row["H − D"][0] for row in cells(table(load_runs(tmp_path)))] == ["≈", "–"]


def test_every_data_set_has_its_own_table_in_order_of_name(tmp_path):
    mnist_sweep(tmp_path, betas=[1.0])
    sprites_sweep(tmp_path, betas=[1.0])
    text = table(load_runs(tmp_path))
    assert re.findall(r"\*\*(\w+)\*\*", text) == ["sprites", "static_mnist"]
    assert len(table_numbers(load_runs(tmp_path), split="test")) == 2


def test_the_gap_above_shannons_curve_is_a_column_where_it_is_known(tmp_path):
    gaussian_sweep(tmp_path / "fixed", excess=0.3)
    gaussian_sweep(tmp_path / "learned", excess=0.3, likelihood="gaussian_shared")
    text = table(load_runs(tmp_path / "fixed"))
    assert {row["gap"].split(" ±")[0] for row in cells(text)} <= {"0.3000", "0.300", "0.30"}
    assert "(exact)" in text
    assert tuple(cells(table(load_runs(tmp_path / "learned")))[0]) == COLUMNS


def test_a_field_that_differs_has_a_column_and_the_objective_one(tmp_path):
    sprites_decoders(tmp_path, betas=[4.0, 1.0])
    rows = cells(table(load_runs(tmp_path)))
    assert [name for name in rows[0] if name not in COLUMNS] == ["decoder", OBJECTIVE]
    assert [(row["β"], row["decoder"]) for row in rows] == [(b, d) for b in "14" for d in ("conv", "linear", "mlp")]
    point = sprites_point(4.0)
    assert rows[-1][OBJECTIVE].startswith(f"{point.distortion + 4 * point.rate:.3f}")
    assert table_numbers(load_runs(tmp_path), split="test")["decoder"].tolist() == [row["decoder"] for row in rows]


def test_a_search_has_its_best_run_of_a_beta_first(tmp_path):
    sprites_search(tmp_path)
    rows = cells(table(load_runs(tmp_path)))
    assert [name for name in rows[0] if name not in COLUMNS] == ["hidden", "lr", OBJECTIVE]
    assert [row["lr"] for row in rows] == [f"{1e-3 * (1 + trial / 7):g}" for trial in range(12)]
    assert [row["hidden"] for row in rows[:4]] == ["[64]", "[512, 256]", "[512]", "[64]"]


def test_only_the_data_set_in_which_a_field_differs_has_a_column_for_it(tmp_path):
    sprites_decoders(tmp_path / "a", betas=[1.0])
    mnist_sweep(tmp_path / "b", betas=[1.0])
    first, second = table(load_runs(tmp_path)).split("**static_mnist**")
    assert "decoder" in first
    assert "decoder" not in second


def test_every_rule_of_a_table_has_a_dash(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0])
    rule = table(load_runs(tmp_path)).splitlines()[3]
    assert all(re.fullmatch(r" -+: ", cell) for cell in rule.strip("|").split("|"))


def test_markdown_columns_line_up(tmp_path):
    mnist_sweep(tmp_path)
    grid = [line for line in table(load_runs(tmp_path)).splitlines() if line.startswith("|")]
    assert len({len(line) for line in grid}) == 1
    assert set(grid[1]) <= set("|-: ")


def test_impossible_rows_say_so_and_warn(tmp_path):
    points = dict.fromkeys(SPLITS, impossible(sprites_point(2.0)))
    write_run(tmp_path, card=sprites_card(), beta=2.0, points=points)
    with pytest.warns(RunWarning, match="impossible"):
        [row] = cells(table(load_runs(tmp_path)))
    assert row["D + R"].endswith("(impossible)")


def information(root, **found):
    """The cell of I of a run on two real test images, with these values of its bounds."""
    card, point = mnist_card(), replace(sprites_point(1.0), kind="bound")
    folder = write_run(root, card=card, beta=1.0, points=dict.fromkeys(SPLITS, point))
    record = json.loads((folder / "record.json").read_text())
    for name, value in found.items():
        record["metrics"]["test"][name] |= {"value": value, "stderr": 0.05}
    (folder / "record.json").write_text(json.dumps(record))
    return cells(table(load_runs(root)))[0]["I"], load_runs(root)


LOWER, UPPER = "mutual_information_lower", "mutual_information_upper"


@pytest.mark.parametrize(
    ("lower", "upper", "rate", "text"),
    [
        (-0.085, -0.16, 2.5, "[0.000, 2.500]"),  # --n_test 2: noise; I lies between 0 and R all the same
        (-0.085, 0.3, 2.5, "[0.000, 0.300]"),
        (0.4, 0.3, 2.5, "[0.400, 2.500]"),
        (0.4, None, 2.5, "[0.400, –]"),
        (None, 0.3, 2.5, "[–, 0.300]"),
        (-0.1, -0.2, 0.0, "[0.000, 0.000]"),  # R = 0, and so is I
        (2.6, 2.5, 2.5, "[2.500, 2.500]"),  # R itself below InfoNCE by noise
    ],
)
def test_the_ends_of_i_are_neither_negative_nor_the_wrong_way_round(tmp_path, lower, upper, rate, text):
    cell, runs = information(tmp_path, **{LOWER: lower, UPPER: upper, "rate": rate})
    assert cell == text
    raw = table_numbers(runs, split="test").iloc[0]
    assert raw[LOWER] == pytest.approx(math.nan if lower is None else lower, nan_ok=True)
    assert raw[UPPER] == pytest.approx(math.nan if upper is None else upper, nan_ok=True)


def test_the_figure_has_the_ends_of_the_table(tmp_path):
    _, runs = information(tmp_path, **{LOWER: -0.085, UPPER: -0.16, "rate": 2.5})
    ax = plane(runs).axes[0]
    spans = [span[:, 0].tolist() for span in segments(ax) if np.ptp(span[:, 1]) == 0]
    assert [0.0, 2.5] in spans
    assert min(min(span) for span in spans) >= 0


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (7.94748, 0.0123, "7.947 ± 0.012"),
        (7.94748, 0.0999, "7.95 ± 0.10"),
        (7.94748, 0.0994, "7.947 ± 0.099"),
        (123.456, 12.34, "123 ± 12"),
        (-1234.5, 345.0, "−1234 ± 345"),
        (8.236421, 0.0, "8.2364"),
        (8.236421, float("nan"), "8.2364"),
        (1.0, 3e-9, "1.0000"),
        (0.000123, 0.000004, "0.000123 ± 0.000004"),
        (float("nan"), 0.1, "–"),
    ],
)
def test_rounding_follows_the_standard_error(value, stderr, text):
    assert measured(value, stderr) == text
    assert rounded(value, stderr) == text.split(" ±")[0]


def bold_in(text, column):
    """Which of the rows of the first table stand out in a column."""
    grid = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [row[grid[0].index(column)].startswith("**") for row in grid[2:]]


def test_the_least_sum_is_bold_and_what_noise_does_not_tell_from_it(tmp_path):
    least = sprites_point(2.0)
    for seed, above in enumerate((0.0, 0.008, 0.03)):  # 2 s.e. of a difference are 0.0098
        point = replace(least, distortion=least.distortion + above, stderr=0.0035)
        write_run(tmp_path, card=sprites_card(), beta=2.0, seed=seed, points=dict.fromkeys(SPLITS, point))
    runs = load_runs(tmp_path)
    text = table(runs)
    assert bold_in(text, "D + R") == [True, True, False]
    assert "within 2 s.e. of the difference" in text.splitlines()[-1]
    assert table_numbers(runs, split="test")["best_sum"].tolist() == [True, True, False]


def test_an_impossible_row_and_a_lone_one_are_not_the_best(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5])
    assert bold_in(table(load_runs(tmp_path)), "D + R") == [False]
    write_run(tmp_path, card=sprites_card(), beta=1.0, points=dict.fromkeys(SPLITS, impossible(sprites_point(1.0))))
    with pytest.warns(RunWarning, match="impossible"):
        assert bold_in(table(load_runs(tmp_path)), "D + R") == [False, False]


def test_the_objective_is_compared_within_a_beta(tmp_path):
    sprites_decoders(tmp_path, betas=[0.5, 4.0])
    assert bold_in(table(load_runs(tmp_path)), OBJECTIVE) == [False, False, True] * 2


def test_latex_has_the_same_cells_escaped_in_rows_of_equal_length(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 4.0], decoder="mlp")
    sprites_sweep(tmp_path, betas=[0.5, 4.0], hidden=[64, 32], lr_schedule="one_cycle")
    mnist_sweep(tmp_path, betas=[1.0], nll=True)
    text = table(load_runs(tmp_path), suffix=".tex")
    assert text.isascii()
    assert [text.count(rf"\begin{{{e}}}") - text.count(rf"\end{{{e}}}") for e in ("table", "tabular")] == [0, 0]
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    assert not re.search(r"(?<!\\)[%#]", re.sub(r"^%.*", "", text, flags=re.MULTILINE))
    assert set(re.findall(r"(?<!\\)_.", text)) == {"_{"}  # Subscripts alone.
    for environment in text.split(r"\begin{tabular}")[1:]:
        rows = [line for line in environment.splitlines() if line.endswith(r"\\")]
        columns = re.match(r"\{(r+)\}", environment)[1]
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns)}
    assert r"\textbf{" in text
    assert r"static\_mnist" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [2, 2, 2]
