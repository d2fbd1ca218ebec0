"""What can be wrong with an npz file and its flags: each writes own.npz and gives the flags that go with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
Rng = np.random.Generator
Fault = Callable[[Rng], list[str]]


def images(rng: Rng, n: int | None = None, levels: int = 256) -> Array:
    """Plain images of some size."""
    h, w = rng.integers(2, 6, 2)
    found = rng.integers(0, levels, (n or rng.integers(24, 40), h, w))
    found.reshape(-1)[:3] = 0, 1, levels - 1
    return found


def reals(rng: Rng) -> Array:
    """Images of real values."""
    return images(rng) * 0.25 + rng.normal(size=1)


def saved(make: Callable[[Rng], Any], *flags: str) -> Fault:
    """A file of what `make` gives: the images, or arrays by name."""

    def fault(rng: Rng) -> list[str]:
        made = make(rng)
        np.savez(Path("own.npz"), **(made if isinstance(made, dict) else {"images": made}))
        return [*flags]

    return fault


def with_value(value: float) -> Callable[[Rng], Array]:
    """Real values of which one is none."""

    def make(rng: Rng) -> Array:
        found = images(rng).astype("f8") / 3
        found.reshape(-1)[rng.integers(found.size)] = value
        return found

    return make


def raw(make: Callable[[bytes, Rng], bytes | None]) -> Fault:
    """A file whose bytes were changed; None removes it."""

    def fault(rng: Rng) -> list[str]:
        path = Path("own.npz")
        np.savez(path, images=images(rng).astype("u1"))
        made = make(path.read_bytes(), rng)
        path.unlink() if made is None else path.write_bytes(made)
        return []

    return fault


def a_folder(rng: Rng) -> list[str]:
    """A folder of that name."""
    Path("own.npz").mkdir()
    return []


def objects(rng: Rng) -> Array:
    """Python objects, which would have to be unpickled."""
    return np.array([*images(rng), None], dtype=object)


def labelled(labels: Callable[[int], Array]) -> Callable[[Rng], dict[str, Array]]:
    """Plain images with labels that are none."""
    return lambda rng: {"images": images(rng, 30).astype("u1"), "labels": labels(30)}


def split(**parts: Callable[[Array], Array]) -> Callable[[Rng], dict[str, Array]]:
    """Arrays by the names of splits, each made of some images."""

    def make(rng: Rng) -> dict[str, Array]:
        found = images(rng, 30).astype("u1")
        return {name: change(found) for name, change in parts.items()}

    return make


def flipped(content: bytes, rng: Rng) -> bytes:
    """One byte of the pixels changed."""
    place = content.index(b"\n", content.index(b"descr")) + 1 + int(rng.integers(20))
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def same(found: Array) -> Array:
    return found


FAULTS: dict[str, Fault] = {
    "NaN": saved(with_value(np.nan)),
    "infinite": saved(with_value(-np.inf)),
    "beyond single precision": saved(with_value(1e39)),
    "text": saved(lambda rng: images(rng).astype(str)),
    "complex": saved(lambda rng: images(rng) * 1j),
    "dates": saved(lambda rng: images(rng).astype("M8[s]")),
    "objects": saved(objects),
    "one number": saved(lambda rng: np.array(3)),
    "a row": saved(lambda rng: images(rng).reshape(-1)),
    "volumes": saved(lambda rng: np.zeros((30, 2, 3, 3, 1), "u1")),
    "channels first": saved(lambda rng: np.stack([images(rng, 30)] * 3, 1).repeat(3, -1).astype("u1")),
    "an empty side": saved(lambda rng: np.zeros((30, 0, 3), "u1")),
    "no images": saved(lambda rng: np.zeros((0, 3, 3), "u1")),
    "too few": saved(lambda rng: images(rng, int(rng.integers(1, 20))).astype("u1")),
    "counts from 1": saved(lambda rng: images(rng, levels=int(rng.integers(2, 100))) + 1),
    "counts around 0": saved(lambda rng: (images(rng) - 128).astype("i1")),
    "negative whole floats": saved(lambda rng: images(rng, levels=9) - 4.0),
    "counts beyond 16 bits": saved(lambda rng: images(rng).astype("i8") * 1000),
    "another name": saved(lambda rng: {str(rng.choice(["arr_0", "pictures", "faces"])): images(rng)}),
    "nothing": saved(lambda rng: {}),
    "images and splits": saved(split(images=same, train=same)),
    "test alone": saved(split(test=same)),
    "one split twice": saved(split(train=same, x_train=same)),
    "splits of two sizes": saved(split(train=same, test=lambda x: x[:, :-1])),
    "splits of two types": saved(split(train=same, test=lambda x: x.astype("i8"))),
    "splits of two scales": saved(split(train=lambda x: x.astype("f4"), test=lambda x: (x / 255).astype("f4"))),
    "splits of two grids": saved(
        split(train=lambda x: (x / 127.5 - 1).astype("f4"), test=lambda x: (x / 255).astype("f4"))
    ),
    "a split of one image": saved(split(train=same, test=lambda x: x[:1])),
    "labels of a split alone": saved(split(train=same, test=same, y_train=lambda x: np.zeros(len(x)))),
    "labels of halves": saved(labelled(lambda n: np.arange(n) / 2)),
    "labels too few": saved(labelled(lambda n: np.zeros(n - 1, int))),
    "labels of objects": saved(labelled(lambda n: np.array([{}] * n, dtype=object))),
    "labels by pixels": saved(labelled(lambda n: np.zeros((n, 2, 2), int))),
    "cut short": raw(lambda content, rng: content[: int(rng.integers(1, len(content)))]),
    "a changed byte": raw(lambda content, rng: flipped(content, rng)),
    "empty file": raw(lambda content, rng: b""),
    "text in its place": raw(lambda content, rng: b"images: 1\n" * 9),
    "no file": raw(lambda content, rng: None),
    "a folder": a_folder,
    "fewer levels than there are": saved(images, "--levels=200"),
    "levels of real values": saved(reals, "--levels=256"),
    "levels and version 1": saved(images, "--levels=256", "--file_rules=1"),
    "binarisation of real values": saved(reals, "--binarization=dynamic", "--likelihood=bernoulli"),
    "dequantised bits": saved(lambda rng: images(rng, levels=2), "--dequantize=uniform"),
    "binarised bits": saved(lambda rng: images(rng, levels=2), "--binarization=static", "--likelihood=bernoulli"),
    "both": saved(images, "--dequantize=uniform", "--binarization=dynamic"),
    "a density of bits": saved(lambda rng: images(rng, levels=2)),
    "bits of grey": saved(images, "--likelihood=bernoulli"),
    "a learned scale of grey": saved(images, "--likelihood=gaussian_shared"),
    "a scale of constant pixels": saved(
        lambda rng: rng.normal(size=(40, 3, 3)) * [0, 1, 1], "--likelihood=gaussian_pixel"
    ),
    "a subset larger than all": saved(images, "--n_train=5000"),
    "a batch larger than all": saved(images, "--n_train=3"),
}
