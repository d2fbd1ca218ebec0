"""Image files, and images that Pillow has opened, as numbers: grey of any depth, or RGB of 8 bits."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from vae_rd.data.readers import MAX_BYTES, first_line
from vae_rd.errors import InputError

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP", "GIF")
MAX_PIXELS = 1 << 24  # Of one image; a header that claims more is a mistake or a trap.

_GREY_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")


class Picture(NamedTuple):
    """An image file as numbers.

    Attributes:
        pixels: [H, W] or [H, W, 3]; bool for 1-bit images.
        notes: what was done to get there.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def read_images(files: Sequence[Path], *, turn: bool) -> tuple[np.ndarray, Counter[str]]:
    """Pixels [N, H, W] or [N, H, W, 3], bool for 1-bit images, and what was done to how many of them.

    Args:
        files: of one size and mode.
        turn: whether EXIF orientation is applied.

    Raises:
        InputError: naming the first file that is unreadable, too large, transparent, or of another size or mode.
    """
    return stacked(len(files), lambda i: read_image(files[i], turn=turn), files.__getitem__, files[0].parent)


def stacked(
    n: int, read: Callable[[int], Picture], name: Callable[[int], object], where: object
) -> tuple[np.ndarray, Counter[str]]:
    """n pictures of one size and mode in one array, and what was done to how many of them.

    Args:
        n: how many, at least one.
        read: the picture at a position.
        name: what messages call it.
        where: what they are all in.

    Raises:
        InputError: for one of another size or mode, or more than memory is to hold.
    """
    first = read(0).pixels
    if (total := first.nbytes * n) > MAX_BYTES:
        fault = f"{total} bytes of pixels, more than the {MAX_BYTES} held in memory"
        raise InputError(f"{where}: {fault}; give fewer images, or smaller ones")
    stack, notes = np.empty((n, *first.shape), first.dtype), Counter[str]()
    for i in range(n):
        image = read(i)
        if (image.pixels.shape, image.pixels.dtype) != (first.shape, first.dtype):
            raise InputError(
                f"{name(i)}: {_described(image.pixels)}, but {name(0)} is {_described(first)}; "
                "give images of one size and mode"
            )
        stack[i] = image.pixels
        notes.update(image.notes)
    return stack, notes


def read_image(file: object, content: bytes | None = None, *, turn: bool = True) -> Picture:
    """One file: grey of any depth, or RGB of 8 bits, its palette looked up and the first of its frames.

    Args:
        file: its path; of bytes that are given, what messages call them.
        content: its bytes, where they lie elsewhere.
        turn: whether EXIF orientation is applied.

    Raises:
        InputError: when it is unreadable, too large, transparent, or of another mode.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(str(file) if content is None else io.BytesIO(content), formats=FORMATS)
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{file}: {image.width} x {image.height} pixels; the most is {MAX_PIXELS}, give smaller ones"
                )
            return picture_of(image, file, turn=turn)
    except InputError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file makes it stumble on.
        raise InputError(
            f"{file}: not a whole {', '.join(FORMATS)} image ({first_line(error)}); mend or remove it"
        ) from None


def picture_of(image: Image.Image, file: object, *, turn: bool = True) -> Picture:
    """The numbers of an image that Pillow has opened.

    Args:
        image: opened.
        file: what messages call it.
        turn: whether EXIF orientation is applied.

    Raises:
        InputError: when it is transparent, or of another mode than grey, RGB or a palette.

    Example:
        >>> picture_of(Image.new("P", (3, 2)), "here")
        Picture(pixels=array([[0, 0, 0],
               [0, 0, 0]], dtype=uint8), notes=('of a palette, read as grey',))
    """
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


def _without_alpha(image: Image.Image, file: object) -> Image.Image:
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
