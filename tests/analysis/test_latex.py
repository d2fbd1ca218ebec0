"""Tables in LaTeX: what is said once, what fits a page, and that LaTeX itself has nothing to say of them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from analysis import load_runs
from analysis.figures.booktabs import MOST_ROWS, booktabs
from analysis.figures.cells import Table
from analysis.figures.table import table

from helpers.fake_records import gaussian_sweep, mnist_sweep, sprites_decoders, sprites_sweep

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,longtable}
\begin{document}
\input{table.tex}
\end{document}
"""
EXACT = 3.0  # points: the hairline by which letters of other widths than estimated pass a page that they were to fit


def of(**cells):
    return booktabs(Table("a", "nats.", cells, {}, ""))


def test_a_column_of_one_value_is_said_once():
    text = of(D=["1", "2"], n=["64", "64"])
    assert r"\caption{a nats. All rows: n 64.}" in text
    assert r"\begin{tabular}{r}" in text
    assert r"\caption{a nats.}" in of(D=["1"], n=["64"])  # Of one row all columns have one value.
    assert r"\begin{tabular}{rr}" in of(D=["1", "1"], n=["64", "64"])


def test_letters_are_as_small_as_the_page_asks_and_a_comment_says_where_that_is_too_little():
    narrow, wide, wider = (of(**{f"c{i}": ["123456 ± 0.12", "1"] for i in range(count)}) for count in (2, 7, 20))
    assert "tabcolsep" not in narrow
    assert re.search(r"\\(small|footnotesize|scriptsize)\n", wide)
    assert not wide.startswith("%")
    assert re.match(r"% About \d+ pt wide, more than a page", wider)


def test_errors_that_are_those_of_d_are_said_once_where_the_table_would_be_wider_than_a_page():
    """As of a source that is known whole, whose R has no error."""
    own = {"D": ["1.25 ± 0.12", "3.50 ± 0.34"], "D + R": ["2.25 ± 0.12", "9.50 ± 0.34"], "I": ["1.0 ± 0.1", "2 ± 0.34"]}
    many = {f"c{i}": ["12345678901234", "1"] for i in range(5)}
    assert r"2.25$_{\pm 0.12}$" in of(**own)
    text = of(**own, **many)
    assert "nats. Standard errors of D + R: those of D." in text
    assert r" & 2.25 & " in text
    assert r"1.25$_{\pm 0.12}$ & " in text
    assert r"2$_{\pm 0.34}$" in text
    assert "Standard errors" not in of(**{name: own[name] for name in ("D", "I")}, **many, c9=["12345678901", "1"])


def test_many_rows_go_over_pages_under_the_same_names():
    rows = list(map(str, range(MOST_ROWS + 1)))
    assert r"\begin{longtable}{r}" in of(D=rows)
    assert of(D=rows).count("$D$") == 2
    assert r"\begin{table}" in of(D=rows[1:])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kpsewhich") is None, reason="there is no LaTeX")
def test_latex_takes_every_table_and_none_is_wider_than_it_says(tmp_path):
    for package in ("booktabs.sty", "longtable.sty"):
        if subprocess.run(["kpsewhich", package], capture_output=True, check=False).returncode:
            pytest.skip(f"this LaTeX has no {package}")
    gaussian_sweep(tmp_path / "runs")
    sprites_decoders(tmp_path / "runs")
    mnist_sweep(tmp_path / "runs", nll=True)
    sprites_sweep(tmp_path / "long", seeds=range(6))
    for sweep in ("runs", "long"):
        text = table(load_runs(tmp_path / sweep), suffix=".tex")
        (tmp_path / "table.tex").write_text(text)
        (tmp_path / "document.tex").write_text(DOCUMENT)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
        for _ in range(2):  # A longtable needs to know how wide it was.
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-2000:]
        assert not re.search(r"LaTeX Warning: (?!.*[Rr]erun)|Missing character", done.stdout), done.stdout
        over = [float(found) for found in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
        assert (max(over, default=0.0) <= EXACT) or "% About" in text
