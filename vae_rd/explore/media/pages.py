"""Images side by side as one page, and a page as the bytes of a PNG."""

from __future__ import annotations

import io
import math

import numpy as np

LEAST = 32  # Pixels of a tile's longer side: smaller images are enlarged by a whole number to see them.


def grid(images: np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """Images [n, H, W] or [n, H, W, C] beside and below each other, a line of 1 between; what is left over is 1.

    Args:
        images: in the order of reading.
        columns: images in a row; None for a page that is as square as it can be.

    Example:
        >>> grid(np.zeros((3, 2, 2))).astype(int).tolist()
        [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]]
    """
    n, height, width, *channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    page = np.ones((rows, height + 1, columns, width + 1, *channels), dtype=images.dtype)
    for place, image in enumerate(images):
        page[place // columns, :height, place % columns, :width] = image
    return page.reshape(rows * (height + 1), columns * (width + 1), *channels)[:-1, :-1]


def enlargement(height: int, width: int) -> int:
    """How many times a tile is enlarged, so that small images can be seen.

    Example:
        >>> enlargement(8, 8), enlargement(28, 28), enlargement(64, 64)
        (4, 2, 1)
    """
    return math.ceil(LEAST / max(height, width))


def png(page: np.ndarray, *, scale: int = 1) -> bytes:
    """A page as a PNG of 8 bits, black 0 and white 1; what lies outside is cut off.

    Args:
        page: [H, W] or [H, W, 3].
        scale: pixels of the file a pixel of the page, along each side.

    Example:
        >>> png(np.zeros((2, 2)))[1:4]
        b'PNG'
    """
    from PIL import Image  # No other use of the package has to wait for it.

    levels = np.rint(255 * np.clip(page, 0, 1)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels.repeat(scale, 0).repeat(scale, 1)).save(stream, "PNG")
    return stream.getvalue()
