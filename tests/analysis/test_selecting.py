"""`--select` and `--group_by`: which runs they choose, against a choice written by hand, and what they refuse."""

from __future__ import annotations

import pytest

from analysis.rows.groups import group_runs
from analysis.rows.runs import load_runs
from analysis.rows.selecting import select_runs
from vae_rd.errors import InputError

from helpers.fake_records import mnist_sweep, sprites_decoders, sprites_sweep

BETAS = (0.1, 0.5, 1.0, 4.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    sprites_sweep(root, betas=BETAS, seeds=[0, 1])
    mnist_sweep(root, betas=BETAS)
    return load_runs(root)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("beta < 1", lambda r: r.beta < 1),
        ("1 <= beta < 4", lambda r: 1 <= r.beta < 4),
        ("beta < 1 and data == 'sprites'", lambda r: r.beta < 1 and r.data == "sprites"),
        ("not beta in [0.1, 4] or seed == 1", lambda r: r.beta not in (0.1, 4) or r.seed == 1),
        ("data != 'sprites'", lambda r: r.data != "sprites"),
        ("rate > 5", lambda r: r.rate > 5),
        ("4 > beta", lambda r: r.beta < 4),
        ("likelihood == 'bernoulli'", lambda r: True),
    ],
)
def test_an_expression_holds_for_the_runs_for_which_python_says_so(runs, expression, wanted):
    rows = runs[runs["split"] == "test"]
    chosen = {row.folder for row in rows.itertuples() if wanted(row)}
    found = select_runs(runs, expression)
    assert set(found["folder"]) == chosen
    assert set(found["split"]) == set(runs["split"])


def test_metrics_are_those_of_the_split_asked_for(runs):
    rates = runs[runs["split"] == "val"].set_index("folder")["rate"]
    least = float(rates.median())
    found = select_runs(runs, f"rate > {least!r}", split="val")
    assert set(found["folder"]) == set(rates[rates > least].index)


def test_what_a_run_does_not_have_neither_equals_nor_differs(runs):
    numbered = runs.assign(odd=[None if seed else 1.0 for seed in runs["seed"]])
    assert set(select_runs(numbered, "odd != 7")["seed"]) == {0}
    assert set(select_runs(numbered, "odd == 1 or odd != 1")["seed"]) == {0}
    assert len(select_runs(numbered, "data < 3 or beta > 0")) == len(runs)  # Words have no order with numbers.


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("bet < 1", "did you mean beta?"),
        ("data == sprites", "put a word into quotes"),
        ("beta <", "cannot be read"),
        ("beta", "'beta' is no comparison"),
        ("__import__('os').system('true')", "is no comparison"),
        ("beta < len('a')", "neither field nor value"),
        ("data in 'sprites'", "after in is no list"),
        ("beta > 1e9", "holds for none of 12 runs"),
    ],
)
def test_other_expressions_are_refused(runs, expression, says):
    with pytest.raises(InputError, match="--select: ") as refusal:
        select_runs(runs, expression)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_groups_are_of_the_fields_asked_for(tmp_path):
    sprites_decoders(tmp_path)
    sprites_sweep(tmp_path, betas=[1.0], latent_dim=4)
    runs = load_runs(tmp_path)
    groups = group_runs(runs, by=["latent_dim"])
    assert groups.fields == ("latent_dim",)
    assert "decoder" in groups.undistinguished
    assert len(groups.labels) == runs["latent_dim"].nunique() == 2
    with pytest.raises(InputError, match="did you mean decoder"):
        group_runs(runs, by=["decode"])
    with pytest.raises(InputError, match="such as prior,decoder"):
        group_runs(runs, by=["xyz"])


def test_more_groups_than_marks_are_refused(tmp_path):
    for dim in range(2, 15):
        sprites_sweep(tmp_path, betas=[1.0], latent_dim=dim)
    with pytest.raises(InputError, match="13 groups, marks tell 12 apart; give fewer fields"):
        group_runs(load_runs(tmp_path), by=["latent_dim"])
