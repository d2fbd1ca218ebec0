"""The names of a run's files, and writing that leaves each whole or as it was."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from vae_rd.config import versions
from vae_rd.process.waiting import waiting_for_disk

RECORD_FILE = versions.RECORD_FILE
HISTORY_FILE = "history.csv"
CONFIG_FILE = "config.yaml"
# What processes other than the first leave when they end early: their number between the two.
FAILURE, FAILURE_END = "error.process", ".json"
ERROR_FILE = "error.log"
# Pictures of the run, what they are, and where some examples lie in the space of z.
MEDIA = "media"
MEDIA_INDEX = f"{MEDIA}/index.json"
POINTS = "betas"  # Records at further betas, in folders of theirs.
LATENTS_FILE = "latents.npz"


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_sha256(path: Path, known: Mapping[Path, str] = MappingProxyType({})) -> str:
    """A checksum of a file, or of all files below a folder with their places in it; hidden ones do not count.

    Args:
        path: of the file or folder.
        known: checksums of some of the files, which need not be read again.
    """
    if not path.is_dir():
        return known.get(path) or sha256(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    seen = (name for name in sorted(files) if not any(part.startswith(".") for part in name.split("/")))
    return hashlib.sha256(
        "".join(f"{known.get(files[name]) or sha256(files[name])} {name}\n" for name in seen).encode()
    ).hexdigest()


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place when the block ends well, and is removed otherwise.

    A reader, or a kill at any moment, sees the old file or the new one.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with waiting_for_disk():
            temporary.replace(path)
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make `folder`; when the body fails, take away again every level that this made."""
    made = [level for level in (folder, *folder.parents) if not level.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for level in made:
            with suppress(OSError):
                level.rmdir()
        raise


def write_atomic(path: Path, text: str) -> Path:
    """Write `text` to `path` whole, and wait until it is on the disk."""
    with staged(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        put_on_disk(stream)
    return path


def put_on_disk(stream: IO[Any]) -> None:
    """Wait until what was written to a file is on the disk."""
    stream.flush()
    with waiting_for_disk():
        os.fsync(stream.fileno())


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool = True) -> str:
    """Rows as CSV text with full float precision; a missing or None value is an empty cell.

    Args:
        columns: in order.
        rows: by column.
        header: whether the columns come first, on a line of their own.

    Example:
        >>> csv_text(["epoch", "val/rate"], [{"epoch": 0, "val/rate": 0.5}, {"epoch": 1}])
        'epoch,val/rate\\n0,0.5\\n1,\\n'
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
