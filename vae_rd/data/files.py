"""Images of one's own: an npz array or a folder of image files, checked, and split at random by `--data_seed`."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vae_rd.data.base import Source, subset
from vae_rd.data.readers import MAX_BYTES, first_line, read_npz
from vae_rd.data.splits import split_source
from vae_rd.errors import InputError

FORMATS = ("PNG", "JPEG", "BMP", "PPM")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm"})
MAX_PIXELS = 1 << 24  # Of one image; a header that claims more is a mistake or a trap.
MIN_IMAGES = 20  # A tenth must hold two images, or its means have no standard error.

_ROUNDING = 1e-6  # Relative; k / 255 computed in float32 is within 2e-7 of the true quotient.


def npz(path: Path, *, data_seed: int = 0) -> Source:
    """The array `images` of an npz file, [N, H, W] or [N, H, W, C], with the optional array `labels` [N].

    bool and uint8 are pixels of 2 levels where all are 0 or 1, else of 256. float32 and float64 are real-valued data
    (`levels` None) - unless they are grey levels in disguise, k or k / 255 with whole k from 0 to 255, which are stored
    as k: a density fitted to such numbers as they stand would diverge.

    Raises:
        InputError: for a file that is no whole npz archive, Python objects, another shape or dtype, values that are
            not finite, or fewer than 20 images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "own.npz"
        ...     np.savez(file, images=np.zeros((30, 8, 8, 3), np.uint8), labels=np.arange(30) % 2)
        ...     source = npz(file)
        >>> source.images["train"].shape, source.levels
        (torch.Size([24, 3, 8, 8]), 2)
    """
    arrays = read_npz(path, required=("images",), optional=("labels",))
    images, labels = arrays["images"], arrays.get("labels")
    if problem := _shape_problem(images.shape) or _labels_problem(labels, len(images)):
        raise InputError(f"{path}: {problem}")
    pixels, levels = _pixels(images, path)
    return _own("npz", pixels, levels=levels, labels=labels, data_seed=data_seed, where=path)


def image_folder(path: Path, *, data_seed: int = 0) -> Source:
    """All PNG, JPEG, BMP and PPM files below a folder, in the order of their paths, of one size and mode.

    Grey (L) and RGB images have 256 levels, 1-bit images 2. The label of an image is the first-level subfolder it is
    in, "" for one that is in none; without subfolders there are no labels. Hidden files and folders are left out,
    symbolic links to folders are not followed, EXIF orientation is not applied.

    Raises:
        InputError: naming the first file that is unreadable, too large, of another size or mode, or linked from
            outside the folder; or when there are fewer than 20 images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(20):
        ...         Image.new("L", (6, 8), color=i).save(Path(folder) / f"{i}.png")
        ...     source = image_folder(Path(folder))
        >>> source.images["train"].shape, source.levels
        (torch.Size([16, 1, 8, 6]), 256)
    """
    files = sorted(_image_files(path), key=lambda file: file.relative_to(path).as_posix())
    if not files:
        raise InputError(f"{path}: no image file below this folder; give {', '.join(sorted(SUFFIXES))} files")
    stack = _stack(files)
    groups = np.array([parts[0] if len(parts := file.relative_to(path).parts) > 1 else "" for file in files])
    labels = groups if any(groups) else None
    levels = 2 if stack.dtype == np.bool_ else 256
    pixels = stack.astype(np.uint8, copy=False)
    return _own("image_folder", pixels, levels=levels, labels=labels, data_seed=data_seed, where=path)


def _own(
    name: str, pixels: np.ndarray, *, levels: int | None, labels: np.ndarray | None, data_seed: int, where: Path
) -> Source:
    if (n := len(pixels)) < MIN_IMAGES:
        raise InputError(f"{where}: {n} images are too few to split 80/10/10; give at least {MIN_IMAGES}")
    order, tenth = subset(n, n, "split", data_seed).numpy(), n // 10
    digest = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
    return split_source(
        name,
        pixels,
        where={"train": order[2 * tenth :], "val": order[:tenth], "test": order[tenth : 2 * tenth]},
        levels=levels,
        factors={} if labels is None else {"label": labels},
        params={"sha256_pixels": digest, "split": "at random, 80/10/10", "data_seed": data_seed},
    )


def _shape_problem(shape: tuple[int, ...]) -> str | None:
    if len(shape) not in (3, 4) or min(shape) == 0:
        return f"array images is {list(shape)}; give [N, H, W] or [N, H, W, C], none of them 0"
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] > 4:
        return f"array images is {list(shape)}, which looks like [N, C, H, W]; give [N, H, W, C]"
    return None


def _labels_problem(labels: np.ndarray | None, n: int) -> str | None:
    if labels is None or (labels.shape == (n,) and labels.dtype.kind in "biuU"):
        return None
    return f"array labels is {list(labels.shape)} of {labels.dtype}; give [{n}] of integers, booleans or text"


def _pixels(images: np.ndarray, path: Path) -> tuple[np.ndarray, int | None]:
    """Values as `Source` stores them, and the number of grey levels."""
    if images.dtype in (np.bool_, np.uint8):
        return images.astype(np.uint8, copy=False), 2 if images.max() <= 1 else 256
    if images.dtype.kind != "f" or images.dtype.itemsize not in (4, 8):
        raise InputError(f"{path}: array images is of {images.dtype}; give uint8, bool, float32 or float64")
    if not np.abs(images).max() <= np.finfo(np.float32).max:
        raise InputError(f"{path}: array images holds NaN, infinite or too large values; give finite float32 numbers")
    if (whole := _counts(images, scale=1)) is not None:
        return whole, 2 if whole.max() <= 1 else 256
    if (counts := _counts(images, scale=255)) is not None:
        return counts, 256
    return images.astype(np.float32), None


def _counts(images: np.ndarray, *, scale: int) -> np.ndarray | None:
    """`images * scale` as uint8 if these are whole numbers from 0 to 255 up to rounding, else None."""
    if images.min() < 0 or images.max() > 255.5 / scale:
        return None
    values = images * scale
    nearest = np.rint(values)
    return nearest.astype(np.uint8) if (np.abs(values - nearest) <= _ROUNDING * nearest).all() else None


def _image_files(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        visible = [name for name in names if not name.startswith(".")]
        for name in (*subfolders, *visible):
            _refuse_way_out(Path(folder, name), root)
        for file in (Path(folder, name) for name in visible if Path(name).suffix.lower() in SUFFIXES):
            if not file.is_file():  # Opening a pipe would wait for ever.
                raise InputError(f"{file}: neither a file nor a link to one; remove it")
            yield file


def _refuse_way_out(entry: Path, root: Path) -> None:
    if not entry.is_symlink():
        return
    try:
        inside = entry.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # A link that leads to itself.
        inside = False
    if not inside:
        raise InputError(f"{entry}: a symbolic link that leaves {root}; copy the file into the folder")


def _stack(files: Sequence[Path]) -> np.ndarray:
    """[N, H, W] or [N, H, W, 3], bool for 1-bit images, else uint8."""
    first = _image(files[0])
    if (total := first.nbytes * len(files)) > MAX_BYTES:
        raise InputError(f"{files[0].parent}: {total} bytes of pixels, more than the {MAX_BYTES} held in memory")
    stack = np.empty((len(files), *first.shape), first.dtype)
    for i, file in enumerate(files):
        image = _image(file)
        if (image.shape, image.dtype) != (first.shape, first.dtype):
            raise InputError(
                f"{file}: {_described(image)}, but {files[0]} is {_described(first)}; give images of one size and mode"
            )
        stack[i] = image
    return stack


def _image(file: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(file, formats=FORMATS)
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{file}: {image.width} x {image.height} pixels; the most is {MAX_PIXELS}")
            if image.mode not in ("1", "L", "RGB"):
                raise InputError(f"{file}: its mode is {image.mode}; convert it to 1-bit, grey (L) or RGB")
            return np.asarray(image)
    except InputError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file makes it stumble on.
        raise InputError(f"{file}: not a whole {', '.join(FORMATS)} image ({first_line(error)})") from None


def _described(image: np.ndarray) -> str:
    mode = "1-bit" if image.dtype == np.bool_ else "grey" if image.ndim == 2 else "RGB"
    return f"{image.shape[1]} x {image.shape[0]} {mode}"
