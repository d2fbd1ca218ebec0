"""Generated npz files: images that are known, written down in one of many ways, or with a fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from opening.by_hand import Truth
from opening.cases import Case
from opening.door import handed_over, settings_of
from opening.npz_faults import FAULTS
from vae_rd.fit import main as fit

Array = np.ndarray
Rng = np.random.Generator
LEVELS = (2, 3, 5, 10, 16, 17, 64, 100, 128, 200, 256, 1000, 1024, 4096, 65536)


class Encoding(NamedTuple):
    """A way to write counts of L levels as numbers.

    Attributes:
        fits: L -> whether it can hold them and tell them.
        write: (counts, L) -> the array.
        levels: L -> what must be read; None where it is L.
    """

    fits: Callable[[int], bool]
    write: Callable[[Array, int], Array]
    levels: Callable[[int], int] | None = None


def whole(levels: int) -> int:
    """What counts up to L - 1 are read as: below 128 one cannot mistake them, from there on they are of some depth."""
    return levels if levels <= 128 else max(256, 2 ** math.ceil(math.log2(levels)))


def typed(kind: str, most: int = 65536) -> Encoding:
    """Counts as they are, of a type that holds L - 1 <= most - 1 exactly."""
    return Encoding(lambda levels: levels <= most, lambda k, _: k.astype(kind), whole)


def scaled(kind: str, low: float, high: float, most: int = 65536) -> Encoding:
    """Counts from end to end of an interval."""
    return Encoding(
        lambda levels: 3 <= levels <= most, lambda k, levels: (low + (high - low) * k / (levels - 1)).astype(kind)
    )


ENCODINGS: dict[str, Encoding] = {
    "uint8": typed("u1", 256),
    "int8": typed("i1", 128),
    "uint16": typed("u2"),
    "big-endian uint16": typed(">u2"),
    "int32": typed("i4"),
    "int64": typed("i8"),
    "uint64": typed("u8"),
    "big-endian int64": typed(">i8"),
    "whole float16": typed("f2", 2048),
    "whole float32": typed("f4"),
    "big-endian float64": typed(">f8"),
    "bool": Encoding(lambda levels: levels == 2, lambda k, _: k.astype(bool)),
    "k/(L-1) float32": scaled("f4", 0, 1),
    "k/(L-1) float64": scaled("f8", 0, 1),
    "k/(L-1) float16": scaled("f2", 0, 1, 256),
    "-1..1 float32": scaled("f4", -1, 1),
    "-1..1 big-endian float64": scaled(">f8", -1, 1),
    "-0.5..0.5 float32": scaled("f4", -0.5, 0.5),
    "k/256": Encoding(lambda levels: levels == 256, lambda k, _: (k / 256).astype("f4")),
    "dark k/255": Encoding(lambda levels: levels <= 100, lambda k, _: (k / 255).astype("f4"), lambda _: 256),
}
SPLIT_NAMES = (
    ("train", "val", "test"),
    ("x_train", "x_valid", "x_test"),
    ("train_images", "validation_images", "test_images"),
    ("Training", "Dev", "Testing"),
    ("X_train", "", "X_test"),
    ("data.train", "data.val", ""),
)
LABEL_KINDS = ("none", "int64", "float32", "text", "bytes", "bool", "column", "two factors", "structured")


def cases(seed: int, count: int) -> Iterator[Case]:
    """Every third with a fault, each in turn; of the others two in three are fitted."""
    names = np.random.default_rng([seed, 1]).permutation(list(FAULTS)).tolist()
    for number in range(count):
        rng = np.random.default_rng([seed, 1, number])
        if number % 3 == 2:
            name = names[number // 3 % len(names)]
            yield Case(f"npz: {name}", "refused", partial(_faulty, name, rng))
        else:
            yield _plain(rng, number, is_fitted=number % 9 in (0, 1, 4, 7))


def _faulty(name: str, rng: Rng) -> None:
    argv = FAULTS[name](rng)
    handed_over(fit, ["--data=npz", "--data_file=own.npz", "--likelihood=gaussian", *argv])


def _plain(rng: Rng, number: int, *, is_fitted: bool) -> Case:
    shape, n = _shape(rng), int(rng.integers(36, 60))
    if number % 4 == 3:
        kind = ("f4", "f8", ">f8", "f2")[rng.integers(4)]
        written = rng.normal(size=(n, *shape), scale=3).astype(kind)
        held, levels, name, flags = written.astype("f4"), None, f"real {kind}", []
    else:
        held, written, levels, name, flags = _counted(rng, (n, *shape))
    arrays, parts, how = _divided(rng, written)
    classes, labels, kind = _labels(rng, written, n)
    arrays |= _labels_by_split(labels, arrays, parts)
    truth = Truth(_channels_first(held), levels, parts, classes)
    settings = settings_of(rng, truth)
    save = np.savez_compressed if rng.random() < 0.3 else np.savez
    if rng.random() < 0.3:
        arrays = {name: np.asfortranarray(array) for name, array in arrays.items()}

    def run() -> None:
        save(Path("own.npz"), **arrays)
        argv = ["--data=npz", "--data_file=own.npz", *flags, *settings]
        handed_over(fit, argv, truth=truth, rng=rng, is_fitted=is_fitted)

    told = " ".join([*flags, *settings])
    return Case(f"npz: {name} {list(written.shape)} L={levels}, {how}, labels {kind} {told}", "right", run)


def _shape(rng: Rng) -> tuple[int, ...]:
    h, w = (int(side) for side in rng.integers(2, 6, 2))
    return ((h, w), (h, w, 1), (h, w, 3), (int(rng.integers(4, 12)),))[rng.integers(4)]


def _counted(rng: Rng, shape: tuple[int, ...]) -> tuple[Array, Array, int, str, list[str]]:
    """Counts, the same as they are written, what their levels must be read as, and flags."""
    name = list(ENCODINGS)[rng.integers(len(ENCODINGS))]
    encoding = ENCODINGS[name]
    depth = int(rng.choice([levels for levels in LEVELS if encoding.fits(levels)]))
    counts = rng.integers(0, depth, shape)
    counts.reshape(-1)[:4] = 0, min(1, depth - 1), depth - 1, depth // 2  # Both ends, and steps of one.
    written = encoding.write(counts, depth)
    if rng.random() < 0.25 and name not in ("k/256", "dark k/255"):
        return counts, written, depth, name, [f"--levels={depth}"]
    return counts, written, depth if encoding.levels is None else encoding.levels(depth), name, []


def _divided(rng: Rng, images: Array) -> tuple[dict[str, Array], dict[str, Array], str]:
    """Arrays by name, the positions of splits that they name, and how that was done."""
    if rng.random() < 0.5:
        return {"images": images}, {}, "no splits"
    names, n = SPLIT_NAMES[rng.integers(len(SPLIT_NAMES))], len(images)
    ends = dict(zip(("train", "val", "test"), ((0, n - 12), (n - 12, n - 5), (n - 5, n)), strict=True))
    if "" in names:
        ends |= {"train": (0, n - 6), "val": (n - 6, n), "test": (n - 6, n)}
    parts = {s: np.arange(*ends[s]) for s, name in zip(ends, names, strict=True) if name}
    return (
        {name: images[parts[s]] for s, name in zip(ends, names, strict=True) if name},
        parts,
        f"splits {'/'.join(name or '-' for name in names)}",
    )


def _labels(rng: Rng, images: Array, n: int) -> tuple[Array | None, Array | None, str]:
    """What a label says of each image, a function of its numbers, and how labels are written."""
    kind = LABEL_KINDS[rng.integers(len(LABEL_KINDS))]
    classes = np.array([sum(row.tobytes()) % 3 for row in images.reshape(n, -1)])
    return {
        "none": lambda: (None, None, kind),
        "int64": lambda: (classes, classes, kind),
        "float32": lambda: (classes, classes.astype("f4"), kind),
        "text": lambda: (np.char.add("é", classes.astype(str)), np.char.add("é", classes.astype(str)), kind),
        "bytes": lambda: (
            np.char.add("c", classes.astype(str)),
            np.char.add("c", classes.astype(str)).astype("S"),
            kind,
        ),
        "bool": lambda: (classes > 0, classes > 0, kind),
        "column": lambda: (classes, classes[:, None], kind),
        "two factors": lambda: (classes, np.stack([classes, classes // 2], 1), kind),
        "structured": lambda: (classes, np.array([(c, 0.0) for c in classes], [("hue", "i4"), ("y", "f4")]), kind),
    }[kind]()


def _labels_by_split(labels: Array | None, images: dict[str, Array], parts: dict[str, Array]) -> dict[str, Any]:
    if labels is None:
        return {}
    if not parts:
        return {"labels": labels}
    return {f"y_{split}": labels[where] for split, where in parts.items()}


def _channels_first(images: Array) -> Array:
    """[N, C, H, W], by hand."""
    if images.ndim == 4:
        return images.transpose(0, 3, 1, 2)
    return images[:, None] if images.ndim == 3 else images[:, None, None]
