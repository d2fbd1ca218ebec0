"""Readers of the formats data sets are published in: the content is exactly what the format says, or it is refused."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from vae_rd.errors import InputError

MAX_BYTES = 8 << 30  # A data set is held in memory, whole.

_IDX_UINT8 = b"\x00\x00\x08"
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> np.ndarray:
    """An idx file of unsigned bytes, gzip-compressed or not, with the shape its header states.

    Layout: 0, 0, 8 (unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit integer, the bytes.

    Raises:
        InputError: when it cannot be read, is not such a file, is cut short or has bytes too many.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "labels"
        ...     _ = file.write_bytes(b"\\0\\0\\x08\\1" + b"\\0\\0\\0\\3" + b"\\7\\2\\1")
        ...     read_idx(file).tolist()
        [7, 2, 1]
    """
    content = _decompressed(path)
    if len(content) < 4 or content[:3] != _IDX_UINT8 or len(content) < (start := 4 + 4 * content[3]):
        raise InputError(f"{path}: not an idx file of unsigned bytes; give the original file")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if (found := len(content) - start) != (promised := math.prod(shape)):
        fault = "cut short" if found < promised else "bytes too many"
        raise InputError(f"{path}: {fault}: its header promises {promised} bytes, {found} follow; give the original")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _decompressed(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); give the original file") from None


def read_amat(path: Path, *, columns: int) -> np.ndarray:
    """A text table of binary digits, each followed by one blank, or by a newline at the end of a row.

    Returns:
        [N, columns] uint8 of 0 and 1.

    Raises:
        InputError: when it cannot be read or is anything else than such a table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "table.amat"
        ...     _ = file.write_text("0 1 1\\n1 0 0\\n")
        ...     read_amat(file, columns=3).tolist()
        [[0, 1, 1], [1, 0, 0]]
    """
    try:
        text = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); give the original file") from None
    if len(text) == 0 or len(text) % (2 * columns):
        raise InputError(f"{path}: {len(text)} bytes are not rows of {columns} digits; give the original file")
    table = text.reshape(-1, 2 * columns)
    digits, blanks, ends = table[:, ::2], table[:, 1:-1:2], table[:, -1]
    if not (((digits | 1) == ord("1")).all() and (blanks == ord(" ")).all() and (ends == ord("\n")).all()):
        raise InputError(f"{path}: not a text of 0 and 1, {columns} a line, between single blanks; give the original")
    return digits & 1


def read_npz(path: Path, *, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The named arrays of an npz archive, never unpickling; of the optional ones, those that are there.

    Raises:
        InputError: when it is not an npz archive, is damaged or too large, lacks an array, or holds Python objects.
    """
    sizes = npz_sizes(path)
    if missing := [name for name in required if name not in sizes]:
        has = f"it has no array {', '.join(missing)}; it holds {list(sizes)[:9]}"
        raise InputError(f"{path}: {has}; give a file that has them all")
    wanted = [name for name in (*required, *optional) if name in sizes]
    if (total := sum(sizes[name] for name in wanted)) > MAX_BYTES:
        fault = f"{total} bytes unpacked, more than the {MAX_BYTES} that are held in memory"
        raise InputError(f"{path}: {fault}; give fewer images, or smaller ones")
    return {name: _array(path, name) for name in wanted}


def npz_sizes(path: Path) -> dict[str, int]:
    """The names of an npz archive's arrays, with their sizes in bytes as unpacked.

    Raises:
        InputError: when it is missing or is not an npz archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); give the path of a file that can be") from None
    except (ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a whole npz archive ({first_line(error)}); write it with numpy.savez(file, images=...)"
        ) from None


def _array(path: Path, name: str) -> np.ndarray:
    """One array. The archive's sum is only compared at its end, which a header of too few numbers never reaches."""
    try:
        with zipfile.ZipFile(path) as archive, cast(zipfile.ZipExtFile, archive.open(f"{name}.npy")) as stream:
            if not stream.peek(1).startswith(np.lib.format.MAGIC_PREFIX):
                raise InputError(f"{path}: {name} is not a numpy array; write the file with numpy.savez")
            array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
            if stream.read(1):
                raise ValueError("its header promises fewer numbers than there are")
            return array
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever a damaged header makes them stumble on.
        held = "; Python objects are never unpickled: save numbers, or text as .astype(str)"
        advice = held if "Object arrays" in str(error) else "; give a whole file"
        raise InputError(f"{path}: array {name} cannot be read ({first_line(error)}){advice}") from None


def first_line(error: Exception) -> str:
    """Why a file could not be read, without the stack of lines that some libraries add."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
