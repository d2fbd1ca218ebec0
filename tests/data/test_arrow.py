"""Datasets of Hugging Face: on disk and at hand, images as image_folder reads them, splits by their names."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vae_rd.data.arrow import hf
from vae_rd.data.dataset import DataSet
from vae_rd.data.description import described
from vae_rd.data.files import image_folder
from vae_rd.data.given import from_datasets, source_of
from vae_rd.errors import InputError

datasets = pytest.importorskip("datasets")

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3)).astype(np.uint8)


def encoded(pixels: np.ndarray, **settings) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", **settings)
    return content.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def of_images(n: int = 30, first: int = 0, **settings):
    rows = {
        "picture": [{"bytes": encoded(pixels, **settings), "path": None} for pixels in PIXELS[first : first + n]],
        "kind": [i % 3 for i in range(n)],
        "caption": ["a picture"] * n,
    }
    classes = datasets.ClassLabel(names=["cat", "dog", "bird"])
    features = {"picture": datasets.Image(), "kind": classes, "caption": datasets.Value("string")}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def test_on_disk_and_at_hand_are_what_a_folder_of_the_files_is(tmp_path):
    of_images(exif=turned()).save_to_disk(tmp_path / "saved")
    (tmp_path / "files").mkdir()
    for i, pixels in enumerate(PIXELS):
        (tmp_path / "files" / f"{i:02}.png").write_bytes(encoded(pixels, exif=turned()))
    saved, folder = DataSet(hf(str(tmp_path / "saved"))), DataSet(image_folder(tmp_path / "files"))
    given = from_datasets(of_images(exif=turned()).with_format("torch"))
    assert saved.card.shape == (3, 4, 5)
    assert (saved.card.name, given.card.name) == ("hf", "hf")
    for data in (saved, given):
        assert all(torch.equal(data.pixels[split], folder.pixels[split]) for split in folder.pixels)
        assert "30 turned by their EXIF orientation" in described(data)
        assert data.card.params["factors"] == {"kind": ["bird", "cat", "dog"]} or "label" in data.labels["train"]


def test_a_dict_has_its_splits(tmp_path):
    parts = {"train": of_images(20), "validation": of_images(4, 20), "test": of_images(6, 24)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    source = hf(str(tmp_path / "saved"), label="kind")
    np.testing.assert_array_equal(source.images["val"], PIXELS[20:24].transpose(0, 3, 1, 2))
    assert torch.equal(from_datasets(datasets.DatasetDict(parts)).pixels["test"], source.images["test"])
    assert source.params["factors"] == {"label": ["bird", "cat", "dog"]}
    assert source.labels["test"]["label"].tolist() == [1, 2, 0, 1, 2, 0]


def test_arrays_vectors_and_tables():
    random = np.random.default_rng(0)
    features = datasets.Features({"a": datasets.Array2D((3, 4), "float32"), "y": datasets.Value("int64")})
    arrays = datasets.Dataset.from_dict({"a": random.normal(size=(30, 3, 4)), "y": list(range(30))}, features=features)
    assert from_datasets(arrays).card.shape == (1, 3, 4)
    lists = datasets.Dataset.from_dict({"v": random.normal(size=(30, 5)).tolist(), "label": [i % 2 for i in range(30)]})
    assert from_datasets(lists).card.shape == (1, 1, 5)
    table = datasets.Dataset.from_dict(
        {"b": random.normal(size=30), "c": random.normal(size=30), "label": ["x", "y"] * 15}
    )
    data = from_datasets(table)
    assert (data.card.shape, data.card.params["factors"]) == ((1, 1, 2), {"label": ["x", "y"]})


def test_a_table_of_one_file_has_the_splits_and_the_classes_of_its_columns(tmp_path):
    random = np.random.default_rng(0)
    rows = {
        "b": random.normal(size=40),
        "kind": [i % 3 - 1 for i in range(40)],
        "split": ["train"] * 25 + ["test"] * 15,
    }
    features = {"b": datasets.Value("float64"), "kind": datasets.ClassLabel(names=["cat", "dog"])}
    table = datasets.Dataset.from_dict(
        rows, features=datasets.Features({**features, "split": datasets.Value("string")})
    )
    table.to_parquet(tmp_path / "one.parquet")  # Of which load_dataset makes {"train": ...}.
    for source in (hf(str(tmp_path)), hf(str(tmp_path), label="kind"), source_of({"train": table}), source_of(table)):
        np.testing.assert_array_equal(source.images["test"].flatten(), np.float32(rows["b"][25:]))
        assert source.params["factors"] == {"kind": ["", "cat", "dog"]}
        assert source.labels["test"]["kind"].tolist() == [i % 3 for i in range(25, 40)]
    assert "columns left out: split" in source_of({"train": table, "test": table}).params["notes"]


@pytest.mark.parametrize("shape", [(30,), (30, 2)])
def test_an_example_without_a_class_is_of_one_without_a_name(shape):
    number = datasets.Value("float64")
    kinds = {
        "x": datasets.List(number) if len(shape) > 1 else number,
        "kind": datasets.ClassLabel(names=["cat", "dog"]),
    }
    rows = {"x": np.random.default_rng(0).normal(size=shape).tolist(), "kind": [None, -1, 0, 1, 1] * 6}
    source = source_of(datasets.Dataset.from_dict(rows, features=datasets.Features(kinds)), population=True)
    ((factor, names),) = source.params["factors"].items()
    assert names == ["", "cat", "dog"]
    assert source.labels["train"][factor].tolist() == [0, 0, 1, 2, 2] * 6


def test_a_transform_of_ones_own_is_followed():
    dataset = of_images()
    dataset.set_transform(lambda rows: {"x": [torch.zeros(2, 3) for _ in rows["kind"]], "label": rows["kind"]})
    assert from_datasets(dataset).card.shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ({"a": [[1.0], [1.0, 2.0]] * 15}, {}, "give numbers as vectors"),
        ({"a": [[1.0]] * 30, "b": [[1.0]] * 30}, {}, "any of a, b may be x; name one as image_column"),
        ({"a": [[1.0]] * 30}, {"image": "x"}, "it has no column 'x'; name one of a"),
    ],
)
def test_what_is_no_x_is_refused(rows, settings, message):
    with pytest.raises(InputError, match=message):
        from_datasets(datasets.Dataset.from_dict(rows), **settings)


def test_a_place_with_nothing_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="datasets cannot load it"):
        hf(str(tmp_path / "empty"))
