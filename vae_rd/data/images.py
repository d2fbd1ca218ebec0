"""Published image sets: which files they are, by checksum, and how each is split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd.data.base import Source
from vae_rd.data.fetch import RemoteFile, fetch
from vae_rd.data.readers import read_amat, read_idx, read_npz
from vae_rd.data.splits import split_source


def _mirrored(name: str, checksum: str, *mirrors: str) -> RemoteFile:
    return RemoteFile(name, checksum, tuple(mirror + name for mirror in mirrors))


_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_STATIC_MIRRORS = (
    "https://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
)

MNIST = (
    _mirrored("train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873", *_MNIST_MIRRORS),
    _mirrored("train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432", *_MNIST_MIRRORS),
    _mirrored("t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3", *_MNIST_MIRRORS),
    _mirrored("t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c", *_MNIST_MIRRORS),
)
STATIC_MNIST_TEXT = (
    _mirrored("binarized_mnist_train.amat", "md5:db28b1a6ae0fe70cbd3da91acf46e477", *_STATIC_MIRRORS),
    _mirrored("binarized_mnist_valid.amat", "md5:bf37822a04e94123630de6a7dfd9c9ef", *_STATIC_MIRRORS),
    _mirrored("binarized_mnist_test.amat", "md5:14e41ae11040adba6ab8cb291eda0dd8", *_STATIC_MIRRORS),
)
STATIC_MNIST_NPZ = RemoteFile(
    "binarized_mnist_fixed.npz", "sha256:7a049ae3a0d88e964af4b41bbdb14e4303595e1c5de65f8bd2455cdcebb3514b"
)
OMNIGLOT = RemoteFile("omniglot.npz", "sha256:e8d5383365aea974c163b7cdc769f85bd17c8f1608051eb19373d768e99d59f7")
DSPRITES = RemoteFile(
    "dsprites_union_packed.npz", "sha256:df7c89a6f4d21aea2eaac3bf1369ac97907157ee08f6c28b1dd30ce113e751fc"
)
CMU_FACES = RemoteFile(
    "cmu_faces_half_clean.npz", "sha256:94a7d6d219b5bb78a55780ff94e01d59bf702b32616e82722de2178e295537bb"
)


def mnist(root: Path) -> Source:
    """Handwritten digits (LeCun et al., 1998), 256 grey levels, 28 x 28, with the factor digit.

    The last 10,000 training images validate: 50,000 / 10,000 / 10,000. Four idx files under `<root>/mnist`, downloaded
    where missing.

    Raises:
        InputError: when a file is missing and cannot be downloaded, or is not the published one.
    """
    paths = [fetch(root / "mnist", file) for file in MNIST]
    train_images, train_digits, test_images, test_digits = (read_idx(path) for path in paths)
    trained, seen = len(train_images) - len(test_images), len(train_images)
    return split_source(
        "mnist",
        np.concatenate([train_images, test_images]),
        where={"train": slice(trained), "val": slice(trained, seen), "test": slice(seen, None)},
        levels=256,
        factors={"digit": np.concatenate([train_digits, test_digits])},
        params=_facts(MNIST, "the last 10,000 training images validate"),
    )


def static_mnist(root: Path) -> Source:
    """The fixed binarisation of MNIST (Larochelle and Murray, 2011), 28 x 28 pixels of 0 and 1, without labels.

    Its own split of 50,000 / 10,000 / 10,000. Read from one npz under `<root>/static_mnist` where that stands, else
    from the three text files, downloaded where missing; both hold the same rows in the same order.

    Raises:
        InputError: as `mnist`.
    """
    folder = root / "static_mnist"
    if (folder / STATIC_MNIST_NPZ.name).exists():
        files: tuple[RemoteFile, ...] = (STATIC_MNIST_NPZ,)
        parts = list(read_npz(fetch(folder, STATIC_MNIST_NPZ), required=("train", "valid", "test")).values())
    else:
        files = STATIC_MNIST_TEXT
        parts = [read_amat(path, columns=784) for path in [fetch(folder, file) for file in files]]
    trained, seen = len(parts[0]), len(parts[0]) + len(parts[1])
    return split_source(
        "static_mnist",
        np.concatenate(parts).reshape(-1, 28, 28),
        where={"train": slice(trained), "val": slice(trained, seen), "test": slice(seen, None)},
        levels=2,
        factors={},
        params=_facts(files, "Larochelle's own"),
    )


def omniglot(root: Path) -> Source:
    """Handwritten characters of 50 alphabets (Lake et al., 2015), area-averaged to 28 x 28, 256 grey levels.

    The 20 evaluation alphabets test (13,180 drawings). Of the 30 background alphabets, drawers 19 and 20 validate
    (1,928) and the others train (17,352), so no hand that trained an alphabet validates it. Factors: alphabet,
    character (its number within the alphabet) and drawer. Not the file of the IWAE paper: its nats do not compare.

    Raises:
        InputError: when `<root>/omniglot/omniglot.npz`, which has no public mirror, is missing or another file.
    """
    names = ("images28", "alphabet", "alphabet_names", "character", "drawer", "is_evaluation")
    arrays = read_npz(fetch(root / "omniglot", OMNIGLOT), required=names)
    tests, held_out = arrays["is_evaluation"], arrays["drawer"] >= 19
    return split_source(
        "omniglot",
        arrays["images28"],
        where={"train": ~tests & ~held_out, "val": ~tests & held_out, "test": tests},
        levels=256,
        factors={
            "alphabet": arrays["alphabet_names"][arrays["alphabet"]],
            "character": arrays["character"],
            "drawer": arrays["drawer"],
        },
        params=_facts([OMNIGLOT], "evaluation alphabets test; drawers 19 and 20 of the background ones validate"),
    )


def dsprites(root: Path) -> Source:
    """The grid of 3 shapes, 6 scales, 10 orientations and 16 x 16 places in dSprites (Matthey et al., 2017), 64 x 64.

    A population: 46,080 equally probable factor combinations, of which 14 pairs look the same, so H = 10.737713. In
    the file the grid is where the class of orientation is a multiple of 4 and those of x and y are even. Factors:
    shape, scale, orientation (radians), x and y.

    Raises:
        InputError: when `<root>/dsprites/dsprites_union_packed.npz`, which has no public mirror, is missing or another
            file.
    """
    names = ("imgs_packed", "latents_classes", "latents_values")
    packed, classes, values = read_npz(fetch(root / "dsprites", DSPRITES), required=names).values()
    grid = (classes[:, 2] % 4 == 0) & (classes[:, 3] % 2 == 0) & (classes[:, 4] % 2 == 0)
    source = split_source(
        "dsprites",
        np.unpackbits(packed[grid], axis=1).reshape(-1, 64, 64),
        where={"train": slice(None)},
        levels=2,
        factors=dict(zip(("shape", "scale", "orientation", "x", "y"), values[grid].T, strict=True)),
        params=_facts([DSPRITES], "the whole grid is every split"),
    )
    return replace(source, population=True)


def cmu_faces(root: Path) -> Source:
    """Faces of 20 people (Mitchell, 1997), 624 of 60 x 64, 154 grey levels: the file stores k / 153, this k.

    Split by person, in alphabetical order: 14 train (438 images), 3 validate (95), 3 test (91), so no face is in two
    splits. Factors: person, pose, expression and sunglasses.

    Raises:
        InputError: when `<root>/cmu_faces/cmu_faces_half_clean.npz`, which has no public mirror, is missing or another
            file.
    """
    names = ("images", "person", "pose", "expression", "sunglasses")
    arrays = read_npz(fetch(root / "cmu_faces", CMU_FACES), required=names)
    images = arrays.pop("images")
    people = np.unique(arrays["person"])
    validates, tests = np.isin(arrays["person"], people[14:17]), np.isin(arrays["person"], people[17:])
    return split_source(
        "cmu_faces",
        np.rint(images * 153).astype(np.uint8),
        where={"train": ~validates & ~tests, "val": validates, "test": tests},
        levels=154,
        factors=arrays,
        params=_facts([CMU_FACES], "by person, alphabetically: 14 train, 3 validate, 3 test"),
    )


def _facts(files: Iterable[RemoteFile], split: str) -> dict[str, Any]:
    return {"files": {file.name: file.checksum for file in files}, "split": split}
