"""`python -m vae_rd.evaluate RUN --algebra`: its entry, who judges, and images in which all sums are right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vae_rd import evaluate, fit
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.estimates.algebra import algebra, check_algebra
from vae_rd.estimates.attributes import attributed
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.experiment.loading import open_run
from vae_rd.run.record import SPLITS, RunRecord

from helpers.common import TOY

SPACES = ["mean", "draw", "pixels", "pca"]


def fitted(folder: Path, *flags: str) -> Path:
    torch.set_num_threads(1)
    assert fit.main([*TOY[1:], "--max_steps=5", *flags, f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("digits"), "--data=digits", "--binarization=threshold")


def entry_of(folder: Path) -> dict[str, Any]:
    (entry,) = [e for e in RunRecord.read(folder).estimates if e["kind"] == "algebra"]
    return entry


def test_edits_and_analogies_of_all_spaces_join_the_record(run, capsys):
    assert evaluate.main([str(run), "--algebra", "--examples=60"]) == 0
    entry = entry_of(run)
    assert [row["features"] for row in entry["table"]] == SPACES
    assert [row["dims"] for row in entry["table"]] == [2, 2, 256, 2]
    for row in entry["table"]:
        for kind in ("edit", "analogy"):
            shares = {name: one for name, one in row[kind].items() if name != "by_attribute"}
            assert set(shares) == {"right", "changed", "kept", "bits", "chance"}
            for one in shares.values():
                assert one["n"] == entry["table"][0][kind]["right"]["n"] > 20
                assert one["stderr"] == pytest.approx((one["value"] * (1 - one["value"]) / one["n"]) ** 0.5)
            assert row[kind]["right"]["value"] <= min(row[kind][name]["value"] for name in ("changed", "kept"))
            assert sum(one["n"] for one in row[kind]["by_attribute"].values()) == row[kind]["right"]["n"]
    pixels = entry["table"][2]
    assert pixels["decoded"]["value"] == 1
    assert entry["value"] == entry["table"][0]["analogy"]["right"]["value"]
    assert set(entry["judged"]) == {"shape", "scale", "rotation", "x", "y"}
    assert {one["by"] for one in entry["judged"].values()} == {"the nearest of all images"}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 5 + 1 + 2 * 6 + 1
    assert "z(a) - z(b) + z(c), n = " in "\n".join(lines)


def test_digits_are_judged_by_a_classifier_and_a_formula(digits_run):
    assert evaluate.main([str(digits_run), "--algebra", "--examples=100"]) == 0
    judged = entry_of(digits_run)["judged"]
    assert judged["digit"]["by"] == "a support vector machine on pixels"
    assert judged["digit"]["accuracy"]["value"] > 0.9
    assert judged["thickness"] == {"by": "a formula of the pixels"} | {
        name: judged["thickness"][name] for name in ("accuracy", "guess")
    }
    assert judged["thickness"]["accuracy"]["value"] == 1
    for row in entry_of(digits_run)["table"]:
        assert row["analogy"]["bits"] is None  # No image is the answer.
        assert set(row["edit"]["by_attribute"]) == {"digit", "thickness"}


def own_data(**labels: np.ndarray) -> DataSet:
    """All images of these labels, 16 x 16 bits, a row of the image for each label and a pixel for each class."""
    bits = torch.zeros(len(next(iter(labels.values()))), 1, 16, 16, dtype=torch.uint8)
    for row, column in enumerate(labels.values()):
        bits[torch.arange(len(bits)), 0, row, torch.from_numpy(column)] = 1
    return DataSet(Source("own", {"train": bits}, levels=2, population=True, labels={"train": labels}))


def with_data(run: Path, data: DataSet) -> Fitted:
    return open_run(run)._replace(data=data)


def test_where_each_class_has_a_pixel_of_its_own_pixels_do(run):
    """Sums of pixels are the wanted image bit for bit; a code of two units of a model of other data is by chance."""
    classes = np.random.default_rng(0).permutation(np.indices((4, 5, 6)).reshape(3, -1).T)
    entry = algebra(with_data(run, own_data(**dict(zip("abc", classes.T, strict=True)))), Settings())
    mean, _, pixels, pca = entry["table"]
    for kind in ("edit", "analogy"):
        assert [pixels[kind][name]["value"] for name in ("right", "bits", "changed", "kept")] == [1, 1, 1, 1]
        assert pixels[kind]["right"]["n"] > 15
        assert pixels[kind]["chance"]["value"] < 0.3
        assert mean[kind]["right"]["value"] < 0.2
        assert pca[kind]["right"]["value"] < 0.5


def test_a_label_that_no_image_shows_is_left_out(digits_run):
    opened = open_run(digits_run)
    digits = opened.data.labels["val"]["digit"]
    labels = {"digit": digits, "coin": np.random.default_rng(0).integers(0, 2, len(digits))}
    parts = {split: slice(place, None, 3) for place, split in enumerate(SPLITS)}
    data = DataSet(
        Source(
            "own",
            {split: opened.data.pixels["val"][part] for split, part in parts.items()},
            levels=2,
            labels={split: {name: column[part] for name, column in labels.items()} for split, part in parts.items()},
        )
    )
    entry = algebra(opened._replace(data=data), Settings(examples=50))
    assert entry["judged"]["coin"]["accuracy"]["value"] < 0.6
    assert set(entry["table"][0]["edit"]["by_attribute"]) == {"digit"}
    assert entry["value"] is None  # With one attribute left there is no analogy.


def test_halves_of_a_population_and_splits_of_their_own_do_not_meet(run, digits_run):
    given = attributed(open_run(run), Settings())
    assert not set(given.known.places.tolist()) & set(given.asked.places.tolist())
    assert given.known.split == given.asked.split == "val"
    assert len(given.candidates) == 3584
    digits = attributed(open_run(digits_run), Settings())
    assert digits.candidates is None
    assert np.bincount(digits.known.classes[:, 1]).min() > 250  # Thirds.


REFUSED = {
    "split": (["--split=val"], "asks of test alone; leave out --split val"),
    "no reader": (["--chains=4"], "--chains belongs to --ais"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(case, run, capsys):
    flags, message = REFUSED[case]
    before = (run / "record.json").read_bytes()
    assert evaluate.main([str(run), "--algebra", *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert (run / "record.json").read_bytes() == before


def test_labels_that_cannot_change_alone_are_refused(run):
    alone = np.arange(12)
    with pytest.raises(Exception, match="no examples of --data own differ in one of a, b, c alone; choose another run"):
        check_algebra(with_data(run, own_data(a=alone, b=alone[::-1].copy(), c=alone)), Settings())
