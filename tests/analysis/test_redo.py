"""The JSON beside a figure: what it says, the command within the file, and the figure made again from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from analysis.__main__ import main

from helpers.fake_records import sprites_sweep

pypdf = pytest.importorskip("pypdf")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with runs/ and, made from there, figures/plane.pdf."""
    sprites_sweep(tmp_path / "runs", betas=[1.0, 4.0])
    monkeypatch.chdir(tmp_path)
    assert main(["plane", "runs", "-o", "figures/plane.pdf", "--select", "beta < 4"]) == 0
    return tmp_path


def test_it_says_the_command_the_runs_and_the_versions(place):
    said = json.loads((place / "figures" / "plane.json").read_text())
    assert said["command"] == "python -m analysis plane runs -o figures/plane.pdf --select 'beta < 4'"
    [run] = said["runs"]
    record = place / run["folder"] / "record.json"
    assert run["record_sha256"] == hashlib.sha256(record.read_bytes()).hexdigest()
    assert run["version"] == json.loads(record.read_text())["version"]
    assert {"vae_rd", "python", "matplotlib", "numpy", "pandas"} == set(said["versions"])
    assert str(place) not in json.dumps(said)


def test_the_file_holds_its_command(place):
    subject = pypdf.PdfReader(place / "figures" / "plane.pdf").metadata["/Subject"]
    assert subject == "python -m analysis plane runs -o figures/plane.pdf --select 'beta < 4'"
    for suffix in ("svg", "png"):
        assert main(["plane", "runs", "-o", f"figures/plane.{suffix}"]) == 0
        assert (
            f"python -m analysis plane runs -o figures/plane.{suffix}".encode()
            in (place / "figures" / f"plane.{suffix}").read_bytes()
        )


def test_it_is_made_again_byte_for_byte_from_elsewhere(place, monkeypatch, tmp_path_factory, capsys):
    files = {p: p.read_bytes() for p in (place / "figures").iterdir()}
    for path in files:
        if path.suffix != ".json":
            path.unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    capsys.readouterr()
    assert main(["redo", str(place / "figures" / "plane.json")]) == 0
    assert capsys.readouterr().err == ""
    assert {p: p.read_bytes() for p in (place / "figures").iterdir()} == files


def test_it_says_which_runs_are_not_those_it_was_made_of(place, capsys):
    [kept] = json.loads((place / "figures" / "plane.json").read_text())["runs"]
    record = place / kept["folder"] / "record.json"
    record.write_text(record.read_text() + "\n")
    new = place / "runs" / "again"
    shutil.copytree(record.parent, new)
    (new / "record.json").write_text(record.read_text().replace(kept["name"], "again"))
    capsys.readouterr()
    assert main(["redo", "figures/plane.json"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"warning: not the runs it was made of: changed {kept['folder']}; new runs/again"


def test_a_report_is_made_again_byte_for_byte_and_says_with_what(place, monkeypatch, tmp_path_factory, capsys):
    pytest.importorskip("plotly")
    assert main(["report", "runs", "-o", "figures/report.html", "--split", "val"]) == 0
    page, account = place / "figures" / "report.html", place / "figures" / "report.json"
    said, before = json.loads(account.read_text()), page.read_bytes()
    assert said["command"] == "python -m analysis report runs -o figures/report.html --split val"
    assert [run["folder"] for run in said["runs"]] == [str(folder) for folder in sorted(Path("runs").iterdir())]
    assert {"vae_rd", "python", "plotly", "numpy", "pandas"} == set(said["versions"])
    page.unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    capsys.readouterr()
    assert main(["redo", str(account)]) == 0
    assert (page.read_bytes(), capsys.readouterr().err) == (before, "")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"argv": ["redo", "a.json"], "made_in": "..", "runs": []}'])
def test_what_is_no_account_of_a_figure_is_refused(place, content, capsys):
    other = place / "figures" / "other.json"
    other.write_text(content)
    capsys.readouterr()
    assert main(["redo", str(other)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
