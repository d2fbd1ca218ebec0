"""The command line of `python -m analysis`: files, formats, exit codes, one-line errors, and what is never imported."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.__main__ import main
from vae_rd.run.record import SPLITS

from helpers.common import ROOT
from helpers.fake_records import (
    impossible,
    mnist_sweep,
    sprites_card,
    sprites_decoders,
    sprites_point,
    sprites_search,
    sprites_sweep,
    write_run,
)

pypdf = pytest.importorskip("pypdf")


@pytest.fixture
def sweep(tmp_path):
    sprites_sweep(tmp_path / "runs", betas=[1.0, 4.0])
    return tmp_path / "runs"


def refused(capsys, *argv):
    """The one line on standard error of a command that must end with exit code 2."""
    assert main([str(a) for a in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def latent_dims(root):
    return [f for dim in (2, 4, 8, 16) for f in sprites_sweep(root, betas=[1.0, 4.0], latent_dim=dim)]


def two_data_sets(root):
    return [*sprites_sweep(root, betas=[1.0, 4.0]), *mnist_sweep(root, betas=[1.0, 4.0])]


def stopped_search(root):
    """A search of which every other run was stopped early."""
    folders = sprites_search(root)
    for path in (folder / "record.json" for folder in folders[1::2]):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted", "metrics": {}}))
    return folders[::2]


@pytest.mark.parametrize("command", ["plane", "curves", "table"])
@pytest.mark.parametrize(
    "make",
    [lambda root: sprites_sweep(root, seeds=[0, 1]), latent_dims, sprites_decoders, two_data_sets, stopped_search],
    ids=["beta_seed", "latent_dim_beta", "decoder_beta", "data_beta", "search"],
)
def test_a_sweep_needs_its_folder_alone_and_its_csv_has_every_finished_run(tmp_path, capsys, make, command):
    finished = make(tmp_path / "runs")
    numbers = tmp_path / f"{command}.csv"
    out = numbers if command == "table" else numbers.with_suffix(".svg")
    assert main([command, str(tmp_path / "runs"), "-o", str(out)]) == 0
    assert capsys.readouterr().err.count("\n") == (make is stopped_search)
    with numbers.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["folder"] for row in rows} == {str(folder) for folder in finished}
    assert not {"config", "card", "made"} & set(rows[0])


@pytest.mark.parametrize("command", ["plane", "curves"])
@pytest.mark.parametrize(("suffix", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_and_its_numbers_are_written_and_named(sweep, tmp_path, capsys, command, suffix, magic):
    out = tmp_path / "new" / f"{command}.{suffix}"
    assert main([command, str(sweep), "-o", str(out)]) == 0
    printed = capsys.readouterr()
    tables = ["plane.csv", "plane-lines.csv"] if command == "plane" else ["curves.csv"]
    tables.append(f"{command}.json")
    assert printed.out.splitlines() == [str(out), *(str(out.with_name(name)) for name in tables)]
    assert printed.err == ""
    assert out.read_bytes().startswith(magic)
    assert sorted(p.name for p in out.parent.iterdir()) == sorted([out.name, *tables])


def contents_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_numbers_of_a_figure_never_take_the_place_of_a_record(sweep, tmp_path, capsys):
    run = next(sweep.iterdir())
    before = contents_of(tmp_path)
    for command, out, lost in (
        ("plane", "record.png", "record.json"),
        ("frontier", "history.svg", "history.csv"),
        ("table", "history.csv", "history.csv"),
    ):
        assert f"would write over {run / lost}, which " in refused(capsys, command, sweep, "-o", run / out)
    assert contents_of(tmp_path) == before


def test_the_numbers_of_a_figure_never_take_the_place_of_published_ones(tmp_path, capsys, monkeypatch):
    mnist_sweep(tmp_path / "runs", betas=[1.0, 4.0])
    monkeypatch.chdir(tmp_path)
    Path("pub.csv").write_text("R,D\n25,69\n")
    said = "pub.csv:rate=R,distortion=D,data=static_mnist,likelihood=bernoulli"
    argv = ["plane", "runs", "--foreign", said, "-o", "pub.png"]
    assert refused(capsys, *argv) == (
        "error: -o pub.png: would write over pub.csv, which is read here; choose another name\n"
    )
    assert refused(capsys, "plane", "runs", "-o", "pub.png") == (
        "error: -o pub.png: would write over pub.csv, which no figure of that name left there; choose another name\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "pub.csv"}
    Path("pub.json").write_text('{"argv": ["plane"], "made_in": "."}')
    assert "which is read here" in refused(capsys, *argv)


def test_a_figure_is_made_again_and_in_other_formats_and_another_one_leaves_its_numbers(sweep, tmp_path, capsys):
    def made(command, name):
        return main([command, str(sweep), "-o", str(tmp_path / name)])

    assert [made("plane", "a.svg"), made("plane", "a.svg"), made("plane", "a.png")] == [0, 0, 0]
    before = contents_of(tmp_path)
    capsys.readouterr()
    assert f"a.csv, which belongs to {tmp_path / 'a.png'} (plane); choose" in refused(
        capsys, "beta", sweep, "-o", tmp_path / "a.svg"
    )
    assert "(plane); choose" in refused(capsys, "table", sweep, "-o", tmp_path / "a.csv")
    assert contents_of(tmp_path) == before
    assert made("table", "a.md") == 0
    (tmp_path / "a.png").unlink()
    assert made("beta", "a.svg") == 0  # The only figure of that name, which the user replaces.


def measured_on_val_alone(folder):
    path = folder / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"metrics": {"val": record["metrics"]["val"]}}))


@pytest.mark.parametrize("command", ["plane", "table", "frontier", "beta"])
def test_a_run_that_was_not_measured_on_the_split_is_named_and_left_out(tmp_path, capsys, command):
    runs, numbers = tmp_path / "runs", tmp_path / "a.csv"
    left_out = [sprites_sweep(runs, betas=[0.5, 1.0, 4.0])[1], mnist_sweep(runs, betas=[1.0])[0]]
    for folder in left_out:
        measured_on_val_alone(folder)
    assert main([command, str(runs), "-o", str(numbers if command == "table" else numbers.with_suffix(".svg"))]) == 0
    names = ", ".join(sorted(folder.name for folder in left_out))
    assert capsys.readouterr().err == f"warning: left out, no metrics on the test split: {names}\n"
    with numbers.open(newline="") as stream:
        assert {row["beta"] for row in csv.DictReader(stream)} == {"0.5", "4.0"}


def test_the_csv_holds_the_numbers_of_the_plane_with_full_precision(sweep, tmp_path, capsys):
    assert main(["plane", str(sweep), "-o", str(tmp_path / "plane.svg")]) == 0
    with (tmp_path / "plane.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["distortion"]) for row in rows] == [sprites_point(b).distortion for b in (1.0, 4.0)]
    assert {(row["split"], row["units"], row["h_kind"]) for row in rows} == {("test", "nats", "exact")}


def test_the_pdf_is_one_column_wide_with_embedded_true_type_fonts(sweep, tmp_path, capsys):
    assert main(["plane", str(sweep), "-o", str(tmp_path / "plane.pdf")]) == 0
    [page] = pypdf.PdfReader(tmp_path / "plane.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(3.4 * 72, abs=0.5)
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        [leaf] = [f.get_object() for f in font.get("/DescendantFonts", [font])]
        assert leaf["/Subtype"] in ("/CIDFontType2", "/TrueType")
        assert "/FontFile2" in leaf["/FontDescriptor"].get_object()


def test_the_same_runs_give_the_same_file_at_any_time(sweep, tmp_path, capsys, monkeypatch):
    made = []
    for now in ("1", "1000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)
        for suffix in ("pdf", "svg"):
            assert main(["plane", str(sweep), "-o", str(tmp_path / f"plane.{suffix}")]) == 0
        made.append([(tmp_path / f"plane.{suffix}").read_bytes() for suffix in ("pdf", "svg")])
    assert made[0] == made[1]


def test_a_table_goes_to_standard_output_markdown_or_csv(sweep, tmp_path, capsys):
    assert main(["table", str(sweep)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("**sprites**")
    assert main(["table", str(sweep), "-o", str(tmp_path / "table.md")]) == 0
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == printed
    assert main(["table", str(sweep), "-o", str(tmp_path / "table.csv")]) == 0
    with (tmp_path / "table.csv").open(newline="") as stream:
        assert [float(row["beta"]) for row in csv.DictReader(stream)] == [1.0, 4.0]


def test_quoted_globs_splits_and_units_are_understood(tmp_path, capsys):
    mnist_sweep(tmp_path, betas=[1.0, 2.0])
    assert main(["table", f"{tmp_path}/static*beta2*", "--split", "val", "--units", "bits"]) == 0
    printed = capsys.readouterr().out
    assert "val split, bits;" in printed
    assert printed.count("\n") == 5


def test_warnings_are_one_line_each_and_no_failure(sweep, tmp_path, capsys):
    path = next(sweep.iterdir()) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running", "metrics": {}}))
    points = dict.fromkeys(SPLITS, impossible(sprites_point(2.0)))
    write_run(sweep, card=sprites_card(), beta=2.0, points=points)
    for _ in range(2):  # the second time as well as the first
        assert main(["plane", str(sweep), "-o", str(tmp_path / "plane.svg")]) == 0
        err = capsys.readouterr().err.splitlines()
        assert len(err) == 2
        assert err[0].startswith("warning: left out, not finished: ")
        assert err[1].startswith("warning: impossible: sprites-beta2-seed0")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["plot"],
        ["plane"],
        ["plane", "nowhere"],
        ["plane", "RUNS", "-o", "OUT/plane.jpg"],
        ["plane", "RUNS", "-o", "OUT/plane"],
        ["table", "RUNS", "-o", "OUT/table.txt"],
        ["plane", "RUNS", "-o", "OUT/a.pdf", "--split", "all"],
        ["curves", "RUNS", "-o", "OUT/a.pdf", "--units", "bytes"],
        ["curves", "RUNS", "-o", "OUT/a.pdf", "--split", "test"],
        ["plane", "RUNS", "-o", "RUNS/sprites.txt/plane.pdf"],
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(sweep, tmp_path, capsys, argv):
    (sweep / "sprites.txt").write_text("a file where a folder should be")
    before = sorted(tmp_path.rglob("*"))
    refused(capsys, *(a.replace("RUNS", str(sweep)).replace("OUT", str(tmp_path / "out")) for a in argv))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["plane", "curves", "table"])
def test_a_damaged_record_costs_one_line_and_the_last_one_the_command(sweep, tmp_path, capsys, command):
    first, last = (folder / "record.json" for folder in sorted(sweep.iterdir()))
    first.write_text(first.read_text()[:100])
    out = tmp_path / f"{command}.{'csv' if command == 'table' else 'svg'}"
    assert main([command, str(sweep), "-o", str(out)]) == 0
    assert capsys.readouterr().err == f"warning: left out, cannot be read: {first.parent}: damaged, not JSON\n"
    before = out.read_bytes()
    last.write_text("{}")
    error = refused(capsys, command, sweep, "-o", out)
    assert str(first) in error
    assert str(last) in error
    assert out.read_bytes() == before


def test_a_failed_write_leaves_the_old_files_whole(sweep, tmp_path, capsys):
    out = tmp_path / "plane.pdf"
    out.write_bytes(b"old")
    (tmp_path / "plane.csv").mkdir()
    assert "plane.csv" in refused(capsys, "plane", sweep, "-o", out)
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plane.csv", "plane.pdf", "runs"]


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_nothing_heavy_is_imported_to_load_draw_and_tabulate(sweep):
    loaded = python(
        "import sys, analysis\n"
        f"runs = analysis.load_runs({str(sweep)!r})\n"
        "analysis.plane(runs), analysis.curves(runs), analysis.table(runs)\n"
        "print(sorted({'torch', 'lightning', 'wandb'} & set(sys.modules)))"
    )
    assert loaded.strip() == "[]"


def test_help_takes_under_a_second_and_loads_no_library():
    started = time.perf_counter()
    code = "import sys; from analysis.__main__ import main\ntry: main(['plane', '--help'])\n"
    shown = python(
        code + "except SystemExit as end: print(end.code, 'pandas' in sys.modules, 'matplotlib' in sys.modules)"
    )
    assert time.perf_counter() - started < 1
    assert shown.splitlines()[-1] == "0 False False"
    assert "--split" in shown


def shell(line: str, sweep: Path) -> tuple[int, str, str]:
    """Exit code of the analysis in a shell's line, where $A is its command, and what went to the two outputs."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    environment |= {"A": f"{sys.executable} -m analysis", "RUNS": str(sweep), "OUT": str(sweep.parent / "plane.pdf")}
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("line", ["$A table $RUNS | true", "$A --help | true", "$A plane $RUNS -o $OUT | true"])
def test_a_reader_who_leaves_is_no_failure(sweep, line):
    assert shell(line, sweep) == (0, "", "")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("$A table $RUNS > /dev/full", 1, "failed: standard output cannot be written (No space left on device)"),
        ("$A table $RUNS >&-", 1, "failed: standard output is closed"),
        ("$A table $RUNS -o /proc/none/t.md", 2, "error: -o /proc/none: cannot be written"),
        (
            "$A table $RUNS -o /dev/full/t.md",
            2,
            "error: -o /dev/full: cannot be written (File exists); give another place",
        ),
    ],
)
def test_a_sink_that_fails_is_one_line_and_a_code(sweep, line, code, said):
    found, out, err = shell(line, sweep)
    assert (found, out) == (code, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


@pytest.mark.parametrize("sink", ["2>/dev/full", "2>&-"])
def test_an_error_that_nobody_hears_has_its_code_and_goes_nowhere_else(sweep, sink):
    assert shell(f"$A table nowhere {sink}", sweep) == (2, "", "")


def test_without_a_place_for_caches_nothing_is_said_or_the_one_thing_to_do(sweep, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "/proc/none")
    code, out, err = shell("$A table $RUNS", sweep)
    assert (code, err) == (0, "")
    assert out.startswith("**sprites**")


def test_an_interrupt_is_one_line_and_its_code(sweep, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.rows.runs.load_runs", interrupted)
    assert main(["table", str(sweep)]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
