"""Widths, letters and fonts of venues, from their style files, and the dark theme."""

from __future__ import annotations

import io
import logging
import math
import shutil
import subprocess
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis import load_runs, plane
from analysis.__main__ import main
from analysis.figures.kinds import FIGURES
from analysis.style import GREY, INK, PALE, STYLE, WARNING, beta_colours
from analysis.theme import PAPER, turned
from analysis.venues import KNOWN, first_installed, rc_of, width_of
from analysis.view import VENUES, View
from vae_rd.errors import InputError

from helpers.chains import chain
from helpers.colours import as_deuteranopes_see, contrast, difference
from helpers.crowds import crowd
from helpers.fake_records import sprites_sweep
from helpers.pages import faults

# TeX points of \columnwidth and \textwidth in each venue's style; 72.27 of them are an inch.
TEX = {
    "neurips": (397.485, 397.485),
    "icml": (234.8775, 487.8225),
    "iclr": (397.485, 397.485),
    "jmlr": (433.62, 433.62),
    "tmlr": (469.755, 469.755),
}


@pytest.mark.parametrize("venue", VENUES)
def test_widths_are_those_of_the_style_files(venue):
    widths = [width_of(View(venue=venue, columns=columns)) for columns in (1, 2)]
    assert widths == pytest.approx([points / 72.27 for points in TEX[venue]], abs=1e-3)
    assert min(rc_of(View(venue=venue))[name] for name in ("font.size", "legend.fontsize", "xtick.labelsize")) >= 7


def test_fonts_that_are_missing_are_passed_over_without_a_word(tmp_path, caplog):
    assert first_installed(("No Such Font", "STIXGeneral")) == "STIXGeneral"
    assert first_installed(("No Such Font", "Nor This One")) == "Nor This One"
    sprites_sweep(tmp_path, betas=[1.0])
    with caplog.at_level(logging.DEBUG, logger="matplotlib.font_manager"):
        figure = plane(load_runs(tmp_path), venue="neurips")
        with mpl.rc_context(STYLE):
            figure.savefig(out := io.BytesIO(), format="pdf")
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert b"/Type3" not in out.getvalue()
    assert out.getvalue().count(b"/FontFile2") >= 1  # TrueType, embedded: what is called Type 42
    assert figure.axes[0].xaxis.label.get_fontfamily()[0] in KNOWN["neurips"].fonts


@pytest.mark.parametrize("view", [{"venue": "nature"}, {"theme": "sepia"}])
def test_an_unknown_venue_or_theme_is_refused(tmp_path, view):
    sprites_sweep(tmp_path, betas=[1.0])
    with pytest.raises(InputError, match="is not known: take"):
        plane(load_runs(tmp_path), **view)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("venue", ["icml", *(pytest.param(v, marks=pytest.mark.slow) for v in VENUES if v != "icml")])
@pytest.mark.parametrize("columns", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_texts_are_legible_in_every_venue_and_theme(tmp_path, venue, theme, columns):
    sprites_sweep(tmp_path, betas=[0.5, 1.0, 4.0, 10.0])
    figure = plane(load_runs(tmp_path), venue=venue, theme=theme, columns=columns)
    assert figure.get_figwidth() == width_of(View(venue=venue, columns=columns))
    assert not faults(figure)


def test_dark_figures_keep_the_order_of_beta_and_stand_off_their_ground(tmp_path):
    colours = [turned(colour) for colour in beta_colours([0.01, 0.1, 1.0, 10.0, 100.0]).values()]
    assert min(contrast(colour, PAPER) for colour in (*colours, turned(INK), turned(GREY), turned(WARNING))) > 3
    luminance = [contrast(colour, "black") for colour in colours]
    assert luminance == sorted(luminance)
    assert contrast(turned(INK), turned(PALE)) > 7
    sprites_sweep(tmp_path, betas=[1.0, 4.0])
    light = plane(load_runs(tmp_path))
    texts = [text.get_text() for text in light.axes[0].texts]
    figure = plane(load_runs(tmp_path), theme="dark")
    assert to_rgb(light.get_facecolor()) == (1, 1, 1)
    assert to_rgb(figure.get_facecolor()) == to_rgb(PAPER)
    assert [text.get_text() for text in figure.axes[0].texts] == texts
    assert all(contrast(text.get_color(), PAPER) > 4.5 for text in figure.axes[0].texts)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdffonts"), reason="poppler-utils has pdffonts")
def test_the_pdf_of_every_figure_has_embedded_true_type_fonts_alone(tmp_path):
    root, ways = crowd("2 runs", tmp_path / "runs"), tmp_path / "ways"
    chain(ways, 0)
    for name in FIGURES:
        main([name, str(ways if name == "hysteresis" else root), "-o", str(out := tmp_path / f"{name}.pdf")])
        _, rule, *fonts = subprocess.run(
            ["pdffonts", out], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        kind, embedded = slice(37, 55), slice(len(rule) - len("--- --- --- ---------"), None)
        assert fonts, name
        assert {line[kind].strip() for line in fonts} <= {"CID TrueType", "TrueType"}, name
        assert {line[embedded].split()[0] for line in fonts} == {"yes"}, name


@pytest.mark.parametrize("theme", [lambda colour: colour, turned], ids=["light", "dark"])
def test_colours_that_mean_something_differ_to_deuteranopes(theme):
    """CIEDE2000, of which 2.3 is just seen: 5 at least between neighbours, 10 from the warning and the grey."""
    betas = beta_colours([0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0])
    seen = [as_deuteranopes_see(theme(colour)) for colour in betas.values()]
    for one, other in pairwise(seen):
        assert difference(one, other) > 5
    many = beta_colours(np.geomspace(0.03, 100, 40).tolist())
    anywhere = [*seen, *(as_deuteranopes_see(theme(colour)) for colour in many.values())]
    for named in (WARNING, GREY):
        assert min(difference(as_deuteranopes_see(theme(named)), colour) for colour in anywhere) > 10
    assert difference(as_deuteranopes_see(theme(WARNING)), as_deuteranopes_see(theme(GREY))) > 10
    assert difference(as_deuteranopes_see(theme(INK)), as_deuteranopes_see(theme(GREY))) > 20


def test_ciede2000_is_that_of_the_published_pairs():
    """Sharma, Wu and Dalal 2005, table 1: pairs 1, 7, 17 and 25 of Lab values."""
    from helpers.colours import ciede2000

    pairs = {
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485)): 2.0425,
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0)): 2.3669,
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5)): 4.3065,
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)): 1.2644,
    }
    for (one, other), expected in pairs.items():
        assert ciede2000(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
    assert math.isclose(contrast("white", "black"), 21.0, abs_tol=1e-4)
