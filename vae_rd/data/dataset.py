"""A source as the flags ask for it: subsets and binarisation, the card, and draws of x from stored pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vae_rd.config.fields import Binarization, Dequantize, TargetName
from vae_rd.data.base import (
    EVAL_CHUNK,
    DataCard,
    Entropy,
    Source,
    Streamed,
    UnlimitedSource,
    group_sizes,
    uniform_entropy,
)
from vae_rd.data.checks import check_unlimited, check_wanted, checked
from vae_rd.data.content import content_digest
from vae_rd.data.pixels import PixelTransform, binarised, pixel_transform
from vae_rd.data.targets import Scored, Targets
from vae_rd.data.wanted import Wanted, chosen, cut_stream, drawn, held_out
from vae_rd.errors import InputError
from vae_rd.functional.seeding import generator
from vae_rd.run.record import SPLITS


class DataSet:
    """Three splits of stored pixels, and how x is drawn from them.

    Pixels stay as stored (bytes where they are counts) and become floating point a batch at a time. Where x is random
    given the pixels (dynamic binarisation, dequantisation), training draws it afresh, and evaluation uses one draw
    that depends on `data_seed`, the split and a fixed chunk of indices only. Of an unlimited source, val and test hold
    draws that depend on `data_seed` alone; so does train where --n_train asks for stored ones, else batches are fresh
    and train holds other draws, to evaluate on.

    Attributes:
        card: the facts, as recorded.
        pixels: per split, [N, C, H, W]; the splits of a population share one tensor.
        labels: per split, arrays of length N by factor name.
        transform: how pixels become x.
        targets: labels, where p(.|z) is of these; else None.
        stream: training examples that stay in their files, of which pixels["train"] has some; None where it has all.
        is_whole: whether the stored pixels are all there are of a finite source, however x is drawn from them.
        held_out: positions of the test examples that are in no training batch; None for all.
        file_sha256: checksum of the file or folder, where it was taken as that was read.

    Example:
        >>> images = {split: torch.randint(256, (9, 1, 4, 4), dtype=torch.uint8) for split in SPLITS}
        >>> data = DataSet(Source("npz", images, levels=256), binarization="dynamic")
        >>> data.card.support, data.card.n["test"]
        ('binary', 9)
        >>> data.evaluation_chunk("val", 0).unique()
        tensor([0., 1.])
    """

    def __init__(
        self,
        source: Source | UnlimitedSource,
        *,
        data_seed: int = 0,
        binarization: Binarization = "none",
        dequantize: Dequantize = "none",
        n_train: int | None = None,
        n_test: int | None = None,
        target: TargetName = "x",
    ) -> None:
        wanted = Wanted(data_seed, binarization, dequantize, n_train, n_test)
        check_wanted(source.name, **wanted._asdict(), target=target)
        source = checked(source) if isinstance(source, Source) else source
        levels = source.levels if isinstance(source, Source) else None
        self.data_seed = data_seed
        self.transform = pixel_transform(source, binarization=binarization, dequantize=dequantize)
        self.labels: dict[str, Mapping[str, np.ndarray]] = {split: {} for split in SPLITS}
        self.is_whole = isinstance(source, Source) and source.population
        self._unlimited = source if isinstance(source, UnlimitedSource) else None
        self.held_out: Tensor | None = None
        self.targets: Targets | None = None
        self.stream: Streamed | None = None
        self.file_sha256 = source.file_sha256 if isinstance(source, Source) else None
        if isinstance(source, UnlimitedSource):
            check_unlimited(source)
            if target == "label":
                self.targets = Targets(self.labels, source.name)
            self.pixels = drawn(source, wanted)
            self.card = _card(source, wanted, self.pixels, self.transform)
            return
        source = cut_stream(source, wanted)
        if binarization in ("static", "threshold"):
            source = binarised(source, binarization, seed=data_seed)
            self.transform = pixel_transform(source)
        self.stream = source.stream
        self.pixels = {}
        for split in SPLITS:
            self.pixels[split], self.labels[split] = chosen(source, split, wanted)
        if source.population:
            self.held_out = held_out(source, wanted)
        self.card = replace(_card(source, wanted, self.pixels, self.transform), levels=levels)
        if target == "label":
            self.targets = Targets(self.labels, source.name)
            self.card = _of_labels(self.card, self.targets, is_whole=source.population)

    def to(self, device: torch.device) -> None:
        """Move all pixels to the training device, once."""
        moved = {id(pixels): pixels.to(device) for pixels in self.pixels.values()}
        self.pixels = {split: moved[id(pixels)] for split, pixels in self.pixels.items()}
        self._unlimited = self._unlimited and self._unlimited.to(device)
        if self.targets is not None:
            self.targets.to(device)

    def fresh(self, n: int, *key: int | str) -> Tensor:
        """n new independent x of an unlimited source, [n, C, H, W]: a function of data_seed, the key and the device.

        Raises:
            InputError: when the source is finite.

        Example:
            >>> source = UnlimitedSource("noise", "real", lambda n, noise: torch.rand(n, 1, 1, 2, generator=noise))
            >>> data = DataSet(source)
            >>> data.fresh(3, "dual", 0).shape
            torch.Size([3, 1, 1, 2])
        """
        if self._unlimited is None:
            fault = "it holds finitely many examples, so there are no fresh ones"
            raise InputError(f"--data {self.card.name}: {fault}; give an UnlimitedSource")
        noise = generator(self.pixels["train"].device, self.data_seed, "fresh", *key)
        return self.transform.draw(self._unlimited.draw(n, noise), noise)

    def groups(self, splits: Sequence[str]) -> list[tuple[str, ...]]:
        """Splits side by side that hold the same examples, those of a population, in order.

        Example:
            >>> whole = torch.randint(256, (9, 1, 4, 4), dtype=torch.uint8)
            >>> data = DataSet(Source("npz", {"train": whole}, levels=256, population=True))
            >>> data.groups(SPLITS), data.groups(["val"])
            ([('train', 'val', 'test')], [('val',)])
        """
        found: dict[str, list[str]] = {}
        for split in splits:
            found.setdefault(self.stand_in(split), []).append(split)
        return list(map(tuple, found.values()))

    def stand_in(self, split: str) -> str:
        """The last of the splits that hold the same examples of a population; else the split itself."""
        if not self.card.population[split]:
            return split
        return [each for each in SPLITS if self.card.population[each]][-1]

    def chunks(self, split: str) -> int:
        """How many fixed evaluation chunks a split has."""
        return -(-len(self.pixels[split]) // EVAL_CHUNK)

    def evaluation_chunk(self, split: str, chunk: int) -> Tensor:
        """x of one fixed chunk, at most EVAL_CHUNK images: the same draw at every use and on every kind of device."""
        pixels = self.pixels[split][chunk * EVAL_CHUNK : (chunk + 1) * EVAL_CHUNK]
        noise = generator("cpu", self.data_seed, "pixels", split, chunk)
        where = "cpu" if self.transform.is_random else pixels.device
        return self.transform.draw(pixels.to(where), noise).to(pixels.device)

    def scored(self, split: str, index: Tensor | slice) -> Scored:
        """What `VAE.terms` is given of examples beside x: their labels where p(.|z) is of these, else nothing."""
        return Scored() if self.targets is None else Scored(target=self.targets.rows(split, index))

    def scored_chunk(self, split: str, chunk: int) -> Scored:
        """The same of one fixed chunk."""
        return self.scored(split, slice(chunk * EVAL_CHUNK, (chunk + 1) * EVAL_CHUNK))

    def examples(self, split: str, index: Tensor) -> Tensor:
        """x of these examples, [N] ascending positions in the split, as their evaluation chunks have them."""
        chunks = index.div(EVAL_CHUNK, rounding_mode="floor")
        rows = [
            self.evaluation_chunk(split, chunk)[(index[chunks == chunk] % EVAL_CHUNK).to(self.pixels[split].device)]
            for chunk in chunks.unique().tolist()
        ]
        return torch.cat(rows)


def _card(
    source: Source | UnlimitedSource, wanted: Wanted, pixels: Mapping[str, Tensor], transform: PixelTransform
) -> DataCard:
    cut = {"train": wanted.n_train is not None, "val": False, "test": wanted.n_test is not None}
    endless, whole = isinstance(source, UnlimitedSource), isinstance(source, Source) and source.population
    whole = whole and not transform.is_random  # Draws of x from all pixels are not all x there are.
    unlimited = {split: endless and not (split == "train" and cut["train"]) for split in SPLITS}
    population = {split: whole and not cut[split] for split in SPLITS}
    stream = source.stream if isinstance(source, Source) else None
    counted = [s for s in SPLITS if not (unlimited[s] or (s == "train" and stream and len(stream) > len(pixels[s])))]
    sizes = {split: group_sizes(pixels[split]) for split in counted}
    given = {name: value for name, value in wanted._asdict().items() if value != Wanted._field_defaults[name]}
    return DataCard(
        name=source.name,
        n={split: len(pixels[split]) for split in SPLITS},
        shape=tuple(pixels["train"].shape[1:]),
        support=transform.support,
        population=population,
        pixel_scale=transform.scale,
        entropy=_entropies(source, transform, sizes),
        params={**source.params, **given, "duplicates": {split: int((g - 1).sum()) for split, g in sizes.items()}},
        unlimited=unlimited,
        streamed=None if stream is None else len(stream),
        content=content_digest(pixels, is_drawn=endless),
    )


def _of_labels(card: DataCard, targets: Targets, *, is_whole: bool) -> DataCard:
    """The card where p(.|z) is of labels: H is theirs."""
    entropies = {split: targets.entropy(split, is_whole=is_whole or split == "train") for split in SPLITS}
    facts = {"target": "label", "factor": targets.factor, "classes": targets.classes}
    return replace(card, entropy=entropies, params={**card.params, **facts})


def _entropies(
    source: Source | UnlimitedSource, transform: PixelTransform, sizes: Mapping[str, np.ndarray]
) -> dict[str, Entropy]:
    """H of each split's own source: known for a population or a law, and for a stored training split as finite source.

    Args:
        source: as the flags have left it.
        transform: how its pixels become x.
        sizes: of the groups of equal images, for the splits that are finite.
    """
    discrete = transform.support in ("binary", "one_hot")
    unknown = Entropy(measure="discrete" if discrete else "differential")
    population = isinstance(source, Source) and source.population
    # Of a population H is that of its images, whatever values they have; D of a density is not to be held to it.
    known = (discrete or population) and not transform.is_random
    own = uniform_entropy(sizes["train"]) if known and "train" in sizes else unknown
    if isinstance(source, UnlimitedSource):
        law = source.entropy
        return {"train": own if "train" in sizes else law, "val": law, "test": law}
    if not (population and known):
        return {"train": own, "val": unknown, "test": unknown}
    whole = uniform_entropy(sizes["val"])
    return {"train": own, "val": whole, "test": whole}
