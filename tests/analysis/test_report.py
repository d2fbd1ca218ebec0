"""What a report holds: the rows of the plane and the table, each run's details, and nothing that needs a network."""

from __future__ import annotations

import base64
import json
import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from analysis import load_runs
from analysis.__main__ import main
from analysis.figures.plane import plane_numbers
from analysis.figures.table import table, table_numbers
from analysis.report.contents import contents
from analysis.report.details import MOST_EPOCHS
from analysis.report.pictures import PNG, TOTAL, share_of
from analysis.rows.groups import group_runs
from analysis.statistics.frontiers import frontiers
from vae_rd.run.record import RunRecord

from helpers.common import ROOT
from helpers.fake_records import (
    LATENT_DIM,
    SPRITES_H,
    gaussian_sweep,
    impossible,
    mnist_sweep,
    sprites_card,
    sprites_point,
    sprites_sweep,
    write_run,
)

pytest.importorskip("plotly")


@pytest.fixture
def sweep(tmp_path):
    return sprites_sweep(tmp_path / "runs", betas=[0.5, 4.0])


def held(path):
    """The data that a page holds."""
    text = path.read_text(encoding="utf-8")
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def of(folders, **asked):
    [data_set] = contents(load_runs(folders), split="test", command="", **asked)["dataSets"]
    return data_set


def test_the_page_is_one_file_that_says_how_it_was_made_and_is_the_same_again(sweep, tmp_path, capsys):
    out = tmp_path / "out" / "report.html"
    for _ in range(2):
        assert main(["report", str(tmp_path / "runs"), "-o", str(out)]) == 0
        assert capsys.readouterr().out == f"{out}\n{out.with_suffix('.json')}\n"
        if _ == 0:
            first = out.read_bytes()
    assert out.read_bytes() == first
    assert sorted(path.name for path in out.parent.iterdir()) == ["report.html", "report.json"]
    assert held(out)["command"] == f"python -m analysis report {tmp_path / 'runs'} -o {out}"


def test_nothing_in_the_page_leads_elsewhere(sweep, tmp_path):
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "runs"), "-o", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    own = re.sub(r"<script>/\*\*\n\* plotly.*?</script>", "", text, flags=re.DOTALL)
    assert len(own) < len(text) - 1_000_000
    assert not re.search(r"https?://|\bsrc=\"(?!data:)|@import|\burl\(", own)
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'', text)


def test_no_text_of_a_run_ends_the_block_of_data(tmp_path):
    name = "</script><script>alert(1)</script>"
    write_run(
        tmp_path / "runs",
        card=sprites_card(),
        beta=1.0,
        points=dict.fromkeys(("train", "val", "test"), sprites_point(1.0)),
        command=name,
    )
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "runs"), "-o", str(out)]) == 0
    assert held(out)["dataSets"][0]["runs"][0]["command"] == name
    assert name not in out.read_text(encoding="utf-8")


def test_its_numbers_are_those_of_the_plane_and_the_table(sweep):
    runs, found = load_runs(sweep), of(sweep)
    points = plane_numbers(runs, split="test")[0]
    points = points[points["split"] == "test"].set_index("folder")
    rows = table_numbers(runs, split="test")
    numbers = pd.DataFrame(found["numbers"])
    assert numbers["folder"].tolist() == rows["folder"].tolist()
    for name in ("distortion", "rate", "h_minus_d", "mutual_information_lower"):
        assert numbers[name].tolist() == points.loc[numbers["folder"], name].tolist() == rows[name].tolist()
    lines = [line.split("|")[1:-1] for line in table(runs, split="test").splitlines() if line.startswith("|")]
    assert [*found["cells"]] == [name.strip() for name in lines[0]]
    assert list(zip(*found["cells"].values(), strict=True)) == [
        tuple(cell.strip(" *") for cell in line) for line in lines[2:]
    ]


def test_the_line_of_a_known_entropy_is_d_plus_r_equal_h(sweep):
    [line] = of(sweep)["shapes"]
    assert (line["line"], line["kind"]) == ("D + R = H", "exact")
    assert [r + d for r, d in zip(line["rate"], line["distortion"], strict=True)] == pytest.approx([SPRITES_H] * 2)


def test_bounds_and_curves_of_a_known_source_are_shapes(tmp_path):
    folders = gaussian_sweep(tmp_path / "runs")
    assert "Shannon's R(D)" in {shape["line"] for shape in of(folders)["shapes"]}


def test_units_and_split_are_obeyed(tmp_path):
    folders = sprites_sweep(tmp_path / "runs", betas=[1.0])
    inside = of(folders)
    [outside] = contents(load_runs(folders, units="bits"), split="train", command="")["dataSets"]
    record = RunRecord.read(folders[0])
    rate = record.metrics["train"]["rate"]["value"] / math.log(2)
    assert outside["numbers"]["rate"] == [pytest.approx(rate)]
    assert outside["runs"][0]["metrics"]["splits"][0] == "train"
    assert outside["runs"][0]["units"]["rate"] == pytest.approx([rate / LATENT_DIM] * LATENT_DIM, rel=1e-5)
    assert inside["runs"][0]["units"]["rate"] == pytest.approx([rate * math.log(2) / LATENT_DIM] * LATENT_DIM, rel=1e-5)


def test_data_sets_share_no_plane(tmp_path):
    folders = [*sprites_sweep(tmp_path / "a", betas=[1.0]), *mnist_sweep(tmp_path / "b", betas=[1.0, 2.0])]
    found = contents(load_runs(folders), split="test", command="")["dataSets"]
    assert [(data["name"], len(data["runs"])) for data in found] == [("sprites", 1), ("static_mnist", 2)]


def test_fields_that_differ_can_be_filtered_by(tmp_path):
    root = tmp_path / "runs"
    folders = [f for dim in (2, 8) for f in sprites_sweep(root, betas=[1.0, 4.0], latent_dim=dim)]
    found = of(folders)
    assert found["fields"][0] == "latent_dim"
    assert sorted(found["numbers"]["latent_dim"]) == [2, 2, 8, 8]
    assert sorted(found["group"]) == [0, 0, 1, 1]


def test_undefined_is_null_and_an_impossible_point_is_said_to_be(tmp_path):
    points = dict.fromkeys(("train", "val", "test"), impossible(sprites_point(2.0)))
    folder = write_run(tmp_path / "runs", card=sprites_card(), beta=2.0, points=points)
    with pytest.warns(UserWarning, match="impossible"):
        found = of([folder])
    assert found["numbers"]["nll"] == [None]
    assert "is below H" in found["numbers"]["impossible"][0]


def test_a_run_is_told_with_its_command_verdicts_and_settings(sweep):
    run, record = of(sweep)["runs"][0], RunRecord.read(sweep[0])
    assert run["command"] == record.command
    assert run["verdict"] == "not collapsed"
    assert run["verdicts"][0].startswith("not collapsed: test rate ")
    assert ["latent_dim", str(LATENT_DIM)] in run["settings"]


def test_curves_are_those_of_the_history_and_keep_the_epoch_that_was_kept(sweep):
    curves = of(sweep)["runs"][0]["curves"]
    history = pd.read_csv(sweep[0] / "history.csv")
    assert (curves["every"], curves["kept"]) == (1, 27)
    assert curves["train"]["epoch"] == history["epoch"].tolist()
    assert curves["train"]["distortion"] == pytest.approx(history["train/distortion"].tolist(), rel=1e-5)
    assert curves["val"]["rate"] == pytest.approx(history["val/rate"].dropna().tolist(), rel=1e-5)


def test_a_long_history_is_thinned(tmp_path):
    points = dict.fromkeys(("train", "val", "test"), sprites_point(1.0))
    folder = write_run(tmp_path / "runs", card=sprites_card(), beta=1.0, points=points, epochs=1000, kept_epoch=333)
    curves = of([folder])["runs"][0]["curves"]
    assert curves["every"] == 4
    assert len(curves["train"]["epoch"]) <= MOST_EPOCHS
    assert {0, 333, 999} <= set(curves["train"]["epoch"])


def test_a_run_without_its_history_is_shown_without_curves(sweep):
    (sweep[0] / "history.csv").unlink()
    with pytest.warns(UserWarning, match=r"left out, no history: .*beta0\.5"):
        runs = of(sweep)["runs"]
    assert [run["curves"] is None for run in runs] == [True, False]


def test_a_run_whose_verdicts_are_damaged_is_shown_with_its_numbers(sweep):
    path = sweep[0] / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdicts": {"collapse": {"state": "healthy"}}}))
    with pytest.warns(UserWarning, match=r"left out, damaged details: .*beta0\.5"):
        run = of(sweep)["runs"][0]
    assert (run["verdict"], run["verdicts"], run["units"]) == ("not judged", [], None)
    assert run["metrics"]["lines"][0][0] == "D"
    assert run["curves"]["kept"] == 27


def test_the_frontier_is_that_of_the_figure(tmp_path):
    runs = load_runs(sprites_sweep(tmp_path / "runs", betas=[0.5, 1.0, 4.0], seeds=[0, 1]))
    [one] = contents(runs, split="test", command="")["dataSets"][0]["frontiers"]
    [same] = frontiers(runs, group_runs(runs), split="test", chosen_on="val")
    assert (one["beta"], one["seeds"], one["front"]) == ([0.5, 1.0, 4.0], [2, 2, 2], same.points["front"].tolist())
    assert one["rate"] == same.points["rate"].tolist()
    means = runs[runs["split"] == "test"].groupby("beta")["rate"].mean()
    assert one["rate"] == pytest.approx(means.tolist())
    assert one["curve"]["rate"][0] == pytest.approx(means[np.array(one["front"])].min())


def with_media(folder, sizes):
    """A media folder with a picture of so many bytes for each kind and epoch."""
    (folder / "media").mkdir()
    entries = []
    for (kind, epoch), size in sizes.items():
        name = f"{kind}_{epoch:04d}.png"
        (folder / "media" / name).write_bytes(PNG + bytes([epoch % 256]) * (size - len(PNG)))
        entries.append({"epoch": epoch, "kind": kind, "file": name, "n": 16, "columns": 8})
    (folder / "media" / "index.json").write_text(json.dumps({"pictures": entries}))


def test_the_last_picture_of_each_kind_is_in_the_page(sweep):
    with_media(sweep[0], {("samples", 9): 100, ("reconstructions", 9): 100, ("samples", 19): 120})
    run = of(sweep)["runs"][0]
    assert [(p["kind"], p["epoch"]) for p in run["pictures"]] == [("reconstructions", 9), ("samples", 19)]
    [_, samples] = run["pictures"]
    assert base64.b64decode(samples["uri"].removeprefix("data:image/png;base64,")) == PNG + bytes([19]) * 112
    assert samples["words"] == "samples after epoch 20, 16 images in rows of 8"


def test_pictures_of_the_kept_checkpoint_come_before_later_ones(sweep):
    kept = json.loads((sweep[0] / "record.json").read_text())["model"]["kept_epoch"]
    with_media(sweep[0], {("samples", epoch): 100 + epoch for epoch in (kept - 8, kept, kept + 12)})
    assert [p["epoch"] for p in of(sweep)["runs"][0]["pictures"]] == [kept]


def test_pictures_that_are_too_large_are_named(sweep):
    with_media(sweep[0], {("samples", 9): 100, ("reconstructions", 9): TOTAL // len(sweep) + 1})
    run = of(sweep)["runs"][0]
    assert [p["kind"] for p in run["pictures"]] == ["samples"]
    assert run["tooLarge"] == ["media/reconstructions_0009.png"]
    assert share_of(100) * 100 * 4 / 3 < 9e6


@pytest.mark.parametrize(
    "index",
    [
        "{",
        "[]",
        '{"pictures": [{"epoch": 1}]}',
        '{"pictures": [{"epoch": 1, "kind": "samples", "file": "../record.json"}]}',
    ],
)
def test_media_that_are_not_as_a_run_writes_them_are_left_out(sweep, index):
    with_media(sweep[0], {})
    (sweep[0] / "media" / "index.json").write_text(index)
    assert of(sweep)["runs"][0]["pictures"] == []


def test_a_table_in_latex_has_the_same_cells(tmp_path):
    found = of(mnist_sweep(tmp_path / "runs", betas=[1.0]))
    assert next(iter(found["latex"])) == r"$\beta$"
    [cell], [written] = found["cells"]["D"], found["latex"]["$D$"]
    value, error = cell.split(" ± ")
    assert written == rf"{value}$_{{\pm {error}}}$"


def test_another_suffix_is_refused(sweep, tmp_path, capsys):
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "report.pdf")]) == 2
    assert "end the name in .html" in capsys.readouterr().err


def test_a_report_imports_neither_torch_nor_matplotlib(sweep, tmp_path):
    argv = ["report", str(tmp_path / "runs"), "-o", str(tmp_path / "report.html")]
    code = (
        f"import sys; from analysis.__main__ import main; assert main({argv}) == 0; "
        "print([m for m in ('torch', 'wandb', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
