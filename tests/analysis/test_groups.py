"""What differs between runs: the fields found, the groups told, and the marks, lines and legends that tell them."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from matplotlib.legend import Legend

from analysis import curves, load_runs, plane, table
from analysis.figures.curves import curves_numbers
from analysis.figures.plane import plane_numbers
from analysis.figures.table import table_numbers
from analysis.marks.groups import SHAPES
from analysis.marks.packing import packed
from analysis.rows.data_sets import _name, data_sets
from analysis.rows.finding import RunWarning
from analysis.rows.groups import MOST, MOST_ASKED, add_settings, group_runs, varying
from analysis.statistics.bounds import add_bounds
from analysis.style import GREY, pale
from vae_rd.run.record import SPLITS

from helpers.fake_records import (
    SPRITES_H,
    mnist_card,
    mnist_points,
    mnist_sweep,
    sprites_card,
    sprites_decoders,
    sprites_point,
    sprites_search,
    sprites_sweep,
    write_run,
)
from helpers.pages import faults, run_points, said


def edit(folder, **changes):
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_config(folder, **changes):
    edit(folder, config=json.loads((folder / "record.json").read_text())["config"] | changes)


def labels(figure):
    """The words of all legends, their headings too."""
    legends = figure.findobj(Legend)
    return [t.get_text() for legend in legends for t in (legend.get_title(), *legend.get_texts()) if t.get_text()]


def points(ax, split="test"):
    """The place of the group and the colour of each run of a split on the plane, by its R and D."""
    return {(x, y): (place, ink) for of, place, x, y, ink in run_points(ax) if of == split}


def joins(ax):
    """The grey lines of at least two points: those that join a group."""
    return [line for line in ax.lines if len(line.get_xdata()) > 1 and line.get_color() == GREY]


def test_every_group_has_a_shape():
    assert len(SHAPES) == len({marker for marker, _ in SHAPES}) == MOST_ASKED


def test_beta_seed_and_place_make_no_group(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 4.0], seeds=[0, 1])
    edit_config(folders[0], run_dir="elsewhere", wandb="offline", devices=4, data_dir="/data", resume="auto")
    groups = group_runs(load_runs(tmp_path))
    assert varying(load_runs(tmp_path)) == []
    assert (groups.fields, groups.undistinguished, groups.distinguished, groups.note) == ((), (), False, "")


@pytest.mark.parametrize("field", ["encoder", "lr", "hidden", "weight_decay", "whiten", "max_steps", "a_later_field"])
def test_any_other_field_makes_groups_in_order_of_its_values(tmp_path, field):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0, 4.0])
    values = {"hidden": [None, [64], [512, 32]], "whiten": [False, False, True], "encoder": ["conv", "mlp", "mlp"]}
    for folder, value in zip(folders, values.get(field, [2, 10, 100.5]), strict=True):
        edit_config(folder, **{field: value})
    groups = group_runs(load_runs(tmp_path))
    words = {
        "hidden": ["null", "[64]", "[512, 32]"],
        "whiten": ["false", "true"],
        "encoder": ["conv", "mlp"],
    }.get(field, ["2", "10", "100.5"])
    assert groups.fields == (field,)
    assert list(groups.labels) == [f"{field.replace('_', ' ')} {word}" for word in words]
    assert list(groups.place_of) == [str(f) for f in folders]
    assert sorted(set(groups.place_of.values())) == list(range(len(words)))


def test_lists_of_several_kinds_of_entries_are_told_in_order(tmp_path):
    values = ([1, "a"], ["a", 1], [1, 2], [None, 1], [[8], "x"])
    for value, folder in zip(values, sprites_sweep(tmp_path, betas=[1.0], seeds=range(5)), strict=True):
        edit_config(folder, stages=value)
    found = group_runs(load_runs(tmp_path)).labels
    assert found == tuple(f"stages {words}" for words in ("[null, 1]", "[1, 2]", "[1, a]", "[[8], x]", "[a, 1]"))


def test_a_network_from_python_is_a_group_of_its_own(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    edit(folders[0], model=json.loads((folders[0] / "record.json").read_text())["model"] | {"is_own": True})
    assert group_runs(load_runs(tmp_path)).labels == ("networks by flags", "networks own")


def test_a_field_that_older_records_lack_differs_only_where_it_is_known_to(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0, 4.0])
    old = json.loads((folders[0] / "record.json").read_text())["config"]
    del old["whiten"]
    edit(folders[0], config=old)
    assert varying(load_runs(tmp_path)) == []
    edit_config(folders[1], whiten=True)
    assert group_runs(load_runs(tmp_path)).labels == ("whiten ?", "whiten null", "whiten true")


def shared_training(root, ranges, *, seeds=(0,)):
    """Models of many betas and a run that starts from each, as `--launcher multirate` makes them."""
    for at, (low, high) in enumerate(ranges):
        many = {"objective": "multirate", "beta_range": [low, high], "lr": 0.01}
        sprites_sweep(root, betas=[5.0 + at], seeds=seeds, **many)
        for seed in seeds:
            start = {"start_from": f"runs/sprites-multirate{low}to{high}-seed{seed}-{at}{seed}ab12cd"}
            sprites_sweep(root, betas=[float(low)], seeds=[seed], lr=0.003, **start)


def test_groups_are_called_by_the_settings_that_they_have(tmp_path):
    """A range of betas is no setting of a run at one; the legend's head names what all of them have."""
    shared_training(tmp_path, [(1, 2), (3, 4)])
    runs = load_runs(tmp_path)
    assert group_runs(runs).labels == (
        "objective beta, lr 0.003, start from multirate1to2",
        "objective beta, lr 0.003, start from multirate3to4",
        "objective multirate, lr 0.01, beta range [1, 2]",
        "objective multirate, lr 0.01, beta range [3, 4]",
    )
    texts = labels(plane(runs))
    assert "objective, lr" in texts
    assert {"beta, 0.003, start from multirate1to2", "multirate, 0.01, beta range [3, 4]"} <= {
        text.replace("\n", " ") for text in texts
    }


@pytest.mark.parametrize(
    ("starts", "groups"),
    [
        ((("mlp", "beta1-seed0-aaaaaaaa", 0), ("mlp", "beta1-seed1-bbbbbbbb", 1)), 1),  # of two seeds
        ((("mlp", "beta1-seed0-aaaaaaaa", 0), ("conv", "beta1-seed0-bbbbbbbb", 0)), 2),  # told by their decoder
        ((("mlp", "beta1-seed0-aaaaaaaa", 0), ("mlp", "beta1-seed0-bbbbbbbb", 0)), 2),  # told by their start alone
        ((("mlp", "beta1-seed0-aaaaaaaa", 0), ("mlp", "beta9-seed1-bbbbbbbb", 1)), 2),
    ],
)
def test_runs_are_told_by_what_they_started_from_less_its_seed(tmp_path, starts, groups):
    for at, (decoder, start, seed) in enumerate(starts):
        sprites_sweep(
            tmp_path / str(at), betas=[2.0], seeds=[seed], decoder=decoder, start_from=f"runs/sprites-{start}"
        )
    found = group_runs(load_runs(tmp_path))
    assert len(found.labels) == groups
    assert "decoder" not in found.fields or found.fields == ("decoder",)


def test_what_differs_between_data_sets_alone_makes_no_group(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0], likelihood="bernoulli")
    mnist_sweep(tmp_path, betas=[1.0], likelihood="categorical")
    assert not group_runs(load_runs(tmp_path)).distinguished


def test_fields_of_few_values_are_told_and_a_searched_one_is_named_as_not_shown(tmp_path):
    sprites_search(tmp_path)
    runs = load_runs(tmp_path)
    groups = group_runs(runs)
    assert (groups.fields, groups.undistinguished) == (("hidden",), ("lr",))
    assert groups.labels == ("hidden [64]", "hidden [512]", "hidden [512, 256]")
    assert not groups.connected
    for figure in (plane(runs), curves(runs)):
        found = [*labels(figure), *str(figure.get_label()).splitlines()]  # or its caption
        assert len([label for label in found if label.startswith("hidden")]) == 3
        assert any("runs of one mark differ in lr: see the table" in label for label in found)
        assert not any("0.001" in label for label in found)
    assert not joins(plane(runs).axes[0])


def test_the_field_of_fewer_values_is_told_whichever_comes_first(tmp_path):
    for width, lr in product((8, 16, 32, 64), (1e-3, 2e-3)):
        sprites_sweep(tmp_path, betas=[1.0], hidden=[width], lr=lr)
    groups = group_runs(load_runs(tmp_path))
    assert (groups.labels, groups.undistinguished) == (("lr 0.001", "lr 0.002"), ("hidden",))


def test_beyond_all_shapes_there_is_none(tmp_path):
    for dim in range(2, 2 + MOST + 1):
        sprites_sweep(tmp_path, betas=[1.0, 4.0], latent_dim=dim)
    runs = load_runs(tmp_path)
    figure = plane(runs)
    assert not group_runs(runs).distinguished
    assert not joins(figure.axes[0])
    assert "runs differ in latent dim: see the table" in said(figure)
    assert {place for place, _ in points(figure.axes[0]).values()} == {0}


def test_each_group_has_a_shape_a_legend_entry_and_a_line_by_beta(tmp_path):
    sprites_decoders(tmp_path, betas=[10.0, 1.0, 4.0])
    runs = load_runs(tmp_path)
    figure = plane(runs)
    [ax] = figure.axes
    for name in ("conv", "linear", "mlp"):
        assert f"decoder {name}" in said(figure)
    asked = runs[runs["split"] == "test"].set_index("folder")
    place_of, drawn = group_runs(runs).place_of, points(ax)
    assert {f: drawn[row["rate"], row["distortion"]][0] for f, row in asked.iterrows()} == place_of
    shapes = {}
    for marks in (c for c in ax.collections if str(c.get_gid()).startswith("test")):
        outline = marks.get_paths()[0].vertices
        shapes[int(marks.get_gid().split()[1])] = tuple((outline / np.abs(outline).max()).round(3).ravel())
    assert len(set(shapes.values())) == 3
    assert sorted(len(line.get_xdata()) for line in joins(ax)) == [3, 3, 3]
    assert len({str(line._unscaled_dash_pattern) for line in joins(ax)}) == 3
    for line in joins(ax):  # a point a beta: the rate falls as beta rises
        assert (np.diff(line.get_xdata()) < 0).all()


@pytest.mark.slow
def test_twelve_groups_that_are_asked_for_are_told_by_shape_and_line_and_named(tmp_path):
    for dim in range(2, 14):
        sprites_sweep(tmp_path, betas=[1.0, 4.0, 10.0], latent_dim=dim, excess=1.2 * dim)
    figure = plane(load_runs(tmp_path), group_by=("latent_dim",))
    assert {place for place, _ in points(figure.axes[0]).values()} == set(range(12))
    assert {"latent dim 2", *(str(dim) for dim in range(3, 14))} <= set(said(figure).split(" | "))
    assert not faults(figure)


def test_seeds_of_a_group_are_joined_at_their_mean(tmp_path):
    for dim in (2, 8):
        sprites_sweep(tmp_path, betas=[1.0, 4.0], seeds=[0, 1], latent_dim=dim)
    [first, _] = joins(plane(load_runs(tmp_path)).axes[0])
    mean = [np.mean([sprites_point(b, seed=s).rate for s in (0, 1)]) for b in (1.0, 4.0)]
    assert first.get_xdata() == pytest.approx(mean)


def test_with_groups_the_filling_tells_the_split(tmp_path):
    for dim in (2, 8):
        mnist_sweep(tmp_path, betas=[1.0], latent_dim=dim, excess=float(dim))
    runs = load_runs(tmp_path)
    figure = plane(runs)
    faces = {}
    for marks in (c for c in figure.axes[0].collections if str(c.get_gid()).split()[0] in SPLITS):
        faces.setdefault(marks.get_gid().split()[0], set()).add(tuple(marks.get_facecolor()[0].round(2)))
    [full] = faces["test"]
    assert faces["train"] == {(1.0, 1.0, 1.0, 1.0)}
    assert faces["val"] == {tuple(round(c, 2) for c in pale(full))}
    assert "open: train; pale: val; test" in said(figure)
    assert all(f"latent dim {dim}" in said(figure) for dim in (2, 8))


def test_curves_mark_the_kept_epoch_with_the_shape_of_the_group(tmp_path):
    sprites_decoders(tmp_path, betas=[4.0])
    figure = curves(load_runs(tmp_path))
    for ax in figure.axes:
        kept = [line.get_marker() for line in ax.lines if len(line.get_xdata()) == 1]
        assert sorted(kept) == sorted(marker for marker, _ in SHAPES[:3])
    assert {"decoder conv", "decoder linear", "decoder mlp"} <= set(labels(figure))


def test_curves_of_a_search_leave_the_best_run_of_a_beta_clear_and_the_others_faint(tmp_path):
    folders = sprites_search(tmp_path, trials=8)
    runs = load_runs(tmp_path)
    figure = curves(runs)
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 3]
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in (line.get_color() for line in solid)]
    assert len(solid) == 8
    assert np.count_nonzero(np.array(luminance) < 0.6) == 1
    best = solid[int(np.argmin(luminance))]
    numbers = curves_numbers(runs)
    own = numbers[(numbers["folder"] == str(folders[0])) & (numbers["split"] == "val")]  # the least D of all trials
    assert best.get_ydata().tolist() == own["distortion"].tolist()


def test_two_data_sets_have_a_column_each_with_their_own_h_and_runs(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0, 4.0])
    mnist_sweep(tmp_path, betas=[0.5, 1.0, 4.0])
    runs = load_runs(tmp_path)
    figure = plane(runs)
    left, right = figure.axes
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["sprites", "static_mnist"]
    own = [line for line in left.lines if str(line.get_label()).startswith("$D + R = H$")]
    assert own[0].get_xydata().sum(1) == pytest.approx([SPRITES_H] * len(own[0].get_xydata()))
    assert not [line for line in right.lines if str(line.get_label()).startswith("$D + R = H$")]
    assert [len(points(ax)) for ax in (left, right)] == [2, 3]
    assert left.get_xlim() != right.get_xlim()
    assert len(curves(runs).axes) == 6


def test_a_beta_has_one_colour_in_all_columns(tmp_path):
    sprites_sweep(tmp_path, betas=[1.0, 1000.0])
    mnist_sweep(tmp_path, betas=[0.5, 1.0])
    runs = load_runs(tmp_path)
    left, right = plane(runs).axes
    place = {name: rows.query("split == 'test' and beta == 1").iloc[0] for name, rows in data_sets(runs).items()}
    ink = [
        points(ax)[place[name]["rate"], place[name]["distortion"]][1]
        for ax, name in ((left, "sprites"), (right, "static_mnist"))
    ]
    assert ink[0] == ink[1]


def test_a_data_set_alone_has_neither_name_nor_another_size(tmp_path):
    sprites_sweep(tmp_path / "one")
    mnist_sweep(tmp_path / "two", betas=[1.0])
    alone = plane(load_runs(tmp_path / "one"))
    both = plane(load_runs([tmp_path / "one", tmp_path / "two"]))
    assert "sprites" not in labels(alone)
    assert len(alone.axes) == 1
    assert both.get_figwidth() == 2 * alone.get_figwidth()


@pytest.mark.parametrize("draw", [plane, curves])
def test_a_data_set_without_a_finished_run_is_left_out_and_its_runs_named(tmp_path, draw):
    sprites_sweep(tmp_path, betas=[1.0])
    folders = mnist_sweep(tmp_path, betas=[1.0, 2.0])
    for folder in folders:
        edit(folder, status="interrupted", metrics={})
    with pytest.warns(RunWarning, match="left out, not finished") as caught:
        figure = draw(load_runs(tmp_path))
    assert len(caught) == 1
    assert all(f"{folder.name} (was interrupted)" in str(caught[0].message) for folder in folders)
    assert len(figure.axes) == (1 if draw is plane else 3)


def test_the_numbers_name_the_data_set_and_have_a_column_for_what_differs(tmp_path):
    sprites_decoders(tmp_path, betas=[1.0])
    mnist_sweep(tmp_path, betas=[1.0])
    runs = load_runs(tmp_path)
    rows, lines = plane_numbers(runs, split="test")
    asked = rows[rows["split"] == "test"]
    assert sorted(zip(asked["data"], asked["decoder"], strict=True)) == [
        ("sprites", "conv"),
        ("sprites", "linear"),
        ("sprites", "mlp"),
        ("static_mnist", "mlp"),
    ]
    assert set(lines["data"]) == {"sprites", "static_mnist"}
    assert set(curves_numbers(runs)["decoder"]) == {"conv", "linear", "mlp"}
    assert "encoder" not in rows


def test_settings_are_numbers_where_they_are(tmp_path):
    sprites_search(tmp_path, trials=2)
    runs = load_runs(tmp_path)
    found = add_settings(runs[["folder"]].drop_duplicates(), runs).sort_values("lr")
    assert found["lr"].tolist() == [1e-3, 1e-3 * (1 + 1 / 7)]
    assert found["hidden"].tolist() == ["[64]", "[512, 256]"]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"n": {"train": 100, "val": 3776, "test": 3776}}, ("n train 3776", "n train 100")),
        ({"shape": [256]}, ("shape [1, 16, 16]", "shape [256]")),
        ({"params": {"data_seed": 1}}, ("", "data seed 1")),
    ],
)
def test_a_data_set_is_its_sizes_shape_and_parameters_too(tmp_path, change, difference):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    assert list(data_sets(load_runs(tmp_path))) == ["sprites"]
    edit(folders[1], data=sprites_card() | change)
    named = [f"sprites, {words}" if words else "sprites" for words in difference]
    assert list(data_sets(load_runs(tmp_path))) == named


def test_data_sets_that_differ_beyond_what_a_name_holds_stay_apart(tmp_path):
    folders = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    for folder, last in zip(folders, (1, 2), strict=True):
        edit(folder, data=sprites_card() | {"params": {"eigenvalues": [0] * 99 + [last]}})
    found = data_sets(load_runs(tmp_path))
    assert len(found) == 2
    assert [rows["beta"].iloc[0] for rows in found.values()] == [1.0, 2.0]


def test_legend_entries_fill_rows_from_the_left_and_long_ones_stand_below_each_other():
    short = packed([8 * name for name in "abcdefg"], width=64)
    assert (short.columns, short.lines) == (4, 2)
    assert short.places == (0, 4, 1, 5, 2, 6, 3, None)  # column by column
    mixed = packed([30 * "a", 4 * "b", 30 * "c", 4 * "d"], width=54)
    assert (mixed.columns, mixed.lines, mixed.places) == (2, 2, (0, 2, 1, 3))
    broken = packed(["one two three four five six seven eight"], width=26)
    assert broken.lines == broken.labels[0].count("\n") + 1 == 2


NETWORK = {"class": "ConvVAE", "fingerprint": "aa" * 32}


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ([NETWORK, NETWORK | {"class": "FlatVAE"}], ("networks ConvVAE", "networks FlatVAE")),
        ([NETWORK, NETWORK | {"fingerprint": "bb" * 32}], ("networks ConvVAE aaaaaa", "networks ConvVAE bbbbbb")),
        ([NETWORK, NETWORK], ("",)),
        ([NETWORK, None], ("networks ConvVAE", "networks by flags")),
    ],
)
def test_networks_from_python_are_told_by_class_and_where_that_is_one_by_six_digits(tmp_path, networks, words):
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    for seed, network in enumerate(networks):
        model = {"is_own": network is not None, "network": network or NETWORK}
        write_run(tmp_path, card=sprites_card(), beta=1.0, seed=seed, points=points, model=model)
    runs = load_runs(tmp_path)
    assert group_runs(runs).labels == words
    assert [name for name in table_numbers(runs, split="test") if name == "networks"] == ["networks"] * (len(words) > 1)
    plane(runs)


def test_units_of_z_that_differ_under_one_flag_make_groups(tmp_path):
    points = dict.fromkeys(SPLITS, sprites_point(1.0))
    for seed, units in enumerate((2, 8)):
        model = {"is_own": True, "latent_dim": units}
        write_run(tmp_path, card=sprites_card(), beta=1.0, seed=seed, points=points, model=model)
    assert group_runs(load_runs(tmp_path)).labels == ("latent dim 2", "latent dim 8")


def own_card(content, /, **facts):
    return mnist_card() | {"name": "mine", "content": content, "is_own": True, "levels": 2} | facts


def own_run(root, card, *, beta=1.0, seed=0):
    return write_run(root, card=card, beta=beta, seed=seed, points=mnist_points(beta))


A, B = "ab" * 32, "cd" * 32


def test_two_sources_of_one_name_have_tables_of_their_own_and_no_h_in_common(tmp_path):
    """The better run, whose D + R would pass for H, is on other pixels."""
    own_run(tmp_path / "a", own_card(A))
    own_run(tmp_path / "b", own_card(B), beta=4.0)
    found = data_sets(load_runs(tmp_path))
    assert list(found) == ["mine ababab", "mine cdcdcd"]
    for rows in found.values():
        rows = add_bounds(rows, split="test").query("split == 'test'")
        assert rows["h_minus_d"].isna().all()  # Each is the run of its own estimate.


@pytest.mark.parametrize("change", [{"params": {"file": "moved.npz"}}, {"is_own": False}, {"params": {}}])
def test_the_same_pixels_elsewhere_are_the_same_data_and_what_differs_is_seen(tmp_path, change):
    card = own_card(A, params={"file": "own.npz"})
    own_run(tmp_path, card)
    folder = own_run(tmp_path, card, beta=4.0)
    edit(folder, data=card | change)
    edit_config(folder, lr=0.5)
    runs = load_runs(tmp_path)
    assert list(data_sets(runs)) == ["mine own.npz ababab"]
    assert varying(runs) == ["lr"]


@pytest.mark.parametrize(("contents", "sets"), [([A], 1), ([A, B], 3), ([], 1)])
def test_a_record_without_content_joins_the_only_namesake_there_is(tmp_path, contents, sets):
    older = {key: value for key, value in own_card(None).items() if key not in ("content", "is_own", "levels")}
    for seed, card in enumerate([older, *(own_card(content) for content in contents)]):
        own_run(tmp_path / str(seed), card, seed=seed)
    assert len(data_sets(load_runs(tmp_path))) == sets


def test_a_record_without_content_that_differs_in_more_stays_apart(tmp_path):
    own_run(tmp_path / "a", own_card(A))
    own_run(tmp_path / "b", own_card(None, shape=[1, 14, 56]), seed=1)
    assert len(data_sets(load_runs(tmp_path))) == 2


def test_one_content_read_in_two_ways_is_two_data_sets(tmp_path):
    own_run(tmp_path / "a", own_card(A, levels=17))
    own_run(tmp_path / "b", own_card(A, levels=256), seed=1)
    assert list(data_sets(load_runs(tmp_path))) == ["mine ababab, levels 17", "mine ababab, levels 256"]


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"params": {"file": "own.npz"}, "name": "npz"}, "npz own.npz ababab"),
        ({"params": {"file": "photos"}, "name": "image_folder"}, "image_folder photos ababab"),
        ({}, "mine ababab"),
        ({"name": "static_mnist", "is_own": False}, "static_mnist"),
        ({"content": None, "is_own": False, "name": "npz", "params": {"sha256_pixels": B}}, "npz cdcdcd"),
    ],
)
def test_own_data_are_called_by_their_file_and_six_digits(tmp_path, facts, name):
    own_run(tmp_path, own_card(A, **facts))
    assert list(data_sets(load_runs(tmp_path))) == [name]
    assert table(load_runs(tmp_path)).startswith(f"**{name}** (train")


def test_a_size_that_a_card_gives_twice_is_named_once():
    cards = [{"name": "s", "n": {"test": n}, "params": {"n_test": n}} for n in (5, 6)]
    assert [_name(card, cards) for card in cards] == ["s, n test 5", "s, n test 6"]
