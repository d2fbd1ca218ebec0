"""Image files below a folder: which there are, how the folders' names divide them, and their pixels."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from vae_rd.data.readers import MAX_BYTES, first_line
from vae_rd.data.splits import split_named
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

FIRST_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm"})  # Those of --file_rules 1.
SUFFIXES = FIRST_SUFFIXES | {".jfif", ".jpe", ".pnm", ".tif", ".tiff", ".webp", ".gif"}
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP", "GIF")
MAX_PIXELS = 1 << 24  # Of one image; a header that claims more is a mistake or a trap.

_GREY_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_SHOWN = 3  # Folders that a message names.


class Picture(NamedTuple):
    """An image file as numbers.

    Attributes:
        pixels: [H, W] or [H, W, 3]; bool for 1-bit images.
        notes: what was done to get there.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


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


def read_images(files: Sequence[Path], *, turn: bool) -> tuple[np.ndarray, Counter[str]]:
    """Pixels [N, H, W] or [N, H, W, 3], bool for 1-bit images, and what was done to how many of them.

    Args:
        files: of one size and mode.
        turn: whether EXIF orientation is applied.

    Raises:
        InputError: naming the first file that is unreadable, too large, transparent, or of another size or mode.
    """
    first = read_image(files[0], turn=turn).pixels
    if (total := first.nbytes * len(files)) > MAX_BYTES:
        fault = f"{total} bytes of pixels, more than the {MAX_BYTES} held in memory"
        raise InputError(f"{files[0].parent}: {fault}; give fewer images, or smaller ones")
    stack, notes = np.empty((len(files), *first.shape), first.dtype), Counter[str]()
    for i, file in enumerate(files):
        image = read_image(file, turn=turn)
        if (image.pixels.shape, image.pixels.dtype) != (first.shape, first.dtype):
            raise InputError(
                f"{file}: {_described(image.pixels)}, but {files[0]} is {_described(first)}; "
                "give images of one size and mode"
            )
        stack[i] = image.pixels
        notes.update(image.notes)
    return stack, notes


def read_image(file: Path, *, turn: bool = True) -> Picture:
    """One file: grey of any depth, or RGB of 8 bits, its palette looked up and the first of its frames.

    Raises:
        InputError: when it is unreadable, too large, transparent, or of another mode.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(file, formats=FORMATS)
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{file}: {image.width} x {image.height} pixels; the most is {MAX_PIXELS}, give smaller ones"
                )
            return _picture(image, file, turn=turn)
    except InputError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file makes it stumble on.
        raise InputError(
            f"{file}: not a whole {', '.join(FORMATS)} image ({first_line(error)}); mend or remove it"
        ) from None


def _picture(image: Image.Image, file: Path, *, turn: bool) -> Picture:
    notes = ["of several frames or pages, of which the first is taken"] if getattr(image, "is_animated", False) else []
    stored = [str(tile[3]) for tile in getattr(image, "tile", [])]
    if image.mode not in _GREY_MODES and any(";16" in mode for mode in stored):
        raise InputError(f"{file}: {image.mode} of 16 bits, which would be cut to 8; save it with 8 bits")
    image.load()
    upright: Image.Image = image
    if turn and image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        upright = ImageOps.exif_transpose(image)
        notes.append("turned by their EXIF orientation")
    if upright.has_transparency_data:
        upright = _without_alpha(upright, file)
        notes.append("of opaque alpha, which is left out")
    if upright.mode == "P":
        palette = np.reshape(upright.getpalette() or [], (-1, 3))
        is_grey = bool((palette == palette[:, :1]).all())
        upright = upright.convert("RGB").getchannel(0) if is_grey else upright.convert("RGB")
        notes.append(f"of a palette, read as {'grey' if is_grey else 'RGB'}")
    if upright.mode not in (*_GREY_MODES, "RGB"):
        raise InputError(f"{file}: its mode is {upright.mode}; convert it to 1-bit, grey (L) or RGB")
    return Picture(np.asarray(upright), tuple(notes))


def _without_alpha(image: Image.Image, file: Path) -> Image.Image:
    if is_deep := image.mode in ("I", "I;16"):  # One of its values may stand for nothing.
        see_through = int((np.asarray(image) == image.info["transparency"]).sum())
    else:
        see_through = int((np.asarray(image.convert("RGBA"))[..., 3] < 255).sum())
    if see_through:
        raise InputError(
            f"{file}: {see_through} of its {image.width * image.height} pixels are transparent; "
            "paste it onto a background, and save that as grey (L) or RGB"
        )
    return image if is_deep else image.convert("L" if image.mode in ("1", "L", "LA", "La") else "RGB")


def _described(image: np.ndarray) -> str:
    mode = "1-bit" if image.dtype == np.bool_ else "grey" if image.ndim == 2 else "RGB"
    depth = f" of {image.dtype.itemsize * 8} bits" if image.dtype.itemsize > 1 else ""
    return f"{image.shape[1]} x {image.shape[0]} {mode}{depth}"
