"""Sets that stay in their files: the same examples, batches and numbers as in memory."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.data import shards, streams
from vae_rd.data.dataset import DataSet
from vae_rd.data.files import npz
from vae_rd.data.module import TrainBatches
from vae_rd.data.shards import npy
from vae_rd.errors import InputError, Interrupted
from vae_rd.run import files as run_files
from vae_rd.run.files import tree_sha256
from vae_rd.run.record import RunRecord

COLOUR = np.random.default_rng(0).integers(0, 1000, size=(300, 5, 4, 3)).astype(np.uint16)
REAL = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float64)


def both(tmp_path: Path, images: np.ndarray, **settings) -> list[DataSet]:
    """In memory, and as shards of unequal sizes."""
    np.savez(tmp_path / "own.npz", images=images)
    (tmp_path / "shards").mkdir()
    for name, part in zip("abc", np.split(images, [10, 211]), strict=True):
        np.save(tmp_path / "shards" / f"{name}.npy", part)
    return [DataSet(source, **settings) for source in (npz(tmp_path / "own.npz"), npy(tmp_path / "shards"))]


def batches(data: DataSet, epoch: int = 1, *, rank: int = 0, world_size: int = 1) -> list[torch.Tensor]:
    made = TrainBatches(data, batch_size=16, seed=3, epoch=lambda: epoch, rank=rank, world_size=world_size)
    return [batch.x for block in made for batch in block]


@pytest.mark.parametrize(
    ("images", "settings"),
    [(COLOUR, {"dequantize": "uniform", "n_train": 100}), (COLOUR, {"binarization": "threshold"}), (REAL, {})],
)
def test_a_streamed_set_is_the_set_in_memory(tmp_path, monkeypatch, images, settings):
    monkeypatch.setattr(streams, "MOST_BYTES", 4000)  # So that blocks are of a few batches.
    held, streamed = both(tmp_path, images, **settings)
    assert (held.card.n["val"], held.card.shape, held.card.support) == (
        streamed.card.n["val"],
        streamed.card.shape,
        streamed.card.support,
    )
    assert all(torch.equal(held.pixels[split].float(), streamed.pixels[split].float()) for split in ("val", "test"))
    pairs = list(zip(batches(held), batches(streamed), strict=True))
    assert len(pairs) == held.card.n["train"] // 16 == streamed.card.streamed // 16
    assert all(torch.equal(a, b) for a, b in pairs)


def test_each_process_reads_its_share_alone(tmp_path, monkeypatch):
    _, streamed = both(tmp_path, COLOUR, dequantize="uniform")
    whole, read, rows = batches(streamed), [], streams.Stream.rows
    monkeypatch.setattr(streams.Stream, "rows", lambda self, places: read.append(len(places)) or rows(self, places))
    monkeypatch.setattr(streams, "DataLoader", lambda blocks, **_: [blocks[i] for i in range(len(blocks))])
    shares = [batches(streamed, rank=rank, world_size=2) for rank in range(2)]
    assert all(torch.equal(x, torch.cat(parts)) for x, *parts in zip(whole, *shares, strict=True))
    assert sum(n for n in read if n > 1) == 16 * len(whole)


def test_floats_are_real_values_whatever_their_ends(tmp_path):
    for ends in ((0, 1), (-1, 1), (0, 255)):
        images = np.linspace(*ends, 300 * 6).reshape(300, 6)
        np.save(tmp_path / "a.npy", images)
        source = npy(tmp_path / "a.npy")
        assert (source.levels, source.params["reading"]) == (None, "real values {}..{}".format(*ends))
        everything = source.stream.rows(torch.arange(len(source.stream))), source.images["val"], source.images["test"]
        np.testing.assert_array_equal(torch.cat(everything).flatten().sort().values, images.ravel().astype(np.float32))


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_those_of_the_file_in_either_order(tmp_path, order):
    np.save(tmp_path / "a.npy", np.asarray(COLOUR, ">u2", order=order))
    places = torch.tensor([299, 0, 7, 7])
    found = npy(tmp_path / "a.npy").stream
    whole = streams.Stream(found.files, found.ends, np.arange(300), found.kind).rows(places)
    np.testing.assert_array_equal(np.moveaxis(whole.numpy(), 1, -1), COLOUR[places.numpy()])


def test_a_file_that_is_cut_short_while_it_is_read_is_said(tmp_path):
    np.save(tmp_path / "a.npy", COLOUR)
    mapped, rows = np.load(tmp_path / "a.npy", mmap_mode="r"), np.empty_like(COLOUR[:1])
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(OSError, match=r"a\.npy: cut short"):
        streams._read_rows(mapped, np.array([299]), rows, np.array([0]))


def test_few_examples_are_held_and_nothing_is_said_of_those_that_are_not(tmp_path, monkeypatch):
    for module in (streams, shards):
        monkeypatch.setattr(module, "HELD", 20)
    streamed = both(tmp_path, COLOUR // 8)[1]
    assert streamed.card.n == {"train": 20, "val": 20, "test": 20}
    assert streamed.card.streamed == 260
    assert streamed.card.entropy["train"].value is None
    assert streamed.card.steps_per_epoch(20) == 13
    seen = {row.numpy().tobytes() for row in streamed.stream.rows(torch.arange(260))}
    assert {row.numpy().tobytes() for row in streamed.pixels["train"]} < seen
    assert not {row.numpy().tobytes() for row in streamed.pixels["test"]} & seen


def test_other_values_anywhere_are_other_data(tmp_path):
    cards = []
    for change in (0, 1):
        array = COLOUR.copy()
        array[150, 2, 2, 1] ^= change
        np.save(tmp_path / "a.npy", array)
        cards.append(npy(tmp_path / "a.npy").params["sha256_pixels"])
    assert cards[0] != cards[1]


def test_what_a_stream_cannot_do_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose dynamic"):
        both(tmp_path, COLOUR, binarization="static")
    with pytest.raises(InputError, match="give at most as many"):
        DataSet(npy(tmp_path / "shards"), n_train=999)
    np.save(tmp_path / "shards" / "d.npy", REAL)
    with pytest.raises(InputError, match="give arrays of one shape and type"):
        npy(tmp_path / "shards")


@pytest.mark.slow
def test_a_streamed_run_goes_on_bit_for_bit(tmp_path, interrupt):
    np.save(tmp_path / "a.npy", COLOUR // 8)
    settings = {"hidden": [4], "latent_dim": 2, "batch_size": 16, "max_epochs": 5, "wandb": "off", "eval_samples": 2}
    settings |= {"data": "npy", "data_file": str(tmp_path / "a.npy"), "binarization": "dynamic", "name": "r"}
    whole = vae_rd.fit_model(FitConfig(**settings, run_dir=str(tmp_path / "whole")))
    parts = FitConfig(**settings, run_dir=str(tmp_path / "parts"), resume="auto")
    interrupt(3 * 15 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    assert RunRecord.read(tmp_path / "parts" / "r").status == "interrupted"
    interrupt(0, signal.SIGTERM)
    found = vae_rd.fit_model(parts)
    assert json.dumps(found.metrics) == json.dumps(whole.metrics)


def test_train_is_evaluated_on_some_at_random():
    places = streams.evaluated(40_000, 0)
    assert len(places) == len(places.unique()) == streams.HELD
    assert (places.diff() > 0).all()
    assert abs(places.double().mean() - 20_000) < 4 * 40_000 / (12 * streams.HELD) ** 0.5
    assert streams.evaluated(5, 0).tolist() == [0, 1, 2, 3, 4]


def test_reading_ahead_draws_nothing_from_the_global_stream(tmp_path):
    _, streamed = both(tmp_path, REAL)
    before = torch.get_rng_state()
    batches(streamed)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("change", ["nothing", "order", "more"])
def test_files_are_summed_as_they_are_read(tmp_path, monkeypatch, change):
    both(tmp_path, COLOUR)
    folder, again = tmp_path / "shards", []
    (folder / "README").write_text("of a microscope")
    if change == "order":
        np.save(folder / "a.npy", np.asfortranarray(COLOUR[:10]))
    if change == "more":
        (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes() + b" ")
    wanted, sha256 = tree_sha256(folder), run_files.sha256
    monkeypatch.setattr(run_files, "sha256", lambda path: again.append(path.name) or sha256(path))
    assert npy(folder).file_sha256 == wanted
    assert again == (["README"] if change == "nothing" else ["README", "a.npy"])
