"""A source as the flags ask for it: subsets and binarisation, the card, and draws of x from stored pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from vae_rd.config import FitConfig
from vae_rd.data.base import EVAL_CHUNK, DataCard, Entropy, Source, subset, uniform_entropy
from vae_rd.data.pixels import PixelModel, binarised, pixel_model
from vae_rd.errors import InputError
from vae_rd.records import SPLITS
from vae_rd.seeding import generator


class DataSet:
    """Three splits of stored pixels, and how x is drawn from them.

    Pixels stay as stored (bytes where they are counts) and become floating point a batch at a time. Where x is random
    given the pixels (dynamic binarisation, dequantisation), training draws it afresh, and evaluation uses one draw
    that depends on `data_seed`, the split and a fixed chunk of indices only.

    Attributes:
        card: the facts, as recorded.
        pixels: per split, [N, C, H, W]; the splits of a population share one tensor.
        labels: per split, arrays of length N by factor name.
        model: how pixels become x.

    Example:
        >>> images = {split: torch.randint(256, (9, 1, 4, 4), dtype=torch.uint8) for split in SPLITS}
        >>> data = DataSet(Source("npz", images, levels=256), FitConfig(binarization="dynamic"))
        >>> data.card.support, data.card.n["test"]
        ('binary', 9)
        >>> data.evaluation_chunk("val", 0).unique()
        tensor([0., 1.])
    """

    def __init__(self, source: Source, config: FitConfig) -> None:
        self.data_seed = config.data_seed
        self.model: PixelModel = pixel_model(source, config)
        if config.binarization == "static":
            source = binarised(source, config.data_seed)
            self.model = pixel_model(source, FitConfig())
        self.pixels: dict[str, Tensor] = {}
        self.labels: dict[str, Mapping[str, np.ndarray]] = {}
        for split in SPLITS:
            self.pixels[split], self.labels[split] = _chosen(source, split, config)
        self.card = _card(source, config, self.pixels, self.model)

    def to(self, device: torch.device) -> None:
        """Move all pixels to the training device, once."""
        moved = {id(pixels): pixels.to(device) for pixels in self.pixels.values()}
        self.pixels = {split: moved[id(pixels)] for split, pixels in self.pixels.items()}

    def chunks(self, split: str) -> int:
        """How many fixed evaluation chunks a split has."""
        return -(-len(self.pixels[split]) // EVAL_CHUNK)

    def evaluation_chunk(self, split: str, chunk: int) -> Tensor:
        """x of one fixed chunk, at most EVAL_CHUNK images: the same draw at every use and on every kind of device."""
        pixels = self.pixels[split][chunk * EVAL_CHUNK : (chunk + 1) * EVAL_CHUNK]
        noise = generator("cpu", self.data_seed, "pixels", split, chunk)
        where = "cpu" if self.model.is_random else pixels.device
        return self.model.draw(pixels.to(where), noise).to(pixels.device)


def _chosen(source: Source, split: str, config: FitConfig) -> tuple[Tensor, Mapping[str, np.ndarray]]:
    """Pixels and labels of one split: the population's where it is one, cut to --n_train or --n_test."""
    stored = "train" if source.population else split
    images, labels = source.images[stored], source.labels.get(stored, {})
    size = {"train": config.n_train, "test": config.n_test}.get(split)
    if size is None:
        return images, labels
    if size > len(images):
        raise InputError(f"--n_{split} {size}: the {split} split of --data {source.name} has {len(images)} examples")
    index = subset(len(images), size, config.data_seed, "subset", split)
    return images[index], {name: values[index.numpy()] for name, values in labels.items()}


def _card(source: Source, config: FitConfig, pixels: Mapping[str, Tensor], model: PixelModel) -> DataCard:
    cut = {"train": config.n_train is not None, "test": config.n_test is not None}
    population = {split: source.population and not cut.get(split, False) for split in SPLITS}
    asked = {
        name: getattr(config, name)
        for name in ("data_seed", "binarization", "dequantize", "n_train", "n_test")
        if getattr(config, name) != getattr(FitConfig(), name)
    }
    return DataCard(
        name=source.name,
        n={split: len(pixels[split]) for split in SPLITS},
        shape=cast(tuple[int, int, int], tuple(pixels["train"].shape[1:])),
        support=model.support,
        population=population,
        pixel_scale=model.scale,
        entropy=_entropies(source, pixels, model, population),
        params={**source.params, **asked},
    )


def _entropies(
    source: Source, pixels: Mapping[str, Tensor], model: PixelModel, population: Mapping[str, bool]
) -> dict[str, Entropy]:
    """H of each split's own source: known for a population, and for a training split as a finite source of its own."""
    if model.support != "binary":
        return dict.fromkeys(SPLITS, Entropy(measure="differential"))
    if model.is_random:
        return dict.fromkeys(SPLITS, Entropy())
    own = uniform_entropy(pixels["train"])
    if not source.population:
        return {"train": own, "val": Entropy(), "test": Entropy()}
    whole = own if population["train"] else uniform_entropy(source.images["train"])
    return {"train": own, "val": whole, "test": whole}
