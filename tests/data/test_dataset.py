"""How stored pixels become x, what the card says of them, and batches that depend on their key alone."""

import math

import numpy as np
import pytest
import torch

from vae_rd.data.base import EVAL_CHUNK, DataCard, Source, group_sizes, uniform_entropy
from vae_rd.data.dataset import DataSet
from vae_rd.data.module import EvaluationBatches, TrainBatches
from vae_rd.data.pixels import binarised
from vae_rd.data.sprites import sprites
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS


def grey(n: int = 60, levels: int = 256) -> Source:
    pixels = torch.randint(levels, (n, 1, 4, 4), dtype=torch.uint8)
    labels = {"train": {"digit": np.arange(n)}}
    return Source("mnist", {"train": pixels, "val": pixels[:20], "test": pixels[20:50]}, levels=levels, labels=labels)


def batches(data: DataSet, *, epoch: int = 0, rank: int = 0, world_size: int = 1, size: int = 8) -> list[torch.Tensor]:
    loader = TrainBatches(data, batch_size=size, seed=3, epoch=lambda: epoch, rank=rank, world_size=world_size)
    blocks = [[batch.x for batch in block] for block in loader]
    assert len(blocks) == len(loader)
    return [x for block in blocks for x in block]


def test_entropy_of_a_uniform_draw_counts_duplicates():
    images = torch.randint(2, (50, 1, 3, 3), dtype=torch.uint8)
    images[7] = images[3]
    images[9] = images[3]
    counts = np.unique(images.reshape(50, -1).numpy(), axis=0, return_counts=True)[1]
    expected = -float(np.sum(counts / 50 * np.log(counts / 50)))
    found = uniform_entropy(group_sizes(images))
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.source == f"ln N, {50 - len(counts)} duplicates"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_equal_images_are_counted_in_any_type_of_pixel(dtype):
    images = torch.tensor([[3, 200], [3, 201], [3, 200], [0, 200], [3, 200]]).to(dtype)
    assert sorted(group_sizes(images).tolist()) == [1, 1, 3]
    card = DataSet(Source("npz", dict.fromkeys(SPLITS, images[:, None, None]), levels=256)).card
    assert card.params["duplicates"] == {"train": 2, "val": 2, "test": 2}


def test_population_is_its_three_splits():
    data = DataSet(sprites())
    n = data.card.n["train"]
    assert data.pixels["train"] is data.pixels["val"] is data.pixels["test"]
    assert all(data.card.population.values())
    assert [e.value for e in data.card.entropy.values()] == pytest.approx([math.log(n)] * 3)


def test_a_training_sample_of_a_population_has_an_entropy_of_its_own():
    data = DataSet(sprites(), n_train=100)
    assert data.card.population == {"train": False, "val": True, "test": True}
    assert data.card.entropy["train"].value == pytest.approx(math.log(100))
    assert data.card.entropy["test"].value == pytest.approx(math.log(data.card.n["test"]))


def test_entropy_is_known_only_where_it_is_known():
    assert DataSet(grey(), binarization="dynamic").card.entropy["train"].value is None
    static = DataSet(grey(), binarization="static").card.entropy
    assert static["train"].value is not None
    assert static["test"].value is None
    assert DataSet(grey(), dequantize="uniform").card.entropy["train"].measure == "differential"


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize(("levels", "kind"), [(256, torch.uint8), (65536, torch.int32)])
def test_binarised_pixels_are_one_as_often_as_their_grey_says(mode, levels, kind):
    k = (torch.arange(256) * ((levels - 1) // 255)).to(kind)
    pixels = k.reshape(1, 1, 16, 16).expand(4000, 1, 16, 16).contiguous()
    source = Source("mnist", dict.fromkeys(("train", "val", "test"), pixels), levels=levels)
    data = DataSet(source, binarization=mode)
    x = torch.cat([data.evaluation_chunk("train", c) for c in range(data.chunks("train"))])
    p = torch.arange(256).reshape(16, 16) / 255
    stderr = (p * (1 - p) / 4000).sqrt()
    assert bool(((x.mean(0)[0] - p).abs() <= 4.5 * stderr).all())
    assert x[:, 0, 0, 0].max() == 0
    assert x[:, 0, 15, 15].min() == 1


def test_dynamic_training_draws_differ_and_the_evaluation_draw_does_not():
    data = DataSet(grey(), binarization="dynamic")
    noise = torch.Generator().manual_seed(0)
    pixels = data.pixels["train"]
    assert not torch.equal(data.transform.draw(pixels, noise), data.transform.draw(pixels, noise))
    assert torch.equal(data.evaluation_chunk("train", 0), data.evaluation_chunk("train", 0))
    other = DataSet(Source("mnist", data.pixels, levels=256), binarization="dynamic", data_seed=1)
    assert not torch.equal(data.evaluation_chunk("train", 0), other.evaluation_chunk("train", 0))


def test_static_draw_belongs_to_the_data_seed_and_not_to_the_seed():
    source = grey()
    draws = [DataSet(source, binarization="static", data_seed=d).pixels["train"] for d, s in ((0, 0), (0, 1), (1, 0))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("levels", [3, 17])
def test_few_levels_are_one_as_often_as_their_grey_says(levels):
    pixels = torch.arange(levels, dtype=torch.uint8).reshape(1, 1, 1, levels).expand(20_000, 1, 1, levels).contiguous()
    data = DataSet(Source("npz", dict.fromkeys(SPLITS, pixels), levels=levels), binarization="dynamic")
    found = torch.cat([data.evaluation_chunk("val", c) for c in range(data.chunks("val"))]).mean(0).flatten()
    p = torch.arange(levels) / (levels - 1)
    assert bool(((found - p).abs() <= 4.5 * (p * (1 - p) / 20_000).sqrt()).all())
    assert data.card.levels == levels


@pytest.mark.parametrize(("levels", "kind"), [(3, torch.uint8), (1024, torch.int16), (65536, torch.int32)])
def test_dequantised_values_stay_in_their_bins_at_any_depth(levels, kind):
    pixels = torch.randint(levels, (500, 1, 20, 20), dtype=kind)
    pixels[:, :, 0] = levels - 1
    data = DataSet(Source("npz", dict.fromkeys(SPLITS, pixels), levels=levels), dequantize="uniform")
    x = data.evaluation_chunk("train", 0).double() * levels
    assert torch.equal(x.floor().to(kind), pixels)
    u = (x - pixels).flatten()
    assert (u.mean() - 0.5).abs() < 4.5 * (1 / 12 / len(u)) ** 0.5
    assert u.var().item() == pytest.approx(1 / 12, rel=0.01)


@pytest.mark.parametrize(("levels", "kind"), [(1024, torch.int16), (65536, torch.int32)])
def test_equal_deep_images_are_counted_and_scaled(levels, kind):
    pixels = torch.tensor([[0, levels - 1], [0, levels - 2], [0, levels - 1]]).to(kind)[:, None, None]
    data = DataSet(Source("npz", dict.fromkeys(SPLITS, pixels), levels=levels))
    assert data.card.params["duplicates"]["train"] == 1
    assert data.evaluation_chunk("val", 0)[0].flatten().tolist() == [0, 1]


def test_a_card_of_before_there_were_levels_is_read():
    content = DataSet(grey()).card.to_json()
    assert content.pop("levels") == 256
    assert DataCard.from_json(content).levels is None


def test_dequantised_values_fill_their_bins():
    data = DataSet(grey(levels=154), dequantize="uniform")
    x, k = data.evaluation_chunk("train", 0), data.pixels["train"]
    assert torch.equal((x * 154).floor().to(torch.uint8), k)
    assert data.card.pixel_scale == "(k + u) / 154"
    assert data.card.support == "real"


def test_grey_values_span_the_unit_interval():
    data = DataSet(grey())
    assert torch.equal(data.evaluation_chunk("train", 0), data.pixels["train"] / 255)


@pytest.mark.parametrize(("levels", "least"), [(3, 1), (17, 8), (154, 77), (256, 128), (65536, 32768)])
def test_from_half_of_the_top_level_on_pixels_are_one(levels, least):
    """2 k >= top, for an even and an odd top; H of the stored bits is known of train alone, as for static."""
    kind = torch.uint8 if levels <= 256 else torch.int32
    pixels = torch.tensor([0, least - 1, least, levels - 1]).to(kind).reshape(4, 1, 1, 1)
    source = Source("npz", dict.fromkeys(SPLITS, pixels), levels=levels)
    data = DataSet(source, binarization="threshold")
    assert data.evaluation_chunk("test", 0).flatten().tolist() == [0, 0, 1, 1]
    assert 2 * least >= levels - 1 > 2 * (least - 1)
    assert (data.card.support, data.card.levels) == ("binary", levels)
    assert data.card.entropy["train"].value == pytest.approx(math.log(2))
    assert data.card.entropy["test"].value is None
    again = DataSet(source, binarization="threshold", data_seed=5)
    assert torch.equal(data.pixels["train"], again.pixels["train"])


@pytest.mark.parametrize("word", ["static", "threshold"])
@pytest.mark.parametrize("levels", [2, None])
def test_refuses_to_binarise_what_is_not_grey(word, levels):
    images = {s: torch.zeros(20, 1, 2, 2) for s in SPLITS}
    with pytest.raises(InputError, match=f"--binarization {word}: the pixels of --data npz are .*; leave it out"):
        DataSet(Source("npz", images, levels=levels), binarization=word)


@pytest.mark.parametrize("flag", ["binarization", "dequantize"])
@pytest.mark.parametrize("levels", [2, None])
def test_refuses_to_binarise_or_dequantise_what_is_not_grey(flag, levels):
    images = {s: torch.zeros(20, 1, 2, 2) for s in ("train", "val", "test")}
    value = {"binarization": "static", "dequantize": "uniform"}[flag]
    with pytest.raises(InputError, match=f"--{flag} {value}"):
        DataSet(Source("npz", images, levels=levels), **{flag: value})


def test_subsets_are_cut_by_data_seed_and_refused_when_too_large():
    source = grey()
    first, again, other = (DataSet(source, n_train=10, data_seed=s) for s in (0, 0, 1))
    assert torch.equal(first.pixels["train"], again.pixels["train"])
    assert not torch.equal(first.pixels["train"], other.pixels["train"])
    assert torch.equal(first.pixels["train"], source.images["train"][first.labels["train"]["digit"]])
    with pytest.raises(InputError, match="--n_test 31: the test split of --data mnist has 30"):
        DataSet(source, n_test=31)


def test_card_survives_the_record():
    card = DataSet(grey(), binarization="static", n_train=7).card
    assert DataCard.from_json(card.to_json()) == card
    assert card.params["binarization"] == "static"


def test_a_finite_source_has_no_fresh_examples():
    with pytest.raises(InputError, match="--data sprites: it holds finitely many examples"):
        DataSet(sprites()).fresh(3, "any")


def test_an_epoch_shows_every_example_once_in_an_order_of_its_own():
    data = DataSet(grey(64))
    first, again, second = (torch.cat(batches(data, epoch=e)) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    stored = (data.pixels["train"] / 255).flatten(1)
    assert torch.equal(first.flatten(1).sort(0).values, stored.sort(0).values)


@pytest.mark.parametrize("binarization", ["none", "dynamic"])
def test_processes_share_out_the_rows_of_the_same_global_batch(binarization):
    data = DataSet(grey(64), binarization=binarization)
    whole = batches(data)
    parts = [batches(data, rank=r, world_size=4) for r in range(4)]
    for step, x in enumerate(whole):
        assert torch.equal(x, torch.cat([part[step] for part in parts]))


def test_examples_short_of_a_batch_sit_the_epoch_out():
    data = DataSet(grey(60))
    assert [len(x) for x in batches(data, size=8)] == [8] * 7


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_shares_chunks_without_padding(world_size):
    n = 2 * EVAL_CHUNK + 7
    pixels = torch.randint(2, (n, 1, 2, 2), dtype=torch.uint8)
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), pixels), levels=2))
    loaders = [EvaluationBatches(data, "val", rank=r, world_size=world_size) for r in range(world_size)]
    chunks = {batch.part: batch.x for loader in loaders for block in loader for batch in block}
    assert [len(loader) for loader in loaders] == [1] * world_size == [len(list(loader)) for loader in loaders]
    assert torch.equal(torch.cat([chunks[c] for c in range(3)]), pixels.float())


def test_binarised_leaves_binary_pixels_alone():
    source = sprites()
    assert binarised(source, "static", seed=0) is source
