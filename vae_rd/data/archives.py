"""The arrays of an npz archive of one's own: which are images, which labels, and which splits they name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vae_rd.config.fields import Layout
from vae_rd.data.labels import factors_of
from vae_rd.data.readers import npz_sizes, read_npz
from vae_rd.data.splits import split_named
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

_SHOWN = 9  # Arrays that a message lists.
_WHOLE = "all"  # In place of a split, where images are not divided.

# Words beside a split in the name of an array: "x_train", "train_images"; "y_train", "train_labels".
_WORDS: Mapping[str, frozenset[str]] = {
    "images": frozenset({"x", "image", "images", "imgs", "data"}),
    "labels": frozenset({"y", "label", "labels", "target", "targets"}),
}
Names = dict[str, str]  # Of arrays, by split.


class Archive(NamedTuple):
    """What an archive holds.

    Attributes:
        images: [N, D], [N, H, W] or [N, H, W, C], or with channels first, of all splits.
        where: what messages about them begin with.
        splits: positions of the splits that it names.
        factors: labels.
        left_out: names of arrays that were not read.
    """

    images: np.ndarray
    where: str
    splits: dict[str, np.ndarray]
    factors: dict[str, np.ndarray]
    left_out: list[str]


def read_archive(path: Path, *, by_split: bool, layout: Layout = "channels_last") -> Archive:
    """The images and labels of an npz archive.

    Args:
        path: of the file.
        by_split: whether arrays may be named by their split.
        layout: which axis of images has the channels.

    Raises:
        InputError: for a file that is no npz archive, or arrays that are no images or labels, or of no plain role.
    """
    names = list(npz_sizes(path))
    images, labels = _chosen(names, path, by_split=by_split)
    arrays = read_npz(path, required=[*images.values(), *labels.values()])
    parts = {split: arrays[name] for split, name in images.items()}
    _check_images(parts, images, path, layout)
    return Archive(
        images=np.concatenate(list(parts.values())) if len(parts) > 1 else next(iter(parts.values())),
        where=f"{path}: array {' and '.join(images.values())}",
        splits={} if _WHOLE in parts else _positions(parts),
        factors=_factors({split: (arrays[name], len(parts[split])) for split, name in labels.items()}, labels, path),
        left_out=[name for name in names if name not in arrays][:_SHOWN],
    )


def _chosen(names: Sequence[str], path: Path, *, by_split: bool) -> tuple[Names, Names]:
    """Which arrays are the images and which the labels, by split."""
    roles = {name: role for name in names if by_split and (role := _role(name)) is not None}
    images = _by_split("images", roles, path)
    if "images" in names and images:
        raise InputError(f"{path}: it holds images and {', '.join(images.values())}; keep images, or the splits")
    if "images" in names:
        return {_WHOLE: "images"}, {_WHOLE: "labels"} if "labels" in names else {}
    if "train" not in images:
        raise InputError(
            f"{path}: it has no array images; it holds {list(names)[:_SHOWN]}; name the array images, or train"
        )
    labels = _by_split("labels", roles, path)
    if labels and labels.keys() != images.keys():
        raise InputError(
            f"{path}: images of {', '.join(images)}, but labels of {', '.join(labels)}; give those of all, or none"
        )
    return images, {split: labels[split] for split in images if labels}


def _role(name: str) -> tuple[str, str] | None:
    """What an array named by a split holds, and of which split.

    Example:
        >>> _role("X_train"), _role("valid_labels"), _role("test"), _role("weights")
        (('images', 'train'), ('labels', 'val'), ('images', 'test'), None)
    """
    words = re.split(r"[\W_]+", name.lower())
    splits = [split for word in words if (split := split_named(word))]
    others = [word for word in words if not split_named(word)]
    if len(splits) != 1 or len(others) > 1:
        return None
    what = next((kind for kind, known in _WORDS.items() if not others or others[0] in known), None)
    return None if what is None else (what, splits[0])


def _by_split(what: str, roles: Mapping[str, tuple[str, str]], path: Path) -> Names:
    found: Names = {}
    for name, (kind, split) in roles.items():
        if kind == what and split in found:
            raise InputError(f"{path}: arrays {found[split]} and {name} are one split by their names; keep one of them")
        if kind == what:
            found[split] = name
    return {split: found[split] for split in SPLITS if split in found}


def _check_images(parts: Mapping[str, np.ndarray], names: Names, path: Path, layout: Layout) -> None:
    first = next(iter(parts))
    for split, array in parts.items():
        if problem := shape_problem(array.shape, layout):
            raise InputError(f"{path}: array {names[split]} is {list(array.shape)}{problem}")
        if (array.shape[1:], array.dtype) != (parts[first].shape[1:], parts[first].dtype):
            raise InputError(
                f"{path}: {names[split]} is {list(array.shape)} of {array.dtype}, but {names[first]} is "
                f"{list(parts[first].shape)} of {parts[first].dtype}; give images of one size and type"
            )


def shape_problem(shape: tuple[int, ...], layout: Layout) -> str | None:
    """Why an array of this shape holds no images, vectors, sequences or volumes; None where it does.

    Example:
        >>> shape_problem((9, 3, 64, 64), "channels_first") is None, shape_problem((9, 3, 64, 64), "channels_last")
        (True, ', which looks like [N, C, H, W]; add --layout channels_first')
    """
    if layout == "channels_first":
        fits = len(shape) in (2, 3, 4, 5) and min(shape) > 0
        return None if fits else "; give [N, C, L], [N, C, H, W], [N, C, D, H, W] or vectors [N, D], none of them 0"
    if len(shape) == 5 and min(shape) > 0:
        return ", five axes; of volumes [N, C, D, H, W] add --layout channels_first"
    if len(shape) not in (2, 3, 4) or min(shape) == 0:
        return "; give [N, H, W], [N, H, W, C] or vectors [N, D], none of them 0"
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] > 4:
        return ", which looks like [N, C, H, W]; add --layout channels_first"
    return None


def _positions(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    ends = np.cumsum([len(array) for array in parts.values()])
    return {split: np.arange(end - len(parts[split]), end) for split, end in zip(parts, ends, strict=True)}


def _factors(labels: Mapping[str, tuple[np.ndarray, int]], names: Names, path: Path) -> dict[str, np.ndarray]:
    """Factors over all splits, in their order."""
    each = [factors_of(array, n, where=f"{path}: array {names[split]}") for split, (array, n) in labels.items()]
    if any(_kinds(factors) != _kinds(each[0]) for factors in each):
        raise InputError(f"{path}: {' and '.join(names.values())} hold labels of several kinds; give one kind")
    return {factor: np.concatenate([factors[factor] for factors in each]) for factor in (each[0] if each else {})}


def _kinds(factors: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {factor: column.dtype.kind.replace("u", "i") for factor, column in factors.items()}
