"""Which runs share a panel: a case for each row of the table in docs/comparing.md."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.rows.data_sets import data_sets
from analysis.rows.finding import RunWarning
from analysis.rows.groups import group_runs
from analysis.rows.runs import load_runs
from analysis.rows.scale import scale_note
from analysis.statistics.lines import source_bounds_hold
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

from helpers.fake_records import gaussian_sweep, mnist_sweep

Change = Callable[[dict[str, Any]], object]


def changed(folder: Path, change: Change) -> None:
    path = folder / "record.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def grey(content: dict[str, Any], scale: str = "(k + u) / 256", dequantize: str = "uniform") -> None:
    content["data"] |= {"support": "grey", "pixel_scale": scale, "levels": 256}
    content["data"]["params"]["dequantize"] = dequantize
    content["model"]["distortion"]["measure"] = "differential"


def mass(content: dict[str, Any]) -> None:
    content["data"] |= {"support": "grey", "pixel_scale": "k / 255", "levels": 256}
    content["data"]["params"]["dequantize"] = "none"
    content["model"]["distortion"]["measure"] = "discrete"


CASES: dict[str, tuple[Change, Change, str]] = {
    "content": (
        lambda c: c["data"].update(content="1a" * 32),
        lambda c: c["data"].update(content="2b" * 32),
        "static_mnist 2b2b2b",
    ),
    "binarization": (
        lambda c: c["data"]["params"].update(binarization="static"),
        lambda c: c["data"]["params"].update(binarization="dynamic"),
        "binarization dynamic",
    ),
    "threshold": (
        lambda c: c["data"]["params"].update(binarization="threshold"),
        lambda c: c["data"]["params"].update(binarization="dynamic"),
        "binarization dynamic",
    ),
    "scale of pixels": (grey, lambda c: grey(c, "k / 255", "none"), "pixel scale k / 255"),
    "probability": (grey, mass, "D of a probability"),
    "target": (lambda c: None, lambda c: c["data"]["params"].update(target="label"), "target label"),
    "sizes": (lambda c: None, lambda c: c["data"]["n"].update(test=500), "n test 500"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_one_quantity_has_a_panel_of_its_own_named_by_what_differs(tmp_path, name):
    one, other, said = CASES[name]
    folders = mnist_sweep(tmp_path, betas=[1.0, 2.0])
    changed(folders[0], one)
    changed(folders[1], other)
    found = data_sets(load_runs(tmp_path))
    assert [len(rows) for rows in found.values()] == [len(SPLITS)] * 2
    assert said in " ".join(found)


def test_the_scale_of_a_gaussian_shares_a_panel_is_told_by_shape_and_costs_the_bounds_on_the_source(tmp_path):
    first, second = gaussian_sweep(tmp_path, betas=[1.0, 2.0])
    same = load_runs(tmp_path)
    assert source_bounds_hold(same[same["split"] == "test"])
    changed(second, lambda c: (c["model"]["distortion"].update(scale=0.5), c["config"].update(likelihood_scale=0.5)))
    runs = load_runs(tmp_path)
    assert len(data_sets(runs)) == 1
    assert "likelihood_scale" in group_runs(runs).fields
    assert not source_bounds_hold(runs[runs["split"] == "test"])
    assert str(first) in set(runs["folder"])


def test_in_bits_per_dimension_the_head_says_that_a_dequantised_density_is_a_bound(tmp_path):
    folders = mnist_sweep(tmp_path, betas=[1.0, 2.0])
    changed(folders[0], grey)
    changed(folders[1], mass)
    density, levels = (rows.iloc[0] for rows in data_sets(load_runs(tmp_path, units="bits_per_dim")).values())
    assert "of the discrete image, from above" in scale_note(density)
    assert scale_note(levels) == ""
    nats = load_runs(tmp_path)
    before = nats[nats["folder"] == str(folders[0])].iloc[0]["distortion"]
    assert density["distortion"] == pytest.approx(before / math.log(2) / 784 + 8)


def test_bits_per_dimension_of_any_other_density_are_refused(tmp_path):
    (folder,) = mnist_sweep(tmp_path, betas=[1.0])
    changed(folder, lambda c: grey(c, "k / 255", "none"))
    with pytest.raises(InputError, match="bits"):
        load_runs(tmp_path, units="bits_per_dim")


def test_a_record_of_other_units_is_left_out_in_one_line(tmp_path):
    one, other = mnist_sweep(tmp_path, betas=[1.0, 2.0])
    changed(one, lambda c: c.update(units="bits"))
    with pytest.warns(RunWarning, match=f"left out, cannot be read: {one}: damaged, units 'bits' are not nats"):
        assert set(load_runs(tmp_path)["folder"]) == {str(other)}
