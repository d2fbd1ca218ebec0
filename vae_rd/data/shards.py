"""Sets larger than memory: a .npy file, or a folder of them, of which only what is evaluated on is held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vae_rd.config.fields import Layout
from vae_rd.data.archives import shape_problem
from vae_rd.data.base import Source
from vae_rd.data.levels import read_levels, real_values
from vae_rd.data.readers import first_line
from vae_rd.data.splits import divided
from vae_rd.data.streams import HELD, Stream, evaluated
from vae_rd.errors import InputError
from vae_rd.run.files import tree_sha256

PART_BYTES = 16 << 20  # Read at a time when all values are looked at.


class _Content(NamedTuple):
    """The extremes of all values, the checksum of all of them, and those of the files that hold nothing else."""

    ends: np.ndarray
    sha256: str
    files: dict[Path, str]


def npy(path: Path, *, data_seed: int = 0, levels: int | None = None, layout: Layout = "channels_last") -> Source:
    """The arrays of a .npy file, or of all .npy files of a folder in the order of their names, memory-mapped.

    They are read once to begin with, a part at a time, for their checksum and extremes. Val and test are a random tenth
    each, at most `HELD` examples, which are held in memory with as many training examples, on which "train" is
    evaluated. Whole numbers are read as those of an npz archive; floats are real values.

    Args:
        path: of the file or folder.
        data_seed: seed of what is split at random.
        levels: number of grey levels of whole numbers; None to tell from the largest.
        layout: which axis has the channels.

    Raises:
        InputError: for a file that is no array of numbers, arrays of several shapes or types, or too few examples.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "0.npy", np.zeros((30, 8, 8), np.uint8))
        ...     np.save(Path(folder) / "1.npy", np.ones((30, 8, 8), np.uint8))
        ...     source = npy(Path(folder))
        >>> len(source.stream), source.images["val"].shape, source.levels
        (48, torch.Size([6, 1, 8, 8]), 2)
    """
    files = tuple(sorted(path.glob("*.npy"))) if path.is_dir() else (path,)
    if not files:
        raise InputError(f"{path}: no .npy file in this folder; give one that numpy.save has written arrays into")
    mapped = [_mapped(file, layout) for file in files]
    _check_alike(files, mapped)
    content = _content(mapped, where=str(path))
    is_real = content.ends.dtype.kind == "f"
    if levels is not None and is_real:
        raise InputError(
            f"{path}: --levels {levels}: floats are read as real values; store whole numbers, or leave it out"
        )
    if is_real:  # Of which the ends say nothing: k/255 and 0.7 are both between 0 and 1.
        reading = real_values(content.ends, where=str(path))
    else:
        reading = read_levels(content.ends, asked=levels, where=str(path))
    counts = np.cumsum([len(array) for array in mapped])
    parts, split = divided(int(counts[-1]), {}, data_seed=data_seed, where=str(path), most=HELD)
    whole = Stream(files, counts, np.arange(counts[-1]), reading.pixels.dtype, layout)
    stream = whole.part(torch.from_numpy(parts["train"]))
    return Source(
        name="npy",
        images={
            "train": stream.rows(evaluated(len(stream), data_seed)),
            **{name: whole.rows(torch.from_numpy(parts[name])) for name in ("val", "test")},
        },
        levels=reading.levels,
        params={
            "sha256_pixels": content.sha256,
            "split": split,
            "data_seed": data_seed,
            "file": path.absolute().name,
            "reading": reading.said,
            "factors": {},
        },
        layout="channels_first",
        stream=stream,
        file_sha256=tree_sha256(path, content.files),
    )


def _mapped(file: Path, layout: Layout) -> np.memmap:
    try:
        array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: not a whole .npy array ({first_line(error)}); write it with numpy.save") from None
    if not isinstance(array, np.memmap) or array.dtype.kind not in "buif":
        raise InputError(f"{file}: holds no plain array of numbers; write one with numpy.save")
    if problem := shape_problem(array.shape, layout):
        raise InputError(f"{file}: the array is {list(array.shape)}{problem}")
    return array


def _check_alike(files: Sequence[Path], mapped: Sequence[np.ndarray]) -> None:
    first = mapped[0]
    for file, array in zip(files, mapped, strict=True):
        if (array.shape[1:], array.dtype) != (first.shape[1:], first.dtype):
            raise InputError(
                f"{file}: examples of {list(array.shape[1:])} of {array.dtype}, but {files[0]} has "
                f"{list(first.shape[1:])} of {first.dtype}; give arrays of one shape and type"
            )


def _content(mapped: Sequence[np.memmap], where: str) -> _Content:
    """All values looked at once, in order, without holding them."""
    digest, ends, files = hashlib.sha256(f"{mapped[0].shape[1:]} {mapped[0].dtype}".encode()), [], {}
    for array in mapped:
        file = Path(str(array.filename))
        with file.open("rb") as header:
            whole = hashlib.sha256(header.read(array.offset))
        for part in _parts(array):
            if part.dtype.kind == "f" and not np.isfinite(part).all():
                raise InputError(f"{where}: holds NaN or infinite values; give finite float32 numbers")
            for checksum in (digest, whole):
                checksum.update(part.tobytes())
            ends += [part.min(), part.max()]
        if array.flags.c_contiguous and file.stat().st_size == array.offset + array.nbytes:
            files[file] = whole.hexdigest()
    found: Any = np.array(ends)
    return _Content(np.array([found.min(), found.max()]), digest.hexdigest(), files)


def _parts(array: np.memmap) -> Iterator[np.ndarray]:
    """Copies of consecutive examples; the file is mapped anew for each, so that no more of it is in memory."""
    step = max(1, PART_BYTES // max(1, array[:1].nbytes))
    for first in range(0, len(array), step):
        fresh = np.load(str(array.filename), mmap_mode="r", allow_pickle=False)
        yield np.array(fresh[first : first + step])
