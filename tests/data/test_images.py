"""Published sets: their splits on small stand-ins, and facts of the real files where VAE_RD_DATA has them."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_rd.data import images as published
from vae_rd.data.dataset import DataSet
from vae_rd.data.fetch import RemoteFile
from vae_rd.data.images import cmu_faces, dsprites, mnist, omniglot, static_mnist
from vae_rd.errors import InputError

ROOT = Path(os.environ.get("VAE_RD_DATA", ""))
real = pytest.mark.skipif("VAE_RD_DATA" not in os.environ, reason="VAE_RD_DATA names no folder of data sets")
SOURCES = (mnist, static_mnist, omniglot, cmu_faces, dsprites)


def sizes(source):
    return [len(source.images[split]) for split in ("train", "val", "test")]


def stand_in(monkeypatch, constant, files):
    """Let `files` on disk, one path or several, be the published ones."""
    remotes = tuple(RemoteFile(p.name, f"sha256:{hashlib.sha256(p.read_bytes()).hexdigest()}") for p in files)
    monkeypatch.setattr(published, constant, remotes if isinstance(getattr(published, constant), tuple) else remotes[0])


@pytest.mark.parametrize("source", SOURCES)
def test_missing_files_are_one_line_that_says_what_and_where(tmp_path, monkeypatch, source):
    monkeypatch.setattr(published, "fetch", offline := Offline())
    with pytest.raises(InputError):
        source(tmp_path)
    assert offline.folder == tmp_path / source.__name__
    assert offline.file.checksum.startswith(("md5:", "sha256:"))
    assert all(url.endswith(f"/{offline.file.name}") for url in offline.file.urls)


class Offline:
    """In place of `fetch`: remembers what was asked for, and has nothing."""

    def __call__(self, folder, file):
        self.folder, self.file = folder, file
        raise InputError("missing")


@pytest.mark.parametrize("source", [omniglot, cmu_faces, dsprites])
def test_sets_without_a_mirror_say_where_to_put_the_file(tmp_path, source):
    fault = r"\.npz: missing, and it has no public mirror; put the file with sha256:[0-9a-f]{64} there"
    with pytest.raises(InputError, match=f"^{tmp_path / source.__name__}.*{fault}"):
        source(tmp_path)
    assert list(tmp_path.iterdir()) == []


def idx(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def test_mnist_validates_on_the_last_training_images(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    train, test = (random.integers(0, 256, (n, 28, 28), np.uint8) for n in (30, 10))
    digits = np.arange(40, dtype=np.uint8) % 10
    (tmp_path / "mnist").mkdir()
    files = [tmp_path / "mnist" / file.name for file in published.MNIST]
    for file, array in zip(files, (train, digits[:30], test, digits[30:]), strict=True):
        file.write_bytes(idx(array))
    stand_in(monkeypatch, "MNIST", files)
    source = mnist(tmp_path)
    np.testing.assert_array_equal(source.images["train"][:, 0], train[:20])
    np.testing.assert_array_equal(source.images["val"][:, 0], train[20:])
    np.testing.assert_array_equal(source.images["test"][:, 0], test)
    np.testing.assert_array_equal(source.labels["val"]["digit"], digits[20:30])
    assert source.levels == 256


def test_static_mnist_is_the_same_from_text_and_from_npz(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    parts = {name: random.integers(0, 2, (n, 784), np.uint8) for name, n in (("train", 5), ("valid", 3), ("test", 2))}
    folder = tmp_path / "static_mnist"
    folder.mkdir()
    texts = [folder / file.name for file in published.STATIC_MNIST_TEXT]
    for file, table in zip(texts, parts.values(), strict=True):
        file.write_text("".join(" ".join(map(str, row)) + "\n" for row in table))
    stand_in(monkeypatch, "STATIC_MNIST_TEXT", texts)
    from_text = static_mnist(tmp_path)
    archive = folder / published.STATIC_MNIST_NPZ.name
    np.savez_compressed(archive, **parts)
    stand_in(monkeypatch, "STATIC_MNIST_NPZ", [archive])
    from_npz = static_mnist(tmp_path)
    for split, table in zip(("train", "val", "test"), parts.values(), strict=True):
        np.testing.assert_array_equal(from_text.images[split].flatten(1), table)
        assert torch.equal(from_text.images[split], from_npz.images[split])
    assert list(from_text.params["files"]) == [file.name for file in texts]
    assert list(from_npz.params["files"]) == [archive.name]
    assert from_npz.levels == 2


@pytest.mark.parametrize("source", SOURCES)
@real
def test_real_images_are_what_a_source_promises(source):
    loaded = source(ROOT)
    assert loaded.name == source.__name__
    assert loaded.population == (source is dsprites)
    assert max(images.max() for images in loaded.images.values()) == loaded.levels - 1
    for split, images in loaded.images.items():
        assert images.dtype == torch.uint8
        assert images.is_contiguous()
        assert images.shape[1:] == {cmu_faces: (1, 60, 64), dsprites: (1, 64, 64)}.get(source, (1, 28, 28))
        for factor, classes in loaded.labels[split].items():
            assert classes.shape == (len(images),)
            assert classes.dtype == np.int64
            assert 0 <= classes.min() <= classes.max() < len(loaded.params["factors"][factor])


@real
def test_real_mnist_has_its_known_counts():
    source = mnist(ROOT)
    assert sizes(source) == [50_000, 10_000, 10_000]
    counts = {split: np.bincount(source.labels[split]["digit"]) for split in source.images}
    assert (counts["train"] + counts["val"]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert counts["test"].tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    both = torch.cat([source.images["train"], source.images["val"]]).double() / 255
    assert both.mean().item() == pytest.approx(0.1306605, abs=1e-7)  # The constants everyone normalises MNIST by.
    assert both.std().item() == pytest.approx(0.3081078, abs=1e-7)
    assert source.labels["train"]["digit"][:5].tolist() == [5, 0, 4, 1, 9]


@real
def test_real_static_mnist_has_50000_distinct_training_rows():
    source = static_mnist(ROOT)
    assert sizes(source) == [50_000, 10_000, 10_000]
    packed = np.packbits(source.images["train"].flatten(1).numpy(), axis=1)
    assert len({row.tobytes() for row in packed}) == 50_000


@real
def test_real_static_mnist_text_has_the_published_checksums():
    """The archive holds the rows of the text files in their order: written as text it has their md5."""
    source = static_mnist(ROOT)
    for split, file in zip(("val", "test"), published.STATIC_MNIST_TEXT[1:], strict=True):
        text = np.full((10_000, 2 * 784), ord(" "), np.uint8)
        text[:, ::2] = source.images[split].flatten(1).numpy() + ord("0")
        text[:, -1] = ord("\n")
        assert f"md5:{hashlib.md5(text.tobytes()).hexdigest()}" == file.checksum


@real
def test_real_omniglot_validates_on_the_hands_of_two_drawers():
    source = omniglot(ROOT)
    assert sizes(source) == [17_352, 1_928, 13_180]
    drawers = {split: set(labels["drawer"]) for split, labels in source.labels.items()}
    assert drawers["train"] == set(range(18))
    assert drawers["val"] == {18, 19}
    characters = {
        split: set(zip(labels["alphabet"], labels["character"], strict=True)) for split, labels in source.labels.items()
    }
    assert characters["train"] == characters["val"]
    assert len(characters["train"]) == 964
    assert len(characters["test"]) == 659
    assert not {a for a, _ in characters["train"]} & {a for a, _ in characters["test"]}
    assert source.params["factors"]["alphabet"][0] == "Alphabet_of_the_Magi"


@real
def test_real_cmu_faces_keep_people_apart_and_grey_levels_exact():
    source = cmu_faces(ROOT)
    assert sizes(source) == [438, 95, 91]
    people = [set(source.labels[split]["person"]) for split in ("train", "val", "test")]
    assert people == [set(range(14)), {14, 15, 16}, {17, 18, 19}]
    stored = np.load(ROOT / "cmu_faces" / published.CMU_FACES.name, allow_pickle=False)
    faces = stored["images"][np.isin(stored["person"], ["paula", "owen", "quinn"])]
    np.testing.assert_allclose(source.images["val"][:, 0].numpy() / 153, faces, atol=1e-7)
    assert source.params["factors"]["sunglasses"] == [False, True]
    assert {factor: len(values) for factor, values in source.params["factors"].items()} == {
        "person": 20,
        "pose": 4,
        "expression": 4,
        "sunglasses": 2,
    }


@real
def test_real_dsprites_grid_has_the_entropy_of_its_fourteen_pairs():
    source = dsprites(ROOT)
    card, labels = DataSet(source).card, source.labels["train"]
    assert card.n == {"train": 46_080, "val": 46_080, "test": 46_080}
    assert card.shape == (1, 64, 64)
    assert all(card.population.values())
    assert card.params["duplicates"] == {"train": 14, "val": 14, "test": 14}
    assert card.entropy["test"].value == pytest.approx(10.737713, abs=5e-7)
    assert {name: len(values) for name, values in source.params["factors"].items()} == {
        "shape": 3,
        "scale": 6,
        "orientation": 10,
        "x": 16,
        "y": 16,
    }
    assert len(np.unique(np.stack(list(labels.values())), axis=1).T) == 46_080
    largest = (labels["scale"] == 5) & (labels["x"] == 0)
    assert source.images["train"][largest].double().mean((0, 1, 2)).argmax() < 32  # x counts columns from the left.
