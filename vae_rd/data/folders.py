"""Image files below a folder: which there are, and how the folders' names divide them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from vae_rd.data.splits import split_named
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

FIRST_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm"})  # Those of --file_rules 1.
SUFFIXES = FIRST_SUFFIXES | {".jfif", ".jpe", ".pnm", ".tif", ".tiff", ".webp", ".gif"}
_SHOWN = 3  # Folders that a message names.


def image_files(root: Path, suffixes: Collection[str]) -> tuple[list[Path], Counter[str]]:
    """The image files below a folder in the order of their paths, and how many others there are by their suffix.

    Hidden files and folders are neither; symbolic links to folders are not followed.

    Raises:
        InputError: for a folder that cannot be read, a link that leads out of it, or a pipe.
    """
    files, left_out = [], Counter[str]()
    for file in _visible_files(root):
        if file.suffix.lower() in suffixes:
            if not file.is_file():  # Opening a pipe would wait for ever.
                raise InputError(f"{file}: neither a file nor a link to one; remove it")
            files.append(file)
        else:
            left_out[file.suffix.lower() or "without suffix"] += 1
    return sorted(files, key=lambda file: file.relative_to(root).as_posix()), left_out


def _visible_files(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); give a folder that can be") from None

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        visible = [name for name in names if not name.startswith(".")]
        for name in (*subfolders, *visible):
            _refuse_way_out(Path(folder, name), root)
        yield from (Path(folder, name) for name in visible)


def _refuse_way_out(entry: Path, root: Path) -> None:
    if not entry.is_symlink():
        return
    try:
        inside = entry.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # A link that leads to itself.
        inside = False
    if not inside:
        raise InputError(f"{entry}: a symbolic link that leaves {root}; copy the file into the folder")


def layout(folders: Sequence[tuple[str, ...]], *, where: str) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Positions of the splits that folders name, and labels.

    Folders named train, val and test are the splits; they stand at the top, below folders that hold everything, or
    below one folder for each class. The label is the folder below a split, else the one above it; without splits it is
    the folder at the top, "" for an image that is in none.

    Args:
        folders: per image, the folders that it is in, from the top.
        where: what messages begin with.

    Raises:
        InputError: where some images are in such folders and some are not, or none is in train.

    Example:
        >>> layout([("train", "a"), ("train", "b"), ("test", "a")], where="here")
        ({'train': array([0, 1]), 'test': array([2])}, array(['a', 'b', 'a'], dtype='<U1'))
    """
    shared = next((i for i, names in enumerate(zip(*folders, strict=False)) if len(set(names)) > 1), None)
    shared = min(len(parts) for parts in folders) if shared is None else shared
    for depth in (shared, shared + 1):
        splits = np.array([split_named(_at(parts, depth)) or "" for parts in folders])
        if (splits != "").any():
            _check_names({_at(parts, depth) for parts in folders}, where)
            own = {split: np.flatnonzero(splits == split) for split in SPLITS if split in splits}
            labels = folders_at(folders, depth + 1)
            return own, folders_at(folders, shared) if labels is None and depth > shared else labels
    if named := [name for name in folders[0][:shared] if split_named(name)]:
        _check_names(named, where)
        return {"train": np.arange(len(folders))}, folders_at(folders, shared)
    return {}, folders_at(folders, 0)


def _at(parts: tuple[str, ...], depth: int) -> str:
    return parts[depth] if len(parts) > depth else ""


def folders_at(folders: Sequence[tuple[str, ...]], depth: int) -> np.ndarray | None:
    """The name of each image's folder at a depth, "" where it lies higher; None where all do."""
    names = np.array([_at(parts, depth) for parts in folders])
    return names if names.any() else None


def _check_names(names: Collection[str], where: str) -> None:
    """Refuse names that divide images into splits in part, twice, or without train."""
    splits = {name: split for name in sorted(names) if (split := split_named(name))}
    if others := sorted(name or "none" for name in names if name not in splits):
        raise InputError(
            f"{where}: folders {', '.join(splits)} name splits, but images are in {', '.join(others[:_SHOWN])} too; "
            "move these into one of the splits, or rename the folders"
        )
    if "train" not in splits.values():
        raise InputError(
            f"{where}: {', '.join(splits)} without train; add a folder train, or give one of them itself as --data_file"
        )
    if twice := [name for name, split in splits.items() if list(splits.values()).count(split) > 1]:
        raise InputError(f"{where}: {' and '.join(twice)} are one split by their names; put their images into one")
