"""Tables: columns of numbers as vectors, a column of labels, one of splits; what is missing is said."""

import csv

import numpy as np
import pandas as pd
import pytest
import torch

from vae_rd.data.columns import table
from vae_rd.data.dataset import DataSet
from vae_rd.data.description import described
from vae_rd.errors import InputError

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "height": RNG.normal(size=40),
        "name": [f"n{i}" for i in range(40)],
        "count": RNG.integers(0, 9, 40),
        "is_new": RNG.integers(0, 2, 40).astype(bool),
        "species": np.array(["b", "a"])[RNG.integers(0, 2, 40)],
    }
)


def written(tmp_path, frame=FRAME, name="t.csv", **settings):
    frame.to_csv(tmp_path / name, **{"index": False, **settings})
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "settings"),
    [("t.csv", {}), ("t.tsv", {"sep": "\t"}), ("t.csv", {"sep": ";"}), ("t.csv.gz", {}), ("t.csv", {"index": True})],
)
def test_numbers_are_x_and_the_rest_is_said(tmp_path, name, settings):
    source = table(written(tmp_path, name=name, **settings), "csv", label="species", population=True)
    x = FRAME[["height", "count", "is_new"]].to_numpy(np.float64)
    np.testing.assert_allclose(source.images["train"][:, 0, 0], x.astype(np.float32))
    assert source.params["factors"] == {"species": ["a", "b"]}
    np.testing.assert_array_equal(source.labels["train"]["species"], (FRAME.species == "b").astype(int))
    said = described(DataSet(source))
    assert "csv: 40 vectors of 3" in said
    assert "columns left out: name" in said
    assert ("counts the rows" in said) == ("index" in settings)


@pytest.mark.parametrize("sep", [",", ";"])
def test_quotation_marks_are_none_of_the_names(tmp_path, sep):
    """As R's write.csv and write.csv2 have them around names and rows' names, and any program around text."""
    rows = [["", "a", "size, cm; of 3; or 4"], *([f"t{i}", i / 8, -i] for i in range(40))]
    with (tmp_path / "t.csv").open("w") as file:
        csv.writer(file, delimiter=sep, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    source = table(tmp_path / "t.csv", "csv", population=True)
    np.testing.assert_array_equal(source.images["train"].flatten(0, 2), [row[1:] for row in rows[1:]])


SHUFFLED = [*range(20, 40), *range(20)]


@pytest.mark.parametrize(
    ("change", "index"),
    [
        (lambda f: f.iloc[SHUFFLED], True),
        (lambda f: f.set_axis(range(1, 41)), True),  # As R's write.csv.
        (lambda f: f.iloc[SHUFFLED].reset_index(names="Unnamed: 0"), True),  # Read and written again.
        (lambda f: f.assign(__index_level_0__=SHUFFLED), False),
    ],
)
def test_an_index_is_no_number_of_x(tmp_path, change, index):
    source = table(written(tmp_path, change(FRAME[["height", "count"]]), index=index), "csv", population=True)
    np.testing.assert_allclose(source.images["train"].flatten(0, 2).sum(0), FRAME[["height", "count"]].sum(), rtol=1e-5)
    assert "counts the rows" in described(DataSet(source))


def test_an_unnamed_first_column_of_values_is_x(tmp_path):
    for values in (FRAME["count"], FRAME.height):
        frame = FRAME[["height"]].set_axis(values)
        assert table(written(tmp_path, frame, index=True), "csv").images["train"].shape == (32, 1, 1, 2)


def test_parquet_is_the_same(tmp_path):
    pytest.importorskip("pyarrow")
    FRAME.to_parquet(tmp_path / "t.parquet")
    ours, theirs = table(tmp_path / "t.parquet", "parquet"), table(written(tmp_path), "csv")
    assert all(torch.equal(ours.images[split], theirs.images[split]) for split in ours.images)


def test_a_column_of_splits_divides_the_rows(tmp_path):
    frame = FRAME.assign(split=np.where(np.arange(40) < 30, "Train", "test"))
    source = table(written(tmp_path, frame), "csv")
    assert {split: len(x) for split, x in source.images.items()} == {"train": 27, "val": 3, "test": 10}
    np.testing.assert_allclose(source.images["test"][:, 0, 0, 0], frame.height[30:].astype(np.float32))


def test_a_target_of_a_regression_is_left_out_unless_it_is_asked_for(tmp_path):
    path = written(tmp_path, FRAME[["count", "height"]].rename(columns={"height": "label"}))
    source = table(path, "csv")
    assert (source.images["train"].shape, source.params["factors"]) == ((32, 1, 1, 1), {})
    assert "labels left out, which are neither whole numbers nor text" in described(DataSet(source))
    with pytest.raises(InputError, match=r"column label is .* of whole numbers, booleans or text"):
        table(path, "csv", label="label")


def test_whole_numbers_are_counts_and_bits_are_bits(tmp_path):
    bits = pd.DataFrame(RNG.integers(0, 2, (40, 5)), columns=list("abcde"))
    assert DataSet(table(written(tmp_path, bits), "csv")).card.support == "binary"
    assert table(written(tmp_path, FRAME[["count"]]), "csv").levels == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.mask(f.height > 1), "missing values, [1-9]+ of height, [1-9]+ of count; fill them in"),
        (lambda f: f.assign(height=np.where(f.height > 1, "?", f.height.astype(str))), r"other entries, such as '\?'"),
        (lambda f: f[["name", "species"]], "no column of numbers"),
        (lambda f: f.set_axis(["1", "2.5", "3", "4", "5"], axis=1), "its first line is numbers, 1, 2.5, 3, 4, 5; put"),
        (lambda f: f.assign(species=f.species.mask(f.height > 0)), "labels of column species are missing"),
        (lambda f: f.drop(columns="species"), "it has no column 'species'; name one of height, name, count, is_new"),
        (
            lambda f: f.assign(height=f.height.map("{:.2f}".format).str.replace(".", ",")),
            r"with commas, such as '0,13'",
        ),
        (lambda f: f.assign(count=f["count"].astype(str).where(f.height > 1, "0,5")), "count is numbers with commas"),
        (lambda f: f.assign(height=f.height.astype(str).str.replace(".", ",").mask(f.height > 1)), "with commas"),
        (lambda f: f.head(9), "too few to split"),
        (lambda f: f.assign(split="test"), "its column split has test without train; add the rows of train"),
        (lambda f: f.assign(split=["val", "test"] * 20), "its column split has test, val without train"),
        (lambda f: f.head(0)[[]], "not a csv table"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path, change, message):
    path = written(tmp_path, change(FRAME))
    label = None if "numbers" in message and "line" in message else "species"
    with pytest.raises(InputError, match=message):
        table(path, "csv", label=label)
