"""Images of one's own: an npz archive or a folder of image files, checked, and split as named or by `--data_seed`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd.config.fields import FileRules, Layout
from vae_rd.data.archives import Archive, read_archive
from vae_rd.data.base import Source
from vae_rd.data.folders import FIRST_SUFFIXES, SUFFIXES, folders_at, image_files, layout
from vae_rd.data.levels import EIGHT_BITS, Reading, first_levels, read_levels
from vae_rd.data.own import Own, own_source
from vae_rd.data.pictures import read_images
from vae_rd.errors import InputError


def npz(
    path: Path,
    *,
    data_seed: int = 0,
    levels: int | None = None,
    rules: FileRules = "2",
    population: bool = False,
    layout: Layout = "channels_last",
) -> Source:
    """The arrays of an npz file: `images` [N, H, W] or [N, H, W, C], or vectors [N, D], with optional `labels`.

    Where channels come first, `images` are sequences [N, C, L], images [N, C, H, W] or volumes [N, C, D, H, W].

    In place of `images` there may be arrays named by their split: `train`, `val` (or `valid`, `validation`, `dev`) and
    `test`, or these with x, images or data beside them (`x_train`), and their labels with y or labels (`y_train`). Val
    and test that are not there are taken from train at random. Labels are [N], or [N, F] of F factors. What the numbers
    of pixels are read as is in `vae_rd.data.levels.read_levels`.

    Args:
        path: of the file.
        data_seed: seed of what is split at random.
        levels: number of grey levels; None to tell from the values.
        rules: "1" for what version 1 of the defaults made of a file.
        population: whether the images are all there are: then each split is all of them, whatever splits are named.
        layout: which axis of images has the channels.

    Raises:
        InputError: for a file that is no whole npz archive, Python objects, another shape or dtype, values that are
            not finite or could be several things, or fewer than 20 images to split.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "own.npz"
        ...     np.savez(file, images=np.zeros((30, 8, 8, 3), np.uint8), labels=np.arange(30) % 2)
        ...     source = npz(file)
        >>> source.images["train"].shape, source.levels
        (torch.Size([24, 3, 8, 8]), 2)
    """
    found = read_archive(path, by_split=rules != "1", layout=layout)
    if rules == "1":
        reading = first_levels(found.images, where=found.where)
    else:
        reading = read_levels(found.images, asked=levels, where=found.where)
        if levels is None:
            _check_scales(found, reading)
    notes = [f"arrays left out: {', '.join(found.left_out)}"] if found.left_out else []
    own = Own(reading, found.splits, found.factors, notes, layout)
    settings: dict[str, Any] = {"data_seed": data_seed, "rules": rules, "population": population}
    return own_source("npz", own, where=str(path), file=path.absolute().name, **settings)


def image_folder(
    path: Path, *, data_seed: int = 0, levels: int | None = None, rules: FileRules = "2", population: bool = False
) -> Source:
    """All PNG, JPEG, BMP, PPM, TIFF, WebP and GIF files below a folder, of one size and mode: 1-bit, grey or RGB.

    Folders named train, val (or valid, validation, dev) and test are the splits, in any case, and labels are the
    folders below them; otherwise the label of an image is the first-level subfolder it is in, "" for one that is in
    none. EXIF orientation is applied, of an animation the first frame is taken, palettes are looked up. What the
    numbers of pixels are read as is in `vae_rd.data.levels.read_levels`.

    Args:
        path: of the folder.
        data_seed: seed of what is split at random.
        levels: number of grey levels; None to tell from the values.
        rules: "1" for what version 1 of the defaults made of a folder.
        population: whether the images are all there are: then each split is all of them, whatever splits are named.

    Raises:
        InputError: naming the first file that is unreadable, too large, transparent, of another size or mode, or linked
            from outside the folder; or when there are fewer than 20 images to split.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(20):
        ...         Image.new("L", (6, 8), color=10 * i).save(Path(folder) / f"{i}.png")
        ...     source = image_folder(Path(folder))
        >>> source.images["train"].shape, source.levels
        (torch.Size([16, 1, 8, 6]), 256)
    """
    files, left_out = image_files(path, FIRST_SUFFIXES if rules == "1" else SUFFIXES)
    if not files:
        raise InputError(f"{path}: no image file below this folder; give {', '.join(sorted(SUFFIXES))} files")
    pixels, done = read_images(files, turn=rules != "1")
    folders = [file.relative_to(path).parts[:-1] for file in files]
    splits, labels = ({}, folders_at(folders, 0)) if rules == "1" else layout(folders, where=str(path))
    reading = _as_first(pixels) if rules == "1" else read_levels(pixels, asked=levels, where=str(path))
    notes = [f"{n} {what}" for what, n in sorted(done.items())]
    if left_out:
        notes.append(f"left out: {', '.join(f'{n} {suffix}' for suffix, n in sorted(left_out.items()))}")
    own = Own(reading, splits, {} if labels is None else {"label": labels}, notes)
    settings: dict[str, Any] = {"data_seed": data_seed, "rules": rules, "population": population}
    return own_source("image_folder", own, where=str(path), file=path.absolute().name, **settings)


def _check_scales(found: Archive, whole: Reading) -> None:
    """Refuse splits of which one is counts and another is not, or on grids of their own: one has been scaled."""
    if whole.levels is not None:
        if len(found.splits) > 1 and found.images.dtype.kind == "f":
            _check_grids(found, whole.levels)
        return
    for split, where in found.splits.items():
        alone = read_levels(found.images[where], asked=None, where=f"{found.where}, {split}")
        if alone.levels is not None:
            raise InputError(
                f"{found.where}: {split} has {alone.said.replace('read as', 'of')}, another split real values from "
                f"{found.images.min():g} to {found.images.max():g}; scale all splits alike"
            )


def _check_grids(found: Archive, together: int) -> None:
    """Refuse splits that only a finer grid than that of each has in common, such as -1..1 and 0..1 of 256 levels."""
    said = []
    for split, where in found.splits.items():
        with suppress(InputError):  # Of few values the levels may be anybody's guess.
            alone = read_levels(found.images[where], asked=None, where=found.where)
            if alone.levels is not None and alone.levels < together:
                said.append(f"{split} has {alone.said.replace('read as', 'of')}")
    if len(said) == len(found.splits):
        raise InputError(
            f"{found.where}: {', '.join(said)}; scale all splits alike, or add --levels {together} if they are"
        )


def _as_first(pixels: np.ndarray) -> Reading:
    """As version 1 of the defaults read image files: by their mode alone."""
    levels = 2 if pixels.dtype == np.bool_ else EIGHT_BITS
    return Reading(pixels.astype(np.uint8, copy=False), levels, f"read as {levels} levels (--file_rules 1)")
