"""That figures fit their page and can be read with more, and longer words, than the tests of their marks have."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.text import Annotation

from analysis import curves, load_runs, plane
from analysis.figures.kinds import FIGURES
from analysis.marks.plane import FEW, MOST_LABELS, _spread
from analysis.rows.groups import group_runs
from analysis.style import COLUMN, beta_colours, beta_words
from analysis.theme import dark
from analysis.view import View
from vae_rd.run.record import SPLITS

from helpers.crowds import crowd, dequantised, long_groups, own_files, random_betas, searched, taken_by
from helpers.fake_records import mnist_sweep, sprites_card, sprites_point, sprites_sweep, write_run
from helpers.pages import faults, layout_faults, said, shown_texts

PAGE = 9.6  # inches high
SEVERAL_SECONDS = ("plane", "curves", "decomposition", "information")  # what these figures of long names take


@pytest.mark.parametrize("draw", [plane, curves])
@pytest.mark.parametrize("n", [1, 24, *(pytest.param(n, marks=pytest.mark.slow) for n in (6, 60, 200))])
def test_any_number_of_random_betas_fits_the_page(tmp_path, n, draw):
    sprites_sweep(tmp_path, betas=random_betas(n))
    figure = draw(load_runs(tmp_path))
    assert not faults(figure)
    assert figure.get_figwidth() == COLUMN
    assert figure.get_figheight() < PAGE


@pytest.mark.parametrize("draw", [plane, curves])
@pytest.mark.parametrize("make", [pytest.param(long_groups, marks=pytest.mark.slow), searched, dequantised])
@pytest.mark.parametrize("units", ["bits_per_dim", pytest.param("nats", marks=pytest.mark.slow)])
def test_long_words_fit_the_page(tmp_path, make, draw, units):
    make(tmp_path)
    assert not faults(draw(load_runs(tmp_path, units=units)))


@pytest.mark.parametrize("draw", [plane, curves])
@pytest.mark.parametrize("sets", [5, pytest.param(26, marks=pytest.mark.slow)])
def test_many_data_sets_in_one_call_stand_clear_of_each_other(tmp_path, sets, draw):
    own_files(tmp_path, sets=sets)
    figure = draw(load_runs(tmp_path))
    assert not faults(figure)
    heads = [" ".join(head.split()) for ax in figure.axes if (head := ax.get_title(loc="left"))]
    assert sorted(heads) == sorted(f"npz measurements_of_...ned_final.npz {f'{i:02x}' * 3}" for i in range(sets))
    columns = {round(ax.bbox.x0) for ax in figure.axes if ax.get_xlabel()}
    assert len(columns) == 2  # the axes of a column begin at one place


@pytest.mark.slow
def test_few_betas_are_named_at_the_ends_of_their_curves_and_many_by_a_bar_with_a_field_for_each(tmp_path):
    for n, place in ((7, "few"), (60, "many")):
        sprites_sweep(tmp_path / place, betas=random_betas(n))
    few, many = (curves(load_runs(tmp_path / place)) for place in ("few", "many"))
    words = beta_words(random_betas(7)).values()
    named = [t.get_text().removeprefix(r"$\beta$ = ") for t in few.findobj(Annotation)]
    assert sorted(word for word in named if word in words) == sorted(words)
    assert len(few.axes) == 3
    [bar] = many.axes[3:]
    drawn = next(artist for artist in bar.collections if artist.get_array() is not None)
    colours = drawn.cmap(drawn.norm(drawn.get_array())).reshape(60, 4)
    assert colours == pytest.approx(np.array(list(beta_colours(random_betas(60)).values())))
    shown = {text.get_text() for text in bar.get_xticklabels()}
    betas = random_betas(60)
    assert {f"{betas[0]:.3g}", f"{betas[-1]:.3g}"} <= shown


@pytest.mark.parametrize("n", [MOST_LABELS + 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (MOST_LABELS, 40))])
def test_of_many_betas_a_few_are_labelled_the_ends_among_them_and_a_bar_has_all(tmp_path, n):
    betas = random_betas(n)
    sprites_sweep(tmp_path, betas=betas)
    figure = plane(load_runs(tmp_path))
    assert bool(figure.axes[0].child_axes) == (n > MOST_LABELS)
    labels = [t.get_text().removeprefix(r"$\beta$ = ") for t in shown_texts(figure) if isinstance(t, Annotation)]
    found = [float(label) for label in labels if label.replace(".", "", 1).isdigit()]
    assert len(found) == (n if n <= MOST_LABELS else FEW)
    for end in (betas[0], betas[-1]):
        assert any(label == pytest.approx(end, rel=5e-3) for label in found)
    assert not faults(figure)


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """The runs of each crowd that is asked for, made once."""
    made = {}

    def runs_of(name):
        if name not in made:
            made[name] = load_runs(crowd(name, tmp_path_factory.mktemp("crowd")))
        return made[name]

    return runs_of


@pytest.mark.filterwarnings("ignore:.*left out")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SEVERAL_SECONDS else name for name in FIGURES]
)
def test_every_figure_of_long_names_can_be_read_and_its_legends_cost_an_eighth_at_most(crowds, name):
    figure = FIGURES[name].load().draw(taken_by(name, crowds("long names")), View())
    assert not layout_faults(figure)
    assert not layout_faults(dark(figure))


SAMPLE = [
    *(("14 runs", venue, columns) for venue, columns in (("", 1), ("icml", 1), ("tmlr", 2))),
    *((name, "", 1) for name in ("1 runs", "2 runs", "ten fields", "one beta", "equal points", "dequantised")),
    ("long names", "neurips", 1),
    ("long names", "icml", 2),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*left out")
@pytest.mark.parametrize(("some", "venue", "columns"), SAMPLE)
def test_a_sample_of_crowds_and_venues_can_be_read_in_every_figure(crowds, some, venue, columns):
    """`benchmarks/layout.py` has all of them."""
    for name, kind in FIGURES.items():
        figure = kind.load().draw(taken_by(name, crowds(some)), View(venue=venue, columns=columns))
        assert not layout_faults(figure), name


@pytest.mark.filterwarnings("ignore:.*left out")
@pytest.mark.parametrize(
    ("name", "some", "venue"),
    [
        ("beta", "5 runs", "tmlr"),  # where the number of ticks went to and fro between passes of the layout
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("samples", "dequantised", "iclr"),  # a title as long as the images, of several lines
                ("latents", "long names", "jmlr"),  # a title of five lines with formulas
                ("collapse", "60 runs", ""),  # betas of many digits beside each other
            )
        ),
    ],
)
def test_what_touched_in_one_venue_stands_apart(crowds, name, some, venue):
    assert not layout_faults(FIGURES[name].load().draw(crowds(some), View(venue=venue)))


def test_groups_that_find_no_room_have_letters_that_the_caption_explains(crowds):
    runs = crowds("long names")
    figure = curves(runs)
    caption = str(figure.get_label()).splitlines()
    labels = group_runs(runs).labels
    assert caption == [f"{letter}: {label}" for letter, label in zip("abcd", labels, strict=True)]
    texts = said(figure).split(" | ")
    assert {"groups: a", "b", "c", "d"} <= set(texts)
    assert not any("0.00123456" in text for text in texts)


@pytest.mark.parametrize(("excess", "beside"), [(1.0, False), (20.0, True)])
def test_groups_are_named_beside_their_lines_only_where_these_lie_apart(tmp_path, excess, beside):
    """Between or next to two lines that lie close, a reader cannot tell which of them a name belongs to."""
    for decoder, more in (("conv", 0.0), ("mlp", excess)):
        sprites_sweep(tmp_path, betas=[1.0, 10.0], decoder=decoder, excess=more)
    [ax] = plane(load_runs(tmp_path)).axes
    for words, is_there in ((ax.texts, beside), (ax.get_legend().get_texts(), not beside)):
        found = {text.get_text() for text in words}
        assert {"decoder conv", "decoder mlp"} & found == ({"decoder conv", "decoder mlp"} if is_there else set())


@pytest.mark.parametrize("make", [sprites_sweep, mnist_sweep])
def test_a_plane_in_a_column_is_three_inches_high(tmp_path, make):
    make(tmp_path)
    figure = plane(load_runs(tmp_path))
    assert not layout_faults(figure)
    assert 2.4 <= figure.get_figheight() <= 3.2


def test_a_bound_on_the_elbo_is_named_beside_its_line_and_costs_its_panel_no_legend(tmp_path):
    sprites_sweep(tmp_path, betas=[0.5, 1.0, 4.0])
    bottom = curves(load_runs(tmp_path)).axes[2]
    assert bottom.get_legend() is None
    assert any(text.get_text().startswith("$-H$ of val") for text in bottom.texts)


def test_runs_that_are_equal_or_one_alone_stand_clear(tmp_path):
    for seed in range(3):
        points = dict.fromkeys(SPLITS, sprites_point(1.0))
        write_run(tmp_path, card=sprites_card(), beta=1.0, seed=seed, points=points)
    assert not faults(plane(load_runs(tmp_path)))


def test_the_labels_spread_over_all_betas_the_ends_first():
    assert _spread(9, 5) == [0, 8, 4, 2, 6]
    assert sorted(_spread(200, 13)) == np.linspace(0, 199, 13).round().astype(int).tolist()


def epochs_of(tmp_path, epochs, **fields):
    for beta in (1.0, 4.0):
        points = dict.fromkeys(SPLITS, sprites_point(beta))
        write_run(tmp_path, card=sprites_card(), beta=beta, points=points, epochs=epochs, warmup=0, **fields)
    return load_runs(tmp_path)


def seen(ax, split_style):
    """How many epochs of each line of a split lie within the axes."""
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    lines = [line for line in ax.lines if line.get_linestyle() == split_style and len(line.get_xdata())]
    places = [line.get_xydata() for line in lines]
    return [int(((p >= (x0, y0)) & (p <= (x1, y1))).all(1).sum()) for p in places]


@pytest.mark.parametrize(("epochs", "hidden"), [(1, 0), (2, 0), (3, 0), (9, 0), (10, 1), (40, 4)])
def test_no_more_than_the_first_tenth_of_the_epochs_may_leave_the_axes(tmp_path, epochs, hidden):
    figure = curves(epochs_of(tmp_path, epochs, kept_epoch=epochs - 1))
    for ax in figure.axes[:2]:
        assert min(seen(ax, "--")) >= epochs - hidden
    assert not faults(figure)


def test_a_short_run_beside_a_long_one_is_not_hidden(tmp_path):
    epochs_of(tmp_path / "long", 100)
    epochs_of(tmp_path / "short", 5, kept_epoch=3, seed=1)
    assert sorted(seen(curves(load_runs(tmp_path)).axes[0], "--"))[:2] == [5, 5]


def test_one_epoch_is_a_mark_that_the_legend_explains_over_whole_epochs(tmp_path):
    figure = curves(epochs_of(tmp_path, 1, kept_epoch=0))
    for ax in figure.axes:
        marks = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
        assert len(marks) == 2  # train; val was never measured
    [train] = [h for h in figure.axes[0].get_legend().legend_handles if h.get_label() == "train"]
    assert train.get_marker() == "o"
    low, high = figure.axes[-1].get_xlim()
    assert [tick for tick in figure.axes[-1].get_xticks() if low <= tick <= high] == [0.0]


@pytest.mark.parametrize(
    ("betas", "words"),
    [
        ([0.0317846], ["0.0318"]),
        ([4.83759, 4.84012], ["4.838", "4.84"]),
        ([1.0, 1.0000001], ["1", "1.0000001"]),
        ([0.0, 0.25, 1000.0], ["0", "0.25", "1000"]),
        ([12345.678], ["12345.7"]),
        ([1.23457e-05], ["1.23e-05"]),
        ([1e39], ["1e+39"]),
        ([], []),
    ],
)
def test_a_beta_has_the_digits_that_tell_it_from_the_others(betas, words):
    assert list(beta_words(betas).values()) == words


@pytest.mark.slow
def test_a_name_with_dollars_is_no_mathematics(tmp_path):
    own_files(tmp_path, sets=2)
    for path in tmp_path.glob("*/*/record.json"):
        record = json.loads(path.read_text())
        record["data"]["params"]["file"] = "cost_$x$.npz"
        path.write_text(json.dumps(record))
    for draw in (plane, curves):
        assert not faults(draw(load_runs(tmp_path)))
