"""The gallery: a short script for each figure, whose command is one of ours, and a page that shows them all."""

import shlex

import pytest

from analysis.__main__ import parser
from analysis.figures.kinds import FIGURES

from helpers.common import ROOT

GALLERY = ROOT / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("*.sh"))
MADE = {"runs/gallery_digits", "runs/gallery_sprites", "runs/gallery_ways"}


def test_every_figure_has_its_script():
    assert {script.stem for script in SCRIPTS} >= set(FIGURES)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_a_command_on_runs_that_make_figures_makes(script):
    said, *rest = script.read_text().splitlines()
    commands = [line for line in rest if not line.startswith("# ")]
    assert said.startswith("# ")
    assert len(rest) < 29
    for command in commands:
        python, module, name, *words = shlex.split(command)
        assert (python, module, name) == ("python", "-m", "analysis")
        options = parser().parse_args(words)
        assert set(map(str, options.runs)) <= MADE
        assert (options.command, options.out.parts[:2]) == (script.stem, ("figures", "gallery"))


def test_the_page_has_every_command_and_its_thumbnail():
    page = (GALLERY / "README.md").read_text()
    for script in SCRIPTS:
        lines = script.read_text().splitlines()
        assert all(f"\n{line[2:]}\n" in page for line in lines if line.startswith("# "))
        assert f"```bash\n{lines[-1]}\n```" in page
        if f"({script.stem}.png)" in page:
            assert (GALLERY / f"{script.stem}.png").stat().st_size < 200_000
